"""What tools/python.sh says of interpreters in its cache. None is built: it reads only stamps."""

import os
import subprocess
import unittest

import support

SCRIPT = os.path.join(support.BENCH, "..", "tools", "python.sh")
STAMP = {"recipe": "1", "version": "3.13.5", "compiler": "gcc 12.2.0", "flags": "-O3"}


class Pair(support.WithFolder):
    def store(self, name, **changes):
        prefix = os.path.join(self.folder, "looplab", "python", name)
        os.makedirs(prefix)
        with open(os.path.join(prefix, "looplab.stamp"), "w") as file:
            for key, value in {**STAMP, "prefix": prefix, **changes}.items():
                file.write(f"{key}: {value}\n")
            file.write("files:\n")

    def run_script(self, *arguments, **environment):
        env = {**os.environ, "XDG_CACHE_HOME": self.folder, "PY_OPT": "", **environment}
        return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, env=env,
                              timeout=60)

    def notes(self, name, **environment):
        done = self.run_script("--pair", name, **environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_two_of_a_kind_are_nothing_to_say(self):
        self.store("3.13")
        self.store("3.13t")
        self.assertEqual(self.notes("3.13") + self.notes("3.13t"), [])

    def test_one_alone_or_none_is_nothing_to_say(self):
        self.assertEqual(self.notes("3.13"), [])
        self.store("3.13")
        self.assertEqual(self.notes("3.13") + self.notes("3.13t"), [])

    def test_what_differs_is_named_from_either_side(self):
        cases = {"version": "3.13.6", "compiler": "gcc 13.1.0", "flags": "-O2"}
        self.store("3.13", **cases)
        self.store("3.13t")
        for name, other in (("3.13", "3.13t"), ("3.13t", "3.13")):
            notes = self.notes(name)
            self.assertEqual(len(notes), len(cases), notes)
            for key, note in zip(cases, notes):
                self.assertIn(f"python/{other} was built with another {key} than {name}:", note)
                self.assertIn("remove it and build it again", note)

    def test_a_profiled_one_is_paired_with_a_profiled_one(self):
        self.store("3.13", version="3.13.6")
        self.store("3.13-pgo", version="3.13.7")
        self.store("3.13t-pgo")
        self.assertEqual(len(self.notes("3.13t", PY_OPT="pgo")), 1)
        self.assertIn("3.13-pgo was built", self.notes("3.13t", PY_OPT="pgo")[0])

    def test_the_instrumented_one_has_no_pair(self):
        self.store("3.13-tsan", version="3.13.6")
        self.store("3.13", version="3.13.6")
        self.store("3.13t-tsan")
        self.assertEqual(self.notes("3.13t-tsan"), [])


class Names(support.WithFolder):
    def test_an_unknown_one_is_refused_with_those_there_are(self):
        for name in ("3.12", "3.13 3.13t", ""):
            with self.subTest(name):
                done = subprocess.run([SCRIPT, "--path", name], capture_output=True, text=True,
                                      timeout=60)
                self.assertEqual(done.returncode, 2)
                self.assertIn("3.13 3.13t 3.13t-tsan", done.stderr)


if __name__ == "__main__":
    unittest.main()
