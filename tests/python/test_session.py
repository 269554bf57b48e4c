"""However a run ends, what was measured is shown or kept, and the exit status says which."""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import unittest
from unittest import mock

import support
from driver import pythons, results, session
from driver.blocks import Configuration, Run
from driver.servers import ServerError, Spec

A, B = Configuration("a"), Configuration("b")


class Quiet:
    def __init__(self, spec, cpus):
        self.spec = spec

    def stop(self):
        pass


class Conduct(support.WithFolder):
    def conduct(self, *script, rounds=2, afterwards=None):
        """Run A and B; `script` says what the blocks after warm-up do. Returns (status, output,
        the data that were shown)."""
        steps, shown, output = list(script), [], io.StringIO()

        def measure_block(server, seconds, _configuration, _cpus):
            step = steps.pop(0) if seconds == 3 and steps else None
            if isinstance(step, BaseException):
                raise step
            return support.figures()

        specs = {c.server: Spec(c.server, ("true",)) for c in (A, B)}
        run = Run(specs, (A, B), rounds, 3, "partial-x.json", "f", folder=self.folder, start=Quiet,
                  measure_block=measure_block)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            run._progress.stream = output
            status = session.conduct(run, "x", "latest-x.json", support.ENVIRONMENT,
                                     shown.append, afterwards)[1]
        return status, output.getvalue(), shown

    def stored(self, name="latest-x.json"):
        return results.load(name, self.folder)

    def test_a_whole_run_is_shown_and_stored(self):
        status, output, shown = self.conduct()
        self.assertEqual((status, len(shown)), (0, 1))
        self.assertIn("latest-x.json", output)
        data = self.stored()
        self.assertEqual(len(data["blocks"]), 4)
        self.assertEqual(data["environment"], support.ENVIRONMENT)
        self.assertEqual(data["summary"][A.key]["rps"], {"median": 1000, "low": 1000, "high": 1000})
        self.assertIsNone(self.stored("partial-x.json"))

    def test_ctrl_c_shows_the_complete_rounds_and_keeps_all_blocks(self):
        status, output, shown = self.conduct(None, None, None, KeyboardInterrupt())
        self.assertEqual((status, len(shown)), (130, 1))
        self.assertIn("3 of 4 blocks", output)
        self.assertIn("continues", output)
        self.assertEqual(len(self.stored("partial-x.json")["blocks"]), 3)
        self.assertIsNone(self.stored())

    def test_ctrl_c_in_the_first_round_shows_nothing(self):
        status, _, shown = self.conduct(None, KeyboardInterrupt())
        self.assertEqual((status, shown), (130, []))

    def test_a_failing_server_shows_what_there_is_and_keeps_it(self):
        status, output, shown = self.conduct(None, None, ServerError("b answers 500"))
        self.assertEqual((status, len(shown)), (1, 1))
        self.assertIn("b answers 500", output)
        self.assertEqual(len(self.stored("partial-x.json")["blocks"]), 2)

    def test_what_is_measured_afterwards_is_stored_too(self):
        self.conduct(afterwards=lambda: {"memory": {"lab3": [1]}})
        self.assertEqual(self.stored()["memory"], {"lab3": [1]})

    def test_what_fails_afterwards_does_not_cost_the_blocks(self):
        def fails():
            raise ServerError("no memory")

        status, output, shown = self.conduct(afterwards=fails)
        self.assertEqual((status, len(shown)), (1, 1))
        self.assertEqual(len(self.stored("partial-x.json")["blocks"]), 4)

    def test_a_full_disk_is_said_after_the_figures_are_shown(self):
        with mock.patch.object(results.json, "dump", side_effect=OSError(28, "No space left")):
            status, output, shown = self.conduct()
        self.assertEqual((status, len(shown)), (1, 1))
        self.assertIn("latest-x.json couldn't be stored", output)


