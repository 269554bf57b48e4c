"""Tiny extension modules for the Python that the labs embed, compiled where a test wants them.

From the environment, set by `make test`: PYTHON_CONFIG.
"""

import os
import shlex
import subprocess


def single_phase(name):
    """A module of the old kind, which keeps its state in the process and says nothing of GILs."""
    return f"""
#include <Python.h>
static struct PyModuleDef def = {{PyModuleDef_HEAD_INIT, .m_name = "{name}", .m_size = -1}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&def); }}
"""


def build(folder, name, source):
    """Leave the module in the folder; a compiler's complaint is an AssertionError."""
    path = os.path.join(folder, f"{name}.c")
    with open(path, "w") as file:
        file.write(source)
    command = ["cc", "-shared", "-fPIC", *shlex.split(_config("--includes")), path]
    command += ["-o", path[:-2] + _config("--extension-suffix").strip()]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode != 0:
        raise AssertionError(f"{command}\n{built.stderr}")


def _config(*options):
    command = [os.environ.get("PYTHON_CONFIG") or "/usr/bin/python3-config", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
