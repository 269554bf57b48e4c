"""Handlers that ask another server: the plan, the table, whose CPU time is whose."""

import unittest
from unittest import mock

import support
from driver import asking, procfs, tables


class Table(unittest.TestCase):
    def test_every_server_at_each_number_of_connections(self):
        headers, rows = asking.table(support.upstream_run())
        self.assertEqual(len(rows), len(asking.SERVERS) * len(asking.CONNECTIONS))
        found = {row[0]: row[1] for row in rows}
        self.assertEqual(found["lab1, 1 connection"], "110")
        self.assertEqual(found["lab4, 100 connections"], "1,100")
        text = tables.text(headers, rows)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)


class Beside(unittest.TestCase):
    def test_what_is_needed_beside_a_server_is_no_other_load(self):
        tasks = {(pid, "1"): 1.0 for pid in (-1, -2, -3)}
        with (mock.patch.object(procfs, "_all_tasks", lambda: tasks),
              mock.patch.object(procfs, "tree", lambda root: [root])):
            others = procfs.OtherLoad()
            tasks = {task: seconds + 1 for task, seconds in tasks.items()}
            self.assertGreater(others.share(-1), 0)
            self.assertGreater(others.share(-1, -2), 0)
            self.assertEqual(others.share(-1, -2, -3), 0)


if __name__ == "__main__":
    unittest.main()
