"""What can be started, what is missing, and when it counts as something else."""

import os
import unittest
from unittest import mock

import support
from driver import catalogue


class Peers(unittest.TestCase):
    def test_what_is_missing_is_named_with_its_package(self):
        with mock.patch.object(catalogue.shutil, "which", return_value=None), \
                mock.patch.object(catalogue, "PYTHON", "/nonexistent"):
            found, missing = catalogue.peers()
        self.assertEqual(found, {})
        text = "\n".join(missing)
        for name in ("nginx", "uvicorn (uvloop, httptools)", "aiohttp", "gunicorn (gthread)",
                     "waitress", "hypercorn"):
            self.assertIn(f"{name} is left out", text)
        self.assertIn("apt-get install nginx-light", text)

    def test_only_the_wanted_ones(self):
        with mock.patch.object(catalogue, "_importable", return_value=True):
            found, missing = catalogue.peers([catalogue.UVICORN])
        self.assertEqual((list(found), missing), ([catalogue.UVICORN], []))

    def test_every_peer_is_given_its_port(self):
        with mock.patch.object(catalogue.shutil, "which", return_value="/usr/sbin/nginx"), \
                mock.patch.object(catalogue, "_importable", return_value=True):
            found, _ = catalogue.peers()
        for name, spec in found.items():
            with self.subTest(name):
                self.assertFalse(spec.announces_port())

    def test_an_importable_module_is_found_and_another_is_not(self):
        with mock.patch.object(catalogue, "PYTHON", support.sys.executable):
            self.assertTrue(catalogue._importable(("json", "http.server")))
            self.assertFalse(catalogue._importable(("json", "no_such_module_at_all")))


class Labs(support.WithFolder):
    def setUp(self):
        super().setUp()
        for name in catalogue.PROGRAMS:
            self.write(name, name)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def test_missing_programs_are_named(self):
        self.assertEqual(catalogue.missing_programs(self.folder), [])
        os.unlink(os.path.join(self.folder, "lab2"))
        self.assertEqual(catalogue.missing_programs(self.folder), ["lab2"])

    def test_labs_say_their_ports_and_lab2_has_the_reports_workers(self):
        labs = catalogue.labs(self.folder)
        self.assertTrue(all(spec.announces_port() for spec in labs.values()))
        self.assertEqual(labs["lab2"].command[-2:], ("--workers", "8"))
        self.assertEqual(labs["native"].path, "/native")

    def test_a_rebuilt_program_is_another(self):
        before = catalogue.fingerprint(self.folder)
        self.assertEqual(catalogue.fingerprint(self.folder), before)
        self.write("lab3", "rebuilt")
        self.assertNotEqual(catalogue.fingerprint(self.folder), before)


if __name__ == "__main__":
    unittest.main()
