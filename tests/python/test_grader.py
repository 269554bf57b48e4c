"""course/kit: how checks are run and weighed, and that nothing a student starts stays behind."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from dataclasses import replace
from unittest import mock

from support import WithFolder

COURSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "course")
sys.path.insert(0, COURSE)

from kit import checks, grading, handout, isolation, labs, running, sandbox  # noqa: E402
from kit import sanitizers, symbols  # noqa: E402
from kit.checks import Check, Failed, Outcome  # noqa: E402

LIMITS = sandbox.Limits(cpu_s=10, memory=0, processes=0, file=1 << 20)


def passes(t):
    t.step("did nothing")


def fails(t):
    t.step("sent GET /")
    raise Failed("200", "501", "nobody has written it")


def named(name, function, needs=(), step=1, hidden=False):
    return Check(name, 1, step, (), tuple(needs), f"The title of {name}.", function, hidden)


class Running(unittest.TestCase):
    def run_all(self, *wanted, **options):
        return running.run(wanted, "/nowhere", "bin", LIMITS, **options)

    def test_one_whose_needs_have_failed_is_not_run(self):
        outcomes = self.run_all(
            named("a", fails),
            named("b", passes, ["a"]),
            named("c", passes, ["b"]),
            named("d", passes),
        )
        self.assertEqual(
            [o.status for o in outcomes], ["failed", "not run", "not run", "passed"]
        )
        self.assertIn("needs a", outcomes[1].cause)

    def test_none_is_run_once_the_time_is_over(self):
        outcomes = self.run_all(named("a", passes), named("b", passes), budget_s=-1)
        self.assertEqual([o.status for o in outcomes], ["not run", "not run"])
        self.assertIn("was over", outcomes[0].cause)

    def test_none_is_run_after_one_that_leaves_a_crowd_behind(self):
        def crowds(t):
            sandbox.ended.update(range(-100, 0))

        self.addCleanup(sandbox.ended.clear)
        outcomes = self.run_all(named("a", crowds), named("b", passes))
        self.assertEqual([o.status for o in outcomes], ["passed", "not run"])
        self.assertIn("a left 100 processes behind", outcomes[1].cause)

    def test_a_failure_says_what_was_done_expected_seen_and_how_to_repeat_it(self):
        text = running.describe(self.run_all(named("a", fails))[0])
        for part in (
            "1. sent GET /",
            "expected  200",
            "seen      501",
            "nobody has written it",
            "make check LAB=1 TEST=a",
            "lab1_single_loop/README.md, step 1",
        ):
            self.assertIn(part, text)

    def test_a_program_that_is_not_built_is_a_failure_not_an_end(self):
        outcome = self.run_all(named("a", lambda t: t.start()))[0]
        self.assertEqual(outcome.status, "failed")
        self.assertIn("is built", outcome.expected)

    def test_asking_for_one_brings_what_it_needs(self):
        all_checks = [named("a", passes), named("b", passes, ["a"]), named("c", passes, ["b"])]
        wanted = running.with_needs(["c"], all_checks)
        self.assertEqual([check.name for check in wanted], ["a", "b", "c"])


class Weights(unittest.TestCase):
    def setUp(self):
        checks.REGISTRY.clear()
        self.addCleanup(checks.REGISTRY.clear)

    def test_every_test_has_a_weight_and_every_weight_a_test_and_each_lab_100_points(self):
        for lab in labs.FOLDERS:
            checks.REGISTRY.clear()
            lab_checks = running.load(lab)
            points = grading.weights(lab, lab_checks)
            if lab_checks:
                self.assertEqual(sum(points.values()), 100, f"lab {lab}")

    def test_one_without_the_other_stops_the_grader(self):
        lab_checks = running.load(1)
        with self.assertRaisesRegex(grading.GraderError, "no weight .*: extra"):
            grading.weights(1, [*lab_checks, named("extra", passes)])
        with self.assertRaisesRegex(grading.GraderError, f"no such test: {lab_checks[-1].name}"):
            grading.weights(1, lab_checks[:-1])

    def test_names_of_hidden_tests_say_so(self):
        for lab in labs.FOLDERS:
            checks.REGISTRY.clear()
            for check in running.load(lab):
                self.assertEqual(check.hidden, check.name.startswith("hidden_"), check.name)


class Results(WithFolder):
    def graded(self):
        outcomes = [
            Outcome(named("good", passes), "passed"),
            Outcome(named("bad", fails), "failed", ["sent"], "200", "501"),
            Outcome(named("hidden_late", passes, step=2, hidden=True), "not run"),
        ]
        points = {"good": 5, "bad": 3, "hidden_late": 2}
        return grading.Grading(outcomes, points, ["said"], 1.5)

    def test_only_what_passed_has_points(self):
        graded = self.graded()
        self.assertEqual((graded.total, graded.most), (5, 10))
        self.assertIn("total: 5/10", grading.table(graded))

    def test_results_are_in_the_autograders_format(self):
        with mock.patch.object(grading, "ROOT", self.folder):
            path = grading.write_results(self.graded(), 1)
        with open(path, encoding="utf-8") as file:
            results = json.load(file)
        self.assertEqual(results["score"], 5)
        self.assertEqual([test["score"] for test in results["tests"]], [5, 0, 0])
        self.assertEqual([test["max_score"] for test in results["tests"]], [5, 3, 2])
        self.assertEqual(results["tests"][0]["visibility"], "visible")
        self.assertEqual(results["tests"][2]["visibility"], "after_published")

    def test_only_plain_files_are_taken(self):
        def huge(path):
            with open(path, "wb") as file:
                file.truncate((1 << 20) + 1)

        target = os.path.join(self.folder, "target")
        for name, make in (
            ("link", lambda path: os.symlink("/etc/passwd", path)),
            ("pipe", os.mkfifo),
            ("folder", os.mkdir),
            ("missing", lambda path: None),
            ("huge", huge),
        ):
            path = os.path.join(self.folder, name)
            make(path)
            self.assertNotEqual(grading._take(path, target), "", name)
            self.assertFalse(os.path.exists(target), name)


class Sandbox(unittest.TestCase):
    """In a process of its own: it adopts and ends whatever descends from it."""

    def in_child(self, function):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                sandbox.adopt_orphans()
                function()
                status = 0
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)

    def run_shell(self, script, timeout_s=20):
        return sandbox.run(
            ["sh", "-c", script], LIMITS, timeout_s, output_limit=4096, env=sandbox.environment()
        )

    def test_status_and_output_come_back(self):
        def body():
            assert self.run_shell("echo out; echo err >&2; exit 3") == (3, "out\nerr\n", "")

        self.in_child(body)

    def test_what_waits_for_ever_is_ended(self):
        def body():
            status, _, what = self.run_shell("sleep 1000", timeout_s=0.2)
            assert status == -9 and "neither finished" in what, (status, what)

        self.in_child(body)

    def test_endless_output_is_cut_and_ended(self):
        def body():
            _, output, what = self.run_shell("yes")
            assert "of output" in what and len(output) <= 4096, (what, len(output))

        self.in_child(body)

    def test_a_file_has_a_limit(self):
        def body():
            fill = "f=$(mktemp); trap 'rm -f $f' EXIT; dd if=/dev/zero of=$f bs=64k"
            status, _, _ = self.run_shell(fill)
            assert status != 0, status

        self.in_child(body)

    def test_who_ends_for_want_of_memory_is_said_to(self):
        def body():
            limits = replace(LIMITS, memory=256 << 20)
            for script, said in (
                ("pieces = []\nwhile True: pieces.append(b'x' * (1 << 20))", "ran out of memory"),
                ("raise SystemExit(1)", ""),
            ):
                status, _, what = sandbox.run(
                    [sys.executable, "-c", script], limits, 20, env=sandbox.environment()
                )
                assert status == 1 and what.startswith(said) and bool(what) == bool(said), what

        self.in_child(body)

    def test_without_a_limit_on_addresses_what_is_in_use_is_looked_at(self):
        def body():
            limits = replace(LIMITS, resident=64 << 20)
            script = "pieces = b'x' * (128 << 20); input()"
            read, write = os.pipe()
            status, _, what = sandbox.run(
                [sys.executable, "-c", script], limits, 20, stdin=read, env=sandbox.environment()
            )
            os.close(write)
            assert status == -9 and what.startswith("ran out of memory"), (status, what)

        self.in_child(body)

    def test_nothing_is_left_not_even_in_a_session_of_its_own(self):
        def body():
            began = time.monotonic()
            self.run_shell("setsid sleep 1000 >/dev/null 2>&1 & (sleep 1000 &) ; echo done")
            assert sandbox._descendants() == [], sandbox._descendants()
            assert time.monotonic() - began < 15

        self.in_child(body)

    @unittest.skipUnless(isolation.available(), "no namespaces here")
    def test_a_room_ends_as_a_whole_with_all_that_was_written_in_it(self):
        def body():
            folder = tempfile.mkdtemp()
            try:
                os.chmod(folder, 0o755)
                script = (
                    f"touch /tmp/left-in-a-room; ls {labs.ROOT} 2>/dev/null | wc -l;"
                    f" ls -d {folder}; ls /proc | grep -c '^[0-9]'; (setsid sleep 1000 &)"
                )
                with sandbox.as_student(folder):
                    _, output, what = self.run_shell(script)
                words = output.split()
                assert what == "" and words[:2] == ["0", folder], (output, what)
                assert int(words[2]) < 10, output  # no process but those of the room
                assert not os.path.exists("/tmp/left-in-a-room")
                assert sandbox._descendants() == [], sandbox._descendants()
            finally:
                os.rmdir(folder)

        self.in_child(body)

    def test_the_environment_is_clean(self):
        with mock.patch.dict(os.environ, {"CRITERION_ALWAYS_SUCCEED": "1", "PYTHONPATH": "/tmp"}):
            seen = sandbox.environment()
        self.assertFalse([n for n in seen if n.startswith(("CRITERION", "PYTHON", "LD_", "MAKE"))])


@unittest.skipUnless(os.geteuid() == 0, "root gives files to a user")
class LeftFiles(WithFolder):
    UID = sandbox.STUDENT_UID + 1  # nobody's, a grading's beside this test neither

    def make(self, path, uid):
        full = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        open(full, "w", encoding="utf-8").close()
        for theirs in {os.path.join(self.folder, path.split("/")[0]), full}:
            os.chown(theirs, uid, uid)

    def test_where_there_is_no_room_the_users_go_but_for_its_folder(self):
        for path in ("fill-1", "deep/er/fill", "tree/lab.c"):
            self.make(path, self.UID)
        self.make("others", 0)
        with mock.patch.multiple(sandbox, _as_user=self.UID, _folder=f"{self.folder}/tree"), \
                mock.patch.object(isolation, "WRITABLE", (self.folder, "/no/such/place")):
            sandbox._remove_files()
        self.assertEqual(sorted(os.listdir(self.folder)), ["others", "tree"])
        self.assertEqual(os.listdir(f"{self.folder}/tree"), ["lab.c"])


class Sanitizers(unittest.TestCase):
    def test_builds_are_beside_the_plain_one_and_one_that_was_chosen_is_all_there_is(self):
        plain, chosen = "build/cpython-311/bin", "build/cpython-311-san-thread/bin"
        self.assertEqual(sanitizers.bin_dir(plain, ""), plain)
        self.assertEqual(sanitizers.bin_dir(plain, sanitizers.RACES), chosen)
        self.assertEqual(sanitizers.bin_dir(chosen, sanitizers.MEMORY), chosen)

    def test_some_have_a_thread_of_their_own(self):
        for name, count in (("", 0), ("-san-undefined", 0), ("-san-address-undefined", 1),
                            ("-san-thread", 1)):
            self.assertEqual(sanitizers.threads_in(f"build/cpython-311{name}/bin"), count, name)

    def test_a_report_is_its_first_line_and_the_frames_of_this_repository(self):
        text = (
            "said before\n=====\n==12==ERROR: AddressSanitizer: heap-use-after-free on 0x1\n"
            "    #0 0x1 in memcpy (/lib/libc.so.6+0x1)\n"
            "    #1 0x2 in on_done lab1_single_loop/dispatch.c:131\n"
        )
        found = sanitizers.report(text)
        self.assertTrue(found.startswith("ERROR: AddressSanitizer: heap-use-after-free"), found)
        self.assertTrue(found.endswith("in on_done(), lab1_single_loop/dispatch.c:131"), found)
        text = "==7==AddressSanitizer: hard rss limit exhausted (2048Mb vs 2066Mb)\n==7==The map"
        self.assertIn("limit exhausted", sanitizers.report(text))
        self.assertNotIn("map", sanitizers.report(text))
        self.assertEqual(sanitizers.report("all is well\n"), "")


LEAKS = """
#include <stdlib.h>
static void *volatile last;
__attribute__((noinline)) void *PyUnicode_New(void) { return malloc(600); }
__attribute__((noinline)) void *PyThread_allocate_lock(void) { return malloc(32); }
__attribute__((noinline)) void *on_done(void) { return malloc(24); }
int main(void) { last = LEAK(); last = NULL; return 0; }
"""


class Leaks(WithFolder):
    """What Python leaves behind isn't held against a student, who leaves nothing behind."""

    def run_leaking(self, function, where):
        program = os.path.join(self.folder, function)
        command = ["cc", "-x", "c", "-g", "-fsanitize=address", f"-DLEAK={function}", "-o", program]
        subprocess.run([*command, "-"], input=LEAKS.encode(), check=True)
        environment = sandbox.environment(sanitizers.options(labs.ROOT, where))
        done = subprocess.run([program], env=environment, capture_output=True, text=True)
        return done.returncode, sanitizers.report(done.stderr)

    def test_one_of_a_students_is_found_beside_each_python(self):
        for name in ("cpython-311", "cpython-313", "python-3.13", "python-3.13t", "cpython-313t"):
            status, found = self.run_leaking("on_done", f"build/{name}-san-address-undefined/bin")
            self.assertEqual((name, status), (name, 99))
            self.assertIn("detected memory leaks", found)

    def test_what_python_keeps_is_known_from_3_13_on(self):
        for name, expected in (("cpython-311", 99), ("cpython-313", 0), ("python-3.13t", 0)):
            where = f"build/{name}-san-address-undefined/bin"
            for function in ("PyUnicode_New", "PyThread_allocate_lock"):
                status, found = self.run_leaking(function, where)
                self.assertEqual((name, function, status), (name, function, expected), found)

    def test_each_hand_out_has_the_list_of_what_is_known(self):
        for lab in labs.FOLDERS:
            self.assertIn(sanitizers.KNOWN_LEAKS, handout.contents(labs.ROOT, lab))