class Frame(unittest.TestCase):
    def status_of(self, main):
        said = io.StringIO()
        with mock.patch.object(session.signal, "signal"), contextlib.redirect_stderr(said), \
                self.assertRaises(SystemExit) as ended:
            session.run_script(main)
        return ended.exception.code, said.getvalue()

    def test_errors_are_messages(self):
        def raising(error):
            def main():
                raise error
            return main

        self.assertEqual(self.status_of(lambda: 0)[0], 0)
        self.assertEqual(self.status_of(raising(KeyboardInterrupt()))[0], 130)
        for error in (ServerError("lab1 is ill"), session.wrk.WrkError("lab1 is ill")):
            status, said = self.status_of(raising(error))
            self.assertEqual(status, 1)
            self.assertIn("lab1 is ill", said)

    def test_missing_programs_are_named_with_what_to_do(self):
        with self.assertRaisesRegex(ServerError, "lab1, lab2, lab3, floor.*make"):
            session.check_programs("/nonexistent")

    def test_numbers_below_one_are_refused(self):
        self.assertEqual(session.whole_number("7"), 7)
        for text in ("0", "-1", "x", "1.5"):
            with self.subTest(text), self.assertRaises((argparse.ArgumentTypeError, ValueError)):
                session.whole_number(text)


class Pythons(unittest.TestCase):
    """A run with several interpreters begins with what each says of itself."""

    def check(self, *names, about=None):
        found = pythons.Python("x", "f", ("Python 3.13.5 GIL, -O3",), about or {})
        with mock.patch.object(session, "check_programs"), \
                mock.patch.object(pythons, "ask", return_value=found), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            session.check_pythons([(name, "f") for name in names])
        return said.getvalue()

    def test_each_is_said(self):
        said = self.check("3.13", "system", about=support.PYTHONS["3.13"])
        self.assertEqual(said.splitlines(), ["  3.13: Python 3.13.5 GIL, -O3",
                                             "  system: Python 3.13.5 GIL, -O3"])

    def test_one_that_is_there_twice_is_refused(self):
        with self.assertRaisesRegex(ServerError, "3.13t is there twice"):
            self.check("3.13t", "3.13", "3.13t", about=support.PYTHONS["3.13t"])

    def test_one_that_does_not_say_what_it_is_is_refused(self):
        with self.assertRaisesRegex(ServerError, "f/lab3 --version doesn't say"):
            self.check("3.13t")


class Scripts(unittest.TestCase):
    def run_script(self, name, *arguments):
        command = [sys.executable, os.path.join(support.BENCH, name), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def test_help_says_the_exit_status(self):
        for name in ("reproduce.py", "measure.py", "peers.py", "interpreters.py", "eager.py",
                     "scaling.py", "workloads.py", "open_loop.py", "update_docs.py"):
            with self.subTest(name):
                done = self.run_script(name, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("exit status", done.stdout)

    def test_wrong_options_are_status_two(self):
        cases = [("reproduce.py", "--rounds", "0"), ("measure.py", "--only", "speed"),
                 ("peers.py",), ("update_docs.py", "--wrong"), ("interpreters.py",),
                 ("scaling.py",), ("reproduce.py", "--python", "3.13t=x"),
                 ("interpreters.py", "--rounds", "1")]
        for case in cases:
            with self.subTest(case):
                arguments = case[1:] + (("--bin-dir", "x") if case[1:] else ())
                done = self.run_script(case[0], *arguments)
                self.assertEqual(done.returncode, 2)
                self.assertNotIn("Traceback", done.stderr)

    def test_a_folder_without_programs_is_status_one(self):
        for name in ("reproduce.py", "measure.py", "peers.py"):
            with self.subTest(name):
                done = self.run_script(name, "--bin-dir", "/nonexistent")
                self.assertEqual(done.returncode, 1)
                self.assertIn("no lab1", done.stderr)


if __name__ == "__main__":
    unittest.main()
