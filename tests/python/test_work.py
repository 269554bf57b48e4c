"""What `make workloads` has the labs do: the plan, and the tables."""

import unittest

import support
from driver import reports, tables, work
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


    def test_only_what_takes_too_long_lacks_at_other_connections_and_interpreters(self):
        keys = {c.key for c in work.configurations(list(support.PYTHONS))}
        lacking = set()
        for one in work.WORK:
            loads = [{"python": "system", "connections": count} for count in (1, 10, 1000)]
            loads += [{"python": python, "placement": "unpinned"} for python in support.PYTHONS]
            for load in loads:
                lacking |= {(server, one.text, load.get("connections", 100))
                            for server in work.SERVERS
                            if Configuration(work.name(server, one), **load).key not in keys}
        long = {(server, "primes below 20,000 in Python", 1000)
                for server in set(work.SERVERS) - {"lab3, pool"}}
        asking = {(server, work.ASK.text, 1000) for server in work.SERVERS}
        self.assertEqual(lacking, long | asking | {
            ("lab3", "wait 10 ms", 1000), ("lab3", "wait 100 ms", 1000),
            ("lab3", "wait 100 ms", 100)})

    def test_python_and_c_compute_the_same(self):
        sizes = {kind: [one.text.split()[2] for one in work.WORK
                        if one.text.endswith(f" in {kind}")] for kind in ("Python", "C")}
        self.assertEqual(sizes["Python"], ["100", "700", "3,000", "20,000"])
        self.assertEqual(sizes["Python"], sizes["C"])

    def test_a_few_are_enough_to_see_that_it_runs(self):
        few = work.configurations(list(support.PYTHONS), few=True)
        self.assertLess(len(few), 100)
        self.assertLessEqual(set(few), set(work.configurations(list(support.PYTHONS))))


class Turns(unittest.TestCase):
    def test_a_block_has_several_turns_of_lab3(self):
        cases = ((work.HELLO, 100, 0), (work.WAIT, 1, 1), (work.WAIT, 100, 6),
                 (work.WAIT, 1000, 21), (work.COMPUTE, 100, 1), (work.COMPUTE, 1000, 9))
        for one, connections, seconds in cases:
            with self.subTest(one.text, connections=connections):
                load = Configuration(work.name("lab3", one), connections=connections)
                self.assertEqual(work.least_seconds(load), seconds)

    def test_a_block_that_is_measured_once_has_two_turns(self):
        load = Configuration(work.name("lab3", work.COMPUTE), connections=1000, once=True)
        self.assertEqual(work.least_seconds(load), 4)

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

    def test_what_failed_is_said(self):
        self.assertIsNone(reports.left_out(support.workloads_run()))
        run = {**support.workloads_run(), "left_out": {"a": "a failed under load\n  no"}}
        self.assertEqual(reports.left_out(run), "Left out, as it failed: a failed under load.")

    def test_everything_stands_somewhere(self):
        run = support.workloads_run()
        rows = self.rows(work.all_by_connections(run))
        self.assertEqual(len(rows), 4 * len(work.WORK) - 1)
        self.assertEqual(rows["wait 0 ms, 10 connections"][0], "10,010")
        self.assertNotIn("asking a server, 1,000 connections", rows)
        self.assertEqual(rows["wait 10 ms, 1,000 connections"][2], "-")
        rows = self.rows(work.all_by_python(run))
        self.assertEqual(len(rows), 3 * len(work.WORK))
        self.assertEqual(self.rows(work.alone(run))["wait 0 ms"][0], "9.00")

    def test_what_a_run_does_not_have_is_a_dash(self):
        run = support.workloads_run()
        gone = Configuration(work.name("lab2", work.HELLO), python="system").key
        run["configurations"] = [c for c in run["configurations"]
                                 if Configuration(**c).key != gone]
        self.assertEqual(self.rows(work.rates(run))["hello"][1], "-")

    def test_tables_fit_a_terminal(self):
        for make in (work.rates, work.costs, work.tails, work.all_by_connections,
                     work.all_by_python, work.alone):
            text = tables.text(*make(support.workloads_run()))
            self.assertLessEqual(max(map(len, text.splitlines())), 110)


if __name__ == "__main__":
    unittest.main()