class Symbols(WithFolder):
    def object_of(self, source):
        path = os.path.join(self.folder, "a.o")
        command = ["cc", "-x", "c", "-c", "-o", path, "-"]
        subprocess.run(command, input=source.encode(), check=True)
        return path

    def test_what_could_pass_in_a_tests_place_is_seen(self):
        for source, words in (
            ("__attribute__((constructor)) static void f(void) {}", "before main()"),
            ("#include <unistd.h>\nvoid f(void) { _exit(0); }", "uses _exit"),
            ("#include <stdio.h>\nint f(void) { return getchar(); }", "uses "),
            ("int strcmp(const char *a, const char *b) { return a == b; }", "defines strcmp"),
        ):
            self.assertIn(words, symbols._of_object(self.object_of(source), {"strcmp"}), source)

    def test_what_students_write_passes(self):
        source = "#include <stdio.h>\nvoid f(void) { printf(\"%d\\n\", 1); fflush(stdout); }"
        self.assertEqual(symbols._of_object(self.object_of(source), {"strcmp"}), "")

    def test_a_macro_that_the_tests_use_is_seen_however_it_is_written(self):
        for text in (
            "#undef EXPECT",
            "# define \\\n EXPECT(x)",
            "%:define EXPECT",
            "/**/#define/* */EXPECT",
            '"/*";\n#define EXPECT\n"*/";',
            "/*\n*/ #undef EXPECT",
        ):
            self.assertIn("redefines EXPECT", symbols._of_source(text, {"EXPECT"}), text)
        self.assertIn("another source", symbols._of_source('#include "other.c"', set()))
        self.assertEqual(symbols._of_source("#define MINE 1\n#include <stdio.h>", {"EXPECT"}), "")


if __name__ == "__main__":
    unittest.main()
