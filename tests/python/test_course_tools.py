"""The course's small tools: answers, traces, predictions, the autograder's bundle."""

import os
import re
import subprocess
import sys
import unittest
import zipfile
from unittest import mock

from support import WithFolder

COURSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "course")
sys.path.insert(0, COURSE)

import mutants  # noqa: E402
from kit import answers, building, bundle, checks, handout, labs  # noqa: E402
from kit import predictions, running, traces  # noqa: E402
from kit.checks import Failed  # noqa: E402


class Case:
    """What a check gets, as far as these need it."""

    def __init__(self, tree):
        self.tree, self.steps = tree, []

    def step(self, text):
        self.steps.append(text)


class Answers(WithFolder):
    def read(self, text):
        with open(os.path.join(self.folder, "a.txt"), "w", encoding="utf-8") as file:
            file.write(text)
        return answers.read(Case(self.folder), "a.txt")

    def test_values_stand_between_commas_and_comments_are_nothing(self):
        found = self.read("# one: 1\nhops: a, b ,c  # not d\nempty:\nplain text\n")
        self.assertEqual(found, {"hops": ["a", "b", "c"], "empty": []})

    def test_what_is_missing_or_no_number_is_said_with_its_name(self):
        found = self.read("empty:\nrate: 1, two\n")
        for call, words in (
            (lambda: answers.get(found, "empty"), "an answer behind `empty:`"),
            (lambda: answers.get(found, "gone", 1), "1 value behind `gone:`"),
            (lambda: answers.numbers(found, "rate", 2), "2 plain numbers behind `rate:`"),
            (lambda: answers.expect(found, "rate", ["1"]), "rate: 1"),
        ):
            with self.assertRaises(Failed) as raised:
                call()
            self.assertEqual(raised.exception.expected, words)

    def test_order_and_tolerance_are_as_the_check_says(self):
        found = self.read("threads: b, a\nus: 101\n")
        answers.expect(found, "threads", ["a", "b"], in_order=False)
        answers.expect_number(found, "us", 100, 0.01)
        with self.assertRaises(Failed):
            answers.expect(found, "threads", ["a", "b"])
        with self.assertRaises(Failed):
            answers.expect_number(found, "us", 100, 0.009)


class Traces(WithFolder):
    def test_the_stored_trace_has_whole_requests_whose_gaps_add_up(self):
        trace = traces.read(Case(labs.ROOT), "lab0_first_run/trace.json")
        self.assertEqual(sorted(trace.requests), [1, 2, 3, 4, 5])
        self.assertEqual(trace.handovers, 10)
        for traced in trace.requests.values():
            self.assertEqual((traced.hops()[0], traced.hops()[-1]), ("parsed", "written"))
            self.assertAlmostEqual(sum(traced.gaps.values()), traced.total_us, places=2)

    def test_what_is_no_trace_is_a_failed_check_and_no_crash(self):
        for text in ("", "[]", "{}", '{"traceEvents": [3]}',
                     '{"traceEvents": [{"cat": "request"}]}'):
            with open(os.path.join(self.folder, "t.json"), "w", encoding="utf-8") as file:
                file.write(text)
            with self.subTest(text), self.assertRaises(Failed) as raised:
                traces.read(Case(self.folder), "t.json")
            self.assertIn("can't be read", raised.exception.seen)


class Predictions(WithFolder):
    def test_what_was_written_is_read_and_what_came_out_is_added(self):
        kept, predictions.ROOT = predictions.ROOT, self.folder
        try:
            self.assertEqual(predictions.read(1), [])
            rows = [(question, "half, because", "") for question in predictions.QUESTIONS[1]]
            predictions.write(1, rows)
            self.assertEqual(predictions.read(1), rows)
            rows = [(*row[:2], "12 %") for row in rows]
            predictions.write(1, rows)
            self.assertEqual(predictions.read(1), rows)
        finally:
            predictions.ROOT = kept

    def test_every_lab_asks(self):
        self.assertEqual(set(predictions.QUESTIONS), set(labs.FOLDERS))


