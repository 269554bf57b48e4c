"""Runs with several interpreters: who is who, and what stands next to whom."""

import argparse
import contextlib
import io
import os
import unittest

import support
import interpreters
import reproduce
from driver import catalogue, comparison, pythons, tables
from driver.blocks import Configuration

PYTHONS = {name: pythons.Python(name, "/bin-dir", (), about)
           for name, about in support.PYTHONS.items()}
FREE_GAINS = {"system": 1.0, "3.13": 1.1, "3.13t": 1.5}


def unequal_run(kind, configurations, rounds=10):
    """lab2 has a quarter and lab3 six times lab1's requests/s, 3.13t half as much again as 3.13."""
    def rps(configuration):
        return support.LAB_RPS[configuration.server[:4]] * FREE_GAINS[configuration.python]
    return support.run_of_several(kind, configurations, rps, rounds)


class Who(support.WithFolder):
    def test_what_labs_say_of_their_python(self):
        cases = {
            "Python 3.11.2 GIL, -O2": ("3.11.2", True, "-O2"),
            "Python 3.13.5 free-threaded, -O3, PGO": ("3.13.5", False, "-O3, PGO"),
            "Python 3.14.0rc1+ GIL, as shipped": ("3.14.0rc1+", True, "as shipped"),
        }
        for line, (version, gil, built_with) in cases.items():
            with self.subTest(line):
                about = pythons.embedded([line, "libuv 1.44.2"])
                self.assertEqual(about, {"version": version, "gil": gil, "built_with": built_with})
                self.assertEqual(pythons.describe(about), line)

    def test_labs_that_say_less_are_no_error(self):
        for line in ("Python 3.11.2", "Python 3.11.2 (GIL)", "libuv 1.44.2", ""):
            with self.subTest(line):
                self.assertEqual(pythons.embedded([line]), {})
        self.assertEqual(pythons.ask(self.folder).about, {})

    def test_a_lab_is_asked(self):
        path = os.path.join(self.folder, "lab3")
        with open(path, "w") as file:
            file.write("#!/bin/sh\nprintf 'lab3\\nPython 3.13.5 free-threaded, -O3\\nlibuv 1\\n'\n")
        os.chmod(path, 0o755)
        found = pythons.ask(self.folder, "3.13t")
        self.assertEqual(found.versions, ("Python 3.13.5 free-threaded, -O3", "libuv 1"))
        self.assertTrue(found.free_threaded)

    def test_the_pair_differs_by_the_gil_alone(self):
        self.assertEqual(pythons.pair(support.PYTHONS), ("3.13", "3.13t"))
        for change in ({"version": "3.13.6"}, {"built_with": "-O2"}):
            other = {**support.PYTHONS, "3.13": {**support.PYTHONS["3.13"], **change}}
            self.assertIsNone(pythons.pair(other))

    def test_an_option_names_a_folder(self):
        self.assertEqual(pythons.named_folder("3.13t=a/b=c"), ("3.13t", "a/b=c"))
        for text in ("3.13t", "=a", "3.13t=", ""):
            with self.subTest(text), self.assertRaises(argparse.ArgumentTypeError):
                pythons.named_folder(text)


class Programs(unittest.TestCase):
    PYTHON = PYTHONS["3.13t"]

    def test_every_configuration_has_its_program(self):
        reproduced = {c.program for c in reproduce.configurations(["3.13t"])}
        self.assertEqual(reproduced, set(catalogue.labs_on(self.PYTHON)))
        measured = {c.program for c in interpreters.configurations([self.PYTHON])}
        self.assertEqual(measured, {*catalogue.labs_on(self.PYTHON, comparison.WORKERS),
                                    *catalogue.immortal_labs_on(self.PYTHON)})

    def test_loops_are_immortal_only_where_there_is_no_gil(self):
        for name, python in PYTHONS.items():
            planned = [c.server for c in interpreters.configurations([python])]
            self.assertEqual("lab1, immortal" in planned, name == "3.13t", name)

    def test_lab2_has_as_many_loops_as_its_name_says(self):
        specs = catalogue.labs_on(self.PYTHON, comparison.WORKERS)
        self.assertEqual(specs["lab2, 16 loops on 3.13t"].command,
                         ("/bin-dir/lab2", "--port", "0", "--workers", "16"))
        self.assertEqual(specs["lab2, 1 loop on 3.13t"].command[-1], "1")
        self.assertNotIn("--workers", specs["lab1 on 3.13t"].command)

    def test_only_labs_without_a_gil_must_stay_so(self):
        for name, python in PYTHONS.items():
            specs = catalogue.labs_on(python)
            self.assertEqual({spec.free_threaded for spec in specs.values()}, {name == "3.13t"})

    def test_what_is_compared_is_measured_next_to_each_other(self):
        order = [c.key for c in reproduce.configurations(["3.13", "3.13t"])[:2]]
        self.assertEqual(order, ["lab1 on 3.13, pinned, plain", "lab1 on 3.13t, pinned, plain"])

    def test_keys_tell_interpreters_apart(self):
        self.assertNotEqual(Configuration("lab1", python="3.13").key, Configuration("lab1").key)


