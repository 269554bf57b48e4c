"""The guard against other load."""

import subprocess
import sys
import time
import unittest

import support  # noqa: F401  (finds the driver)
from driver import procfs

BUSY = [sys.executable, "-c", "while True: pass"]
IDLE = [sys.executable, "-c", "input()"]
DEADLINE_SECONDS = 60


class OtherLoad(unittest.TestCase):
    def start(self, command):
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process.pid

    def wait_until_busy(self, pid, seconds):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while procfs.usage(pid)[0] < seconds:
            self.assertLess(time.monotonic(), deadline, "a busy loop got no CPU time")
            time.sleep(0.01)

    def test_counts_who_is_neither_the_server_nor_the_driver(self):
        idle, busy = self.start(IDLE), self.start(BUSY)
        watch = procfs.OtherLoad()
        self.wait_until_busy(busy, 0.3)
        of_others, without_it = watch.share(idle), watch.share(busy)
        self.assertGreater(of_others, 0)
        self.assertLess(without_it, of_others)
        self.assertLessEqual(of_others, 1.1)

    def test_counts_who_has_come_meanwhile_from_its_start(self):
        watch = procfs.OtherLoad()
        busy = self.start(BUSY)
        self.wait_until_busy(busy, 0.3)
        self.assertGreater(watch.share(self.start(IDLE)), watch.share(busy))


if __name__ == "__main__":
    unittest.main()