class Bundle(WithFolder):
    def test_it_has_what_the_grader_needs_and_is_the_same_bytes_each_time(self):
        paths = [os.path.join(self.folder, name) for name in ("one.zip", "two.zip")]
        for path in paths:
            bundle.write(1, path)
        with open(paths[0], "rb") as one, open(paths[1], "rb") as two:
            self.assertEqual(one.read(), two.read())
        with zipfile.ZipFile(paths[0]) as archive:
            names = archive.namelist()
            self.assertEqual(archive.getinfo("run_autograder").external_attr >> 16 & 0o777, 0o755)
            self.assertIn(b"grade.py 1 ", archive.read("run_autograder"))
        for name in ("setup.sh", "course/hidden/lab1.py", "course/kit/handout.py", "Makefile"):
            self.assertIn(name, names)
        self.assertEqual(len(names), len(set(names)))


def judge_nothing(lab, name):
    return lab, name, building._tree, os.getpid()


class Building(unittest.TestCase):
    """Without a build: what processes have to do with trees."""

    def test_results_come_in_order_and_no_two_processes_share_a_tree(self):
        jobs = [(1, "a"), (2, "b"), (0, "c"), (5, "d"), (3, "e")]
        with mock.patch.object(building, "_prepare") as prepare:
            found = list(building.judge_all(judge_nothing, jobs))
        self.assertEqual([(lab, name) for lab, name, _, _ in found], jobs)
        pairs = {(tree, pid) for _, _, tree, pid in found}
        self.assertEqual(len(pairs), len({tree for tree, _ in pairs}))
        self.assertEqual(len(pairs), len({pid for _, pid in pairs}))
        self.assertNotIn(os.getpid(), [pid for _, pid in pairs])
        prepare.assert_called_once_with({0, 1, 2, 3, 5}, min(5, building.PROCESSES))


class Mutants(WithFolder):
    def test_every_patch_fits_the_solution_as_it_is(self):
        for lab in labs.FOLDERS:
            tree = os.path.join(self.folder, f"lab{lab}")
            handout.write_solution(tree, lab)
            for mutant in mutants.of_lab(lab):
                command = ["patch", "-p1", "--batch", "--dry-run", "--fuzz=0", "-i", mutant.path]
                done = subprocess.run(command, cwd=tree, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{mutant.path}:\n{done.stdout}")

    def test_mistakes_are_in_students_files_unless_they_say_otherwise(self):
        for lab in labs.FOLDERS:
            for mutant in mutants.of_lab(lab):
                with open(mutant.path, encoding="utf-8") as file:
                    changed = set(re.findall(r"^\+\+\+ b/(\S+)", file.read(), re.MULTILINE))
                theirs = changed <= set(labs.ALLOWED[lab])
                self.assertEqual(theirs, "Given" not in mutant.header, mutant.path)

    def test_each_hidden_test_has_a_mutant_that_it_fails(self):
        for lab in labs.FOLDERS:
            checks.REGISTRY.clear()
            self.addCleanup(checks.REGISTRY.clear)
            hidden = {check.name for check in running.load(lab) if check.hidden}
            caught = {mutant.header["Test"] for mutant in mutants.of_lab(lab)}
            self.assertEqual(hidden - caught, set(), f"lab {lab}")

    def test_some_mistakes_only_hidden_tests_find(self):
        found = [m.header for lab in labs.FOLDERS for m in mutants.of_lab(lab)]
        alone = [h["Test"] for h in found if "Alone" in h and h["Test"].startswith("hidden_")]
        self.assertGreaterEqual(len(alone), 3)


class Checkpoints(unittest.TestCase):
    def test_each_says_how_many_tests_pass(self):
        for lab, folder in labs.FOLDERS.items():
            checks.REGISTRY.clear()
            self.addCleanup(checks.REGISTRY.clear)
            count = sum(not check.hidden for check in running.load(lab))
            with open(os.path.join(labs.ROOT, folder, "README.md"), encoding="utf-8") as file:
                self.assertIn(f"{count} of {count} passed", file.read())


if __name__ == "__main__":
    unittest.main()
