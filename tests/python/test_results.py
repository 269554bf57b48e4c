"""Results are stored whole or not at all, and only what this version wrote is read."""

import json
import os
import re
import unittest
from unittest import mock

import support
from driver import pythons, results


class SaveAndLoad(support.WithFolder):
    def path(self, name="x.json"):
        return os.path.join(self.folder, name)

    def write(self, text):
        with open(self.path(), "w") as file:
            file.write(text)

    def test_what_is_saved_is_loaded(self):
        self.assertIsNone(results.save("x.json", {"blocks": [{"rps": 1.5}]}, self.folder))
        self.assertEqual(results.load("x.json", self.folder)["blocks"], [{"rps": 1.5}])
        self.assertEqual(os.listdir(self.folder), ["x.json"])

    def test_the_folder_is_made(self):
        folder = os.path.join(self.folder, "new")
        self.assertIsNone(results.save("x.json", {"blocks": []}, folder))
        self.assertIsNotNone(results.load("x.json", folder))

    def test_what_is_missing_damaged_or_older_is_none(self):
        whole = json.dumps({"schema_version": results.SCHEMA_VERSION, "blocks": []})
        cases = {
            "empty": "",
            "cut off": whole[:-5],
            "not JSON": "\x00\x01",
            "a list": "[]",
            "no version": '{"blocks": []}',
            "older": whole.replace(str(results.SCHEMA_VERSION), "0", 1),
            "no blocks": json.dumps({"schema_version": results.SCHEMA_VERSION}),
            "blocks of another kind": whole.replace("[]", "{}"),
        }
        self.assertIsNone(results.load("x.json", self.folder))
        for name, text in cases.items():
            with self.subTest(name):
                self.write(text)
                self.assertIsNone(results.load("x.json", self.folder))
        self.write(whole)
        self.assertIsNotNone(results.load("x.json", self.folder))

    def test_an_unusable_folder_is_said_not_raised(self):
        self.write("a file where the folder should be")
        trouble = results.save("y.json", {"blocks": []}, self.path())
        self.assertIn("y.json couldn't be stored", trouble)

    def test_a_full_disk_leaves_the_old_file_and_no_other(self):
        results.save("x.json", {"blocks": [1]}, self.folder)
        full = OSError(28, "No space left on device")
        with mock.patch.object(results.json, "dump", side_effect=full):
            trouble = results.save("x.json", {"blocks": [2]}, self.folder)
        self.assertIn("No space left", trouble)
        self.assertEqual(results.load("x.json", self.folder)["blocks"], [1])
        self.assertEqual(os.listdir(self.folder), ["x.json"])


class Naming(unittest.TestCase):
    def test_only_a_long_whole_run_is_for_the_record(self):
        cases = [
            (10, 3, True, "reference.json"),
            (20, 5, True, "reference.json"),
            (9, 3, True, "latest.json"),
            (10, 2, True, "latest.json"),
            (10, 3, False, "latest.json"),
        ]
        for rounds, seconds, whole, expected in cases:
            with self.subTest(rounds=rounds, seconds=seconds, whole=whole):
                self.assertEqual(results.name_for("reproduce", rounds, seconds, whole), expected)

    def test_git_keeps_the_records_and_nothing_else(self):
        with open(os.path.join(results.FOLDER, ".gitignore")) as file:
            kept = set(re.findall(r"^!/(\S+\.json)$", file.read(), re.MULTILINE))
        self.assertEqual(kept, set(results.RECORDS.values()))


class Environment(support.WithFolder):
    def test_has_no_path_of_this_machine(self):
        build = {"cc": "gcc 12", "cflags": "-O2 -I/home/someone/x", "abi": "cpython-311"}
        with open(os.path.join(self.folder, "build.json"), "w") as file:
            json.dump(build, file)
        text = json.dumps(results.environment(self.folder))
        self.assertIn("gcc 12", text)
        self.assertNotIn("/home/someone", text)
        self.assertNotIn(self.folder, text)

    def test_does_without_a_build(self):
        environment = results.environment(self.folder)
        self.assertEqual((environment["versions"], environment["python"], environment["build"]),
                         ([], {}, {}))

    def test_of_several_pythons_says_each(self):
        free = pythons.Python("3.13t", self.folder, ("Python 3.13.5 free-threaded, -O3", "libuv 1"),
                              support.PYTHONS["3.13t"])
        gil = pythons.Python("3.13", self.folder, ("Python 3.13.5 GIL, -O3", "libuv 1"),
                             support.PYTHONS["3.13"])
        with mock.patch.object(pythons, "ask", return_value=gil):
            environment = results.environment_of([gil, free])
        self.assertEqual(environment["versions"],
                         ["Python 3.13.5 GIL, -O3 (3.13)",
                          "Python 3.13.5 free-threaded, -O3 (3.13t)", "libuv 1"])
        self.assertEqual(environment["pythons"],
                         {name: support.PYTHONS[name] for name in ("3.13", "3.13t")})


if __name__ == "__main__":
    unittest.main()
