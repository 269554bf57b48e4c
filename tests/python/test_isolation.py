"""Lab 5 with an app whose extension module refuses sub-interpreters: said with the module's name;
and the same app is served by processes and by threads.

From the environment, set by `make test`: LAB_BIN_DIR, PYTHON_CONFIG.
"""

import os
import shutil
import subprocess
import tempfile
import unittest

import extension
import support  # noqa: F401  puts bench/ on the path
from driver import catalogue, pythons
from labs import DEADLINE_S, Lab, lab_path

APP = """
import oldfashioned
from looplab import App
app = App()

@app.get("/")
def home(request):
    return oldfashioned.__name__
"""


@unittest.skipUnless(os.access(lab_path("lab5"), os.X_OK), "LAB_BIN_DIR names no lab 5")
class Isolation(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="looplab-isolation-")
        self.addCleanup(shutil.rmtree, self.folder)
        extension.build(self.folder, "oldfashioned", extension.single_phase("oldfashioned"))
        with open(os.path.join(self.folder, "old_app.py"), "w") as file:
            file.write(APP)

    def test_a_module_that_refuses_sub_interpreters_is_named(self):
        bin_dir = os.path.dirname(lab_path("lab5"))
        if "interpreters" not in catalogue.isolations(pythons.ask(bin_dir)):
            self.skipTest("this Python has no interpreters with a GIL of their own")
        command = [lab_path("lab5"), "--port=0", "--workers=2", "--isolation=interpreters",
                   "--app=old_app:app"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True,
                              timeout=DEADLINE_S)
        self.assertEqual(1, done.returncode, done.stderr)
        said = "the extension module oldfashioned can't be loaded in a sub-interpreter"
        self.assertEqual(1, done.stderr.count(said), done.stderr)
        self.assertIn("--isolation=processes", done.stderr)

    def test_processes_and_threads_serve_it(self):
        for isolation in ("processes", "threads"):
            with self.subTest(isolation), \
                    Lab("lab5", "--app=old_app:app", f"--isolation={isolation}",
                        folder=self.folder) as lab:
                self.assertEqual(b"oldfashioned", lab.get())


if __name__ == "__main__":
    unittest.main()
