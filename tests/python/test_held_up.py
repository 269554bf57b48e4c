"""Two revisions beside each other, load with faults, idle connections: verdicts and tables."""

import unittest

import support
from driver import before_after, held_up


class BeforeAfter(unittest.TestCase):
    def test_the_ratio_of_cpu_time_decides(self):
        for after_us, kept in ((9.0, True), (10.2, True), (10.25, True), (10.4, False)):
            with self.subTest(after_us):
                data = support.compare_run(after_us)
                self.assertEqual(before_after.kept(data), kept)
                self.assertEqual({row[-1] for row in before_after.judged(data)},
                                 {"PASS" if kept else "FAIL"})

    def test_each_server_and_load_has_a_row(self):
        headers, rows = before_after.table(support.compare_run())
        self.assertEqual(headers[1], "before (0123456789ab)")
        self.assertEqual([row[0] for row in rows],
                         ["lab3", "/native", "lab3, 16 pipelined", "/native, 16 pipelined"])
        self.assertEqual(rows[0][1:3], ["10.1", "10.3"])

    def test_what_is_compared_is_measured_next_to_each_other(self):
        servers = [c.server for c in before_after.configurations()]
        for before, after in zip(servers[::2], servers[1::2]):
            self.assertEqual(before.replace("before", "after"), after)


class HeldUp(unittest.TestCase):
    def test_one_claim_that_fails_fails_its_server(self):
        for holds, verdict in ((True, "PASS"), (False, "FAIL")):
            rows = held_up.soak(support.soak_run(holds))[1]
            self.assertEqual(rows, [["lab1", "3,000", "60", "50", "10", "0", "40", "40",
                                     "20.0 > 20.5", verdict]])

    def test_only_lab3_is_held_to_a_size(self):
        for size, verdict in ((446.4, "PASS"), (512, "PASS"), (512.1, "FAIL")):
            rows = held_up.idle(support.idle_run(size))[1]
            self.assertEqual([row[-1] for row in rows], [verdict, "-"])
            self.assertEqual(rows[1][:3], ["nginx", "10,000", "525"])


if __name__ == "__main__":
    unittest.main()
