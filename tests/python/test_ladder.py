"""The ladder is one: every rung has its parent before it; its tables say what the blocks say."""

import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import support
from driver import ladder_report, offline, pingpong, rungs, tables
from driver.servers import ServerError

ROOT = os.path.join(support.BENCH, "..")


class Rungs(unittest.TestCase):
    def test_each_parent_stands_before_its_rung(self):
        seen = set()
        for rung in rungs.RUNGS:
            self.assertNotIn(rung.name, seen)
            self.assertTrue(rung.parent is None or rung.parent in seen, rung.name)
            seen.add(rung.name)
        self.assertEqual([rung.name for rung in rungs.RUNGS if rung.parent is None], ["floor"])

    def test_a_rung_is_a_folder_of_the_ladder_or_a_lab(self):
        folders = {f for f in os.listdir(os.path.join(ROOT, "ladder")) if f[0].isdigit()}
        named = {rung.program for rung in rungs.RUNGS if rung.program[0].isdigit()}
        self.assertEqual(folders, named)
        for rung in rungs.RUNGS:
            with self.subTest(rung.name):
                number = rung.program[:2]
                self.assertTrue(not number.isdigit() or rung.name.startswith(number))

    def test_each_is_started_with_its_own_arguments(self):
        specs = rungs.specs("bin")
        self.assertEqual(list(specs), [rung.name for rung in rungs.RUNGS])
        commands = [(spec.command, spec.path) for spec in specs.values()]
        self.assertEqual(len(set(commands)), len(commands))
        self.assertEqual(specs["11 pool of 8"].command[-2:], ("--workers", "8"))
        self.assertEqual(specs["00 native"].path, "/native")

    def test_hops_are_measured_in_both_placements(self):
        placements = {}
        for configuration in rungs.configurations():
            placements.setdefault(configuration.server, []).append(configuration.placement)
        for rung in rungs.RUNGS:
            expected = ["pinned", "unpinned"] if rung.hop else ["pinned"]
            self.assertEqual(placements[rung.name], expected, rung.name)


class Tables(unittest.TestCase):
    def rows(self, table):
        headers, rows = table
        for row in rows:
            self.assertEqual(len(row), len(headers), row)
        return {row[0]: dict(zip(headers[1:], row[1:])) for row in rows}

    def test_what_a_rung_adds_is_held_against_its_parent(self):
        rows = self.rows(ladder_report.ladder(support.ladder_run()))
        self.assertEqual(rows["floor"]["added µs"], "-")
        self.assertEqual(rows["05 wake-up each"]["added µs"], "+2.00")  # 22 - 20 in each round
        self.assertEqual(rows["13 blocked threads"]["parent"], "06")
        self.assertEqual(rows["13 blocked threads"]["added µs"], "+14.0")  # 38 - 24

    def test_differences_are_formed_within_rounds(self):
        run = support.ladder_run()
        for block in run["blocks"]:
            block["cpu_us"] += 100 * block["round"]  # a drift that all rungs share
        rows = self.rows(ladder_report.ladder(run))
        self.assertEqual(rows["05 wake-up each"]["added µs"], "+2.00")

    def test_a_rung_that_costs_less_has_a_minus(self):
        run = support.ladder_run()
        for block in run["blocks"]:
            if block["server"] == "02 coroutine":
                block["cpu_us"] -= 5
        self.assertEqual(self.rows(ladder_report.ladder(run))["02 coroutine"]["added µs"], "-3.00")

    def test_hops_stand_beside_the_price_of_their_switches(self):
        rows = self.rows(ladder_report.hops(support.ladder_run()))
        self.assertEqual(list(rows), [rung.name for rung in rungs.WITH_HOP])
        headers, table = ladder_report.hops(support.ladder_run())
        lab1 = next(row for row in table if row[0] == "05 wake-up each")
        self.assertEqual(lab1[1:4], ["22.1", "0.500", "1.50"])  # 0.5 switches of 3 µs
        self.assertEqual(lab1[4:8], ["44.1", "0.500", "2.50", "+4.00"])
        self.assertEqual(rows["04 hop"]["added"], "-")  # its parent has no hop

    def test_tables_fit_a_terminal(self):
        run = support.ladder_run()
        for number, block in enumerate(run["blocks"]):
            block["cpu_us"] *= 1 + number / 977  # so that there are intervals
            block["rps"] *= 1 + number / 97
        for table in (ladder_report.ladder(run), ladder_report.hops(run)):
            self.assertLessEqual(max(map(len, tables.text(*table).splitlines())), 100)

    def test_the_floor_is_told_in_words(self):
        note = ladder_report.floor_note(support.ladder_run())
        self.assertIn("on one core 7.00 µs a round trip, of which 6.00 µs CPU", note)
        self.assertIn("unpinned 44.0 µs", note)
        run = support.ladder_run()
        del run["pingpong"]
        self.assertEqual(ladder_report.floor_note(run), "")
        self.assertEqual(self.rows(ladder_report.hops(run))["04 hop"]["floor"], "-")