class Tables(unittest.TestCase):
    def setUp(self):
        self.reproduced = unequal_run("pythons", reproduce.configurations(support.PYTHONS))
        self.measured = unequal_run("interpreters", interpreters.configurations(PYTHONS.values()))

    def test_the_headline_has_a_group_of_columns_per_interpreter(self):
        headers, rows, groups = comparison.headline(self.reproduced)
        self.assertEqual([group[:2] for group in groups],
                         [("system", "3.11.2 GIL"), ("3.13", "3.13.5 GIL"),
                          ("3.13t", "3.13.5 free-threaded")])
        self.assertEqual(rows[0], ["lab1, pinned, plain", "10,000", "10.0", "1.00",
                                   "11,000", "10.0", "1.00", "15,000", "10.0", "1.00"])
        self.assertEqual(rows[1][1::3], ["2,500", "2,750", "3,750"])
        self.assertEqual(rows[1][3::3], ["0.25"] * 3)  # to lab1 of the same interpreter

    def test_tables_fit_a_terminal(self):
        for number, block in enumerate(self.reproduced["blocks"] + self.measured["blocks"]):
            block["rps"] *= 1 + number % 97 / 97  # so that there are intervals
        shown = [comparison.headline(self.reproduced), comparison.ratios(self.reproduced),
                 comparison.placement_table(self.measured, "unpinned"),
                 comparison.without_over_with(self.measured), comparison.judged(self.measured),
                 comparison.immortal_over_counted(self.measured)]
        for table in shown:
            self.assertLessEqual(max(map(len, tables.text(*table).splitlines())), 110)

    def test_a_run_is_shown_whole(self):
        cases = {
            reproduce.show_by_python: (self.reproduced,
                                       ["3.13.5 free-threaded", "lab2/lab1, pinned",
                                        "Python 3.11.2 GIL, -O2"]),
            interpreters.show: (self.measured, ["lab2, 16 loops", "3.13t / 3.13", "so?",
                                                "immortal / counted"]),
        }
        for show, (data, expected) in cases.items():
            with contextlib.redirect_stdout(io.StringIO()) as said:
                show(data)
            for part in expected:
                self.assertIn(part, said.getvalue())

    def test_groups_stand_above_their_columns(self):
        text = tables.text(["", "a", "b"], [["row", 1, 2]], [("x", "a long title", 2)])
        self.assertEqual(text.splitlines(), [
            "                x",
            "     a long title",
            "             a  b",
            "-----------------",
            "row          1  2",
        ])

    def test_markdown_names_the_group_in_each_header(self):
        text = tables.markdown(["", "a", "b"], [["row", 1, 2]], [("x", "title", 2)])
        self.assertEqual(text.splitlines()[0], "|  | x: a | x: b |")

    def test_a_lab_is_compared_with_itself_on_the_other_interpreter(self):
        headers, rows = comparison.without_over_with(self.measured)
        self.assertEqual(headers[0], "3.13t / 3.13")
        self.assertEqual([row[0] for row in rows], list(comparison.SERVERS))
        self.assertEqual({row[1] for row in rows}, {"1.36"})
        self.assertEqual({row[2] for row in rows}, {"1.00"})

    def test_without_a_pair_nothing_is_put_down_to_the_gil(self):
        self.measured["environment"]["pythons"] = {"system": support.PYTHONS["system"]}
        self.assertIsNone(comparison.without_over_with(self.measured))
        self.assertEqual(comparison.judged(self.measured)[1], [])

    def test_immortal_loops_are_compared_with_the_same_labs_others(self):
        for block in self.measured["blocks"]:
            if block["server"] == "lab1, immortal":
                block["cpu_us"] *= 0.9
        headers, rows = comparison.immortal_over_counted(self.measured)
        self.assertEqual(rows, [["lab1 on 3.13t", "1.00", "0.90", "1.00", "0.90"],
                                ["lab2, 8 loops on 3.13t", "1.00", "1.00", "1.00", "1.00"]])
        self.measured["environment"]["pythons"] = {"3.13": support.PYTHONS["3.13"]}
        self.assertIsNone(comparison.immortal_over_counted(self.measured))

    def test_each_lab_stands_beside_itself(self):
        headers, rows = comparison.placement_table(self.measured, "pinned")
        self.assertEqual([row[:3] for row in rows[:4]],
                         [["lab1", "system", "10,000"], ["", "3.13", "11,000"],
                          ["", "3.13t", "15,000"], ["lab2, 1 loop", "system", "2,500"]])
        self.assertEqual(rows[3][-1], "0.25")

    def test_an_expectation_that_fails_is_said(self):
        rows = {row[0]: row[2:] for row in comparison.judged(self.measured)[1]}
        self.assertEqual(rows["lab1: 3.13t / 3.13, unpinned"], ["> 1", "1.36", "yes"])
        self.assertEqual(rows["lab1: 3.13t / 3.13, pinned"], ["<= 1", "1.36", "no"])

    def test_an_expectation_is_open_where_its_interval_straddles(self):
        for block in self.measured["blocks"]:
            if block["python"] == "3.13t":
                block["rps"] = 11_000.0 * (0.9 if block["round"] % 2 else 1.2)
        rows = {row[0]: row[4] for row in comparison.judged(self.measured)[1]}
        self.assertEqual(rows["lab1: 3.13t / 3.13, unpinned"], "open")


if __name__ == "__main__":
    unittest.main()
