"""Whether a lab says the truth about the GIL when an extension module turns it back on.

A tiny extension module is compiled in a scratch folder and imported by an app: by the app's module
itself, or by a handler while the lab runs. On a Python with a GIL there is nothing to turn on, and
the lab must not claim that there was.

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
from driver.servers import Server, ServerError, Spec
from labs import Lab, lab_path

CULPRIT = extension.single_phase("culprit")

MULTI_PHASE = """
#include <Python.h>
static PyModuleDef_Slot slots[] = {%s{0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "culprit", .m_slots = slots};
PyMODINIT_FUNC PyInit_culprit(void) { return PyModuleDef_Init(&def); }
"""

# Each source of the module, and whether it brings the GIL back.
MODULES = {
    "single phase": (CULPRIT, True),
    "multi-phase without Py_mod_gil": (MULTI_PHASE % "", True),
    "multi-phase with Py_mod_gil": (
        MULTI_PHASE % "{Py_mod_gil, Py_MOD_GIL_NOT_USED}, ",
        False,
    ),
}

APP = """
from looplab import App
{at_import}
app = App()

@app.get("/")
def home(request):
    {in_handler}
    return "hello"
"""


def python_of_lab():
    """What the lab says that it embeds, as built: "Python 3.13.5 free-threaded, -O3"."""
    said = subprocess.run(
        [lab_path("lab3"), "--version"], capture_output=True, text=True, check=True
    )
    return said.stdout.splitlines()[1]


@unittest.skipUnless(os.access(lab_path("lab3"), os.X_OK), "LAB_BIN_DIR names no labs")
class GilBack(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="looplab-gil-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.free_threaded = "free-threaded" in python_of_lab()

    def start(self, source, at_import="", in_handler="pass"):
        """A lab whose app imports the module made of this source, where the arguments say."""
        self.compile(source)
        with open(self.app_path(), "w") as file:
            file.write(APP.format(at_import=at_import, in_handler=in_handler))
        return Lab("lab3", "--app", "culprit_app:app", folder=self.folder)

    def app_path(self):
        return os.path.join(self.folder, "culprit_app.py")

    def compile(self, source):
        extension.build(self.folder, "culprit", source)

    def test_banner_names_the_module_that_turned_the_gil_on(self):
        for name, (source, brings_back) in MODULES.items():
            if "Py_mod_gil," in source and not self.free_threaded:
                continue  # 3.11 doesn't know the slot
            with self.subTest(module=name):
                with self.start(source, at_import="import culprit") as lab:
                    self.assertEqual(
                        brings_back and self.free_threaded,
                        " GIL (turned on by culprit), " in lab.banner,
                        lab.banner,
                    )
                    self.assertEqual(
                        self.free_threaded and not brings_back,
                        " free-threaded, " in lab.banner,
                        lab.banner,
                    )

    def test_a_filtered_warning_hides_nothing(self):
        for action in ("ignore", "always"):
            with self.subTest(action=action):
                at_import = f"import warnings; warnings.simplefilter('{action}'); import culprit"
                with self.start(CULPRIT, at_import=at_import) as lab:
                    self.assertEqual(
                        self.free_threaded,
                        " GIL (turned on by culprit), " in lab.banner,
                        lab.banner,
                    )

    def test_the_experiment_refuses_it_as_free_threaded(self):
        """Where there was a GIL all along, nobody said otherwise."""
        self.compile(CULPRIT)
        cases = {"at import": ("import culprit", "pass"), "while it runs": ("", "import culprit")}
        for name, (at_import, in_handler) in cases.items():
            with self.subTest(name):
                app = APP.format(at_import=at_import, in_handler=in_handler)
                with open(self.app_path(), "w") as file:
                    file.write(app.replace('"hello"', '"Hello, World!"'))
                command = (lab_path("lab3"), "--port", "0", "--app", "culprit_app:app")
                spec = Spec("lab3 on x", command, cwd=self.folder, free_threaded=self.free_threaded)
                self.assertEqual(self.free_threaded, self.is_refused(spec))

    def is_refused(self, spec):
        try:
            with Server(spec) as server:
                server.usage()
        except ServerError as error:
            self.assertIn("lab3 on x isn't free-threaded any more: culprit has", str(error))
            return True
        return False

    def test_an_import_while_the_lab_runs_is_said_at_once_and_at_the_end(self):
        with self.start(CULPRIT, in_handler="import culprit") as lab:
            self.assertNotIn("turned on", lab.banner)
            self.assertEqual(b"hello", lab.get())
            logged = lab.stderr()
            summary = lab.stop()
            self.assertEqual(0, lab.process.returncode, lab.stderr())
        self.assertEqual(
            self.free_threaded, "importing culprit has turned the GIL on" in logged, logged
        )
        self.assertEqual(
            self.free_threaded,
            "not a free-threaded run: Python " in summary
            and "GIL (turned on by culprit)" in summary,
            summary,
        )


@unittest.skipUnless(os.access(lab_path("lab3"), os.X_OK), "LAB_BIN_DIR names no labs")
class ImmortalLoops(unittest.TestCase):
    """bench/apps/immortal.py writes into objects: only where it knows what they look like."""

    def test_labs_serve_on_them_where_there_is_no_gil(self):
        python = pythons.ask(os.environ["LAB_BIN_DIR"], "x")
        for name, spec in catalogue.immortal_labs_on(python).items():
            with self.subTest(name):
                try:
                    with Server(spec) as server:
                        server.usage()
                    started = True
                except ServerError as error:
                    self.assertIn("this wants a free-threaded Python", str(error))
                    started = False
                self.assertEqual(started, python.free_threaded)


if __name__ == "__main__":
    unittest.main()