class PingPong(unittest.TestCase):
    def test_its_line_is_read(self):
        self.assertEqual(pingpong.parse("round_trips=10 us=4.500 cpu_us=4.250 switches=2.00\n"),
                         {"us": 4.5, "cpu_us": 4.25, "switches": 2.0})

    def test_another_line_is_an_error_that_shows_it(self):
        for text in ("", "round_trips=10 us=x\n", "us=4.5 cpu_us=4.2 switches=2.0\n"):
            with self.subTest(text), self.assertRaisesRegex(ServerError, "can't be read"):
                pingpong.parse(text)

    def test_a_program_that_fails_is_an_error(self):
        for program in ("/nonexistent/pingpong", "/bin/false"):
            with self.subTest(program), self.assertRaisesRegex(ServerError, "pingpong failed"):
                pingpong.once(program, None)


class Offline(unittest.TestCase):
    def rows(self, data):
        headers, rows = ladder_report.offline(data)
        return {row[0]: row[1:] for row in rows}

    def test_a_rung_is_held_against_its_parent(self):
        rows = self.rows(support.offline_run())
        self.assertNotIn("floor", rows)
        self.assertEqual(rows["00 native"], ["-", "1.00", "-", "50.0", "1,000", "-"])
        self.assertEqual(rows["05 wake-up each"],
                         ["04", "6.00", "+1.00", "50.0", "6,000", "+1,000"])
        self.assertEqual(rows["13 blocked threads"][0], "06")

    def test_without_callgrind_there_are_times_only(self):
        run = support.offline_run() | {"instructions": {}}
        self.assertEqual(self.rows(run)["05 wake-up each"][-2:], ["-", "-"])
        self.assertIn("needs valgrind", ladder_report.links_without_rise(run))

    def test_links_without_a_rise_are_named(self):
        run = support.offline_run()
        self.assertIn("rise along every", ladder_report.links_without_rise(run))
        run["instructions"]["08 pool of 1"] = run["instructions"]["07 wrapped"]
        self.assertIn("don't rise from 07 wrapped to 08 pool of 1 (+0)",
                      ladder_report.links_without_rise(run))

    def test_each_rung_is_started_with_its_app_and_workers(self):
        words = {rung.name: offline.command("bin", rung, 7, "-i", "1") for rung in offline.RUNGS}
        self.assertEqual(words["11 pool of 8"],
                         ["bin/offline_lab2", "-n", "7", "-w", "8", "-i", "1", "async"])
        self.assertEqual(words["00 native"][-1], "native")
        self.assertEqual(words["01 sync call"][-1], "sync")

    def test_its_line_is_read_and_wrong_answers_are_an_error(self):
        line = "requests=10 cpu_us=4.500 wall_us=5.000 turns=2 bad=0\n"
        self.assertEqual(offline.parse(line),
                         {"requests": 10, "cpu_us": 4.5, "wall_us": 5.0, "turns": 2})
        for text in ("", line.replace("bad=0", "bad=1"), line.replace("10", "x")):
            with self.subTest(text), self.assertRaisesRegex(ServerError, "can't be read"):
                offline.parse(text)

    def test_start_and_end_cancel_out_of_the_instructions(self):
        few, many = offline.COUNTS
        totals = {str(count): 1_000_000 + 37 * count for count in (few, many)}
        with mock.patch.object(offline, "_collected", lambda words: totals[words[2]]):
            self.assertEqual(offline.instructions("bin", rungs.BY_NAME["05 wake-up each"]), 37)


class Scripts(unittest.TestCase):
    def run_script(self, name, *arguments):
        command = [sys.executable, os.path.join(support.BENCH, name), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def test_help_says_the_exit_status(self):
        for name in ("ladder.py", "ladder_offline.py"):
            done = self.run_script(name, "--help")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("exit status", done.stdout)

    def test_a_folder_without_programs_is_status_one(self):
        cases = (("ladder.py", "02_coroutine_in_place", "`make ladder` builds them"),
                 ("ladder_offline.py", "offline_lab1", "`make ladder-offline` builds them"))
        for name, missing, what_to_do in cases:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                done = self.run_script(name, "--bin-dir", folder)
                self.assertEqual(done.returncode, 1)
                self.assertIn(missing, done.stderr)
                self.assertIn(what_to_do, done.stderr)


if __name__ == "__main__":
    unittest.main()
