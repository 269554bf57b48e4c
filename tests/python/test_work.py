"""What `make workloads` has the labs do: the plan, and the tables."""

import unittest

import support
from driver import tables, work
from driver.blocks import Configuration


class Plan(unittest.TestCase):
    def test_every_server_does_every_work_and_no_configuration_is_there_twice(self):
        planned = work.configurations(list(support.PYTHONS))
        keys = [c.key for c in planned]
        self.assertEqual(len(keys), len(set(keys)))
        for server in work.SERVERS:
            for one in work.WORK:
                self.assertIn(Configuration(work.name(server, one), python="system").key, keys)

    def test_other_numbers_of_connections_show_in_the_key(self):
        self.assertIn(", 10 connections, ", Configuration("lab1", connections=10).key)
        self.assertNotIn("connections", Configuration("lab1").key)

    def test_answers_are_those_of_the_apps(self):
        for one in work.WORK:
            with self.subTest(one.text):
                self.assertTrue(one.answer)
        self.assertAlmostEqual(len(work._json("1").answer) / 1024, 1, delta=0.2)
        self.assertAlmostEqual(len(work._json("64").answer) / 1024, 64, delta=8)


class Turns(unittest.TestCase):
    def test_a_block_has_several_turns_of_lab3(self):
        cases = ((work.HELLO, 100, 0), (work.WAIT, 1, 1), (work.WAIT, 100, 6),
                 (work.WAIT, 1000, 21), (work.COMPUTE, 100, 2), (work.COMPUTE, 1000, 7))
        for one, connections, seconds in cases:
            with self.subTest(one.text, connections=connections):
                load = Configuration(work.name("lab3", one), connections=connections)
                self.assertEqual(work.least_seconds(load), seconds)

    def test_other_servers_do_not_wait_for_a_turn(self):
        for server in set(work.SERVERS) - {"lab3"}:
            self.assertEqual(work.least_seconds(Configuration(work.name(server, work.WAIT))), 0)

    def test_computing_holds_up_every_loop(self):
        long = next(one for one in work.WORK if one.busy_s)
        found = {server for server in work.SERVERS
                 if work.least_seconds(Configuration(work.name(server, long)))}
        self.assertEqual(found, set(work.SERVERS) - {"lab3, pool"})


class Tables(unittest.TestCase):
    def rows(self, table):
        headers, rows = table
        self.assertEqual(headers[1:], list(work.SERVERS))
        return {row[0]: row[1:] for row in rows}

    def test_a_row_for_each_work(self):
        for make in (work.rates, work.costs, work.tails):
            self.assertEqual(list(self.rows(make(support.workloads_run()))),
                             [one.text for one in work.WORK])

    def test_servers_stand_side_by_side(self):
        rows = self.rows(work.rates(support.workloads_run()))
        self.assertEqual(rows["hello"], ["10,100", "2,600", "60,100", "60,100", "5,100", "5,100"])

    def test_connections_and_interpreters(self):
        rows = self.rows(work.by_connections(support.workloads_run()))
        self.assertEqual(rows["wait 10 ms, 1,000 connections"][0], "11,000")
        self.assertEqual(rows["hello, 1 connection"][0], "10,001")
        rows = self.rows(work.by_python(support.workloads_run()))
        self.assertEqual(rows["hello, on 3.13t"][2], "60,100")

    def test_what_a_run_does_not_have_is_a_dash(self):
        run = support.workloads_run()
        gone = Configuration(work.name("lab2", work.HELLO), python="system").key
        run["configurations"] = [c for c in run["configurations"]
                                 if Configuration(**c).key != gone]
        self.assertEqual(self.rows(work.rates(run))["hello"][1], "-")

    def test_tables_fit_a_terminal(self):
        for make in (work.rates, work.costs, work.tails, work.by_connections, work.by_python):
            text = tables.text(*make(support.workloads_run()))
            self.assertLessEqual(max(map(len, text.splitlines())), 110)


if __name__ == "__main__":
    unittest.main()
