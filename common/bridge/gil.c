/*
 * Whether there is a GIL, and who turned it on. A free-threaded Python (3.13 and later) starts
 * without one, but the first extension module that doesn't declare Py_mod_gil brings it back for
 * the whole process and for good [docs: howto/free-threading-extensions]. Any import can do that,
 * a handler's too: figures of such a run aren't those of a free-threaded one, so it is said.
 *
 * Python's own RuntimeWarning may be filtered by the app, so the imports themselves are watched.
 */
#include <stdio.h>
#include <string.h>

#include "common/bridge/internal.h"
#include "common/log/log.h"

#ifndef PYTHON_BUILT_WITH
#error "PYTHON_BUILT_WITH: in a few words how this Python was built, such as \"-O3, PGO\""
#endif

static bool gil_enabled(void)
{
    bool      enabled = true;
    PyObject *ask = PySys_GetObject("_is_gil_enabled");               /* borrowed; 3.13 and later */
    PyObject *answer = ask == NULL ? NULL : PyObject_CallNoArgs(ask); /* new */

    if (answer != NULL)
        enabled = PyObject_IsTrue(answer) != 0;
    Py_XDECREF(answer);
    PyErr_Clear();
    return enabled;
}

void bridge_refresh_gil(bridge_t *bridge)
{
    atomic_store(&bridge->gil, gil_enabled());
}

bool bridge_gil_enabled(const bridge_t *bridge)
{
    return atomic_load(&bridge->gil);
}

void bridge_describe_python(const bridge_t *bridge, char *text, size_t size)
{
#ifdef Py_GIL_DISABLED
    bool gil = bridge != NULL && bridge_gil_enabled(bridge);
#else
    bool gil = true;
#endif
    const char *by = gil && bridge != NULL ? bridge->gil_turned_on_by : "";

    snprintf(text, size, "%s %s%s%s%s, %s", PY_VERSION, gil ? "GIL" : "free-threaded",
             by[0] == '\0' ? "" : " (turned on by ", by, by[0] == '\0' ? "" : ")",
             PYTHON_BUILT_WITH);
}

#ifdef Py_GIL_DISABLED

/*
 * Every extension module from a file passes here. One that is imported by another's own
 * initialisation is not told apart from that: the outer one is named.
 */
static const char watch_source[] = "import sys\n"
                                   "from importlib.machinery import ExtensionFileLoader as loader\n"
                                   "def watched(method, gil=sys._is_gil_enabled, report=report):\n"
                                   "    def call(self, arg):\n"
                                   "        before = gil()\n"
                                   "        try:\n"
                                   "            return method(self, arg)\n"
                                   "        finally:\n"
                                   "            if gil() and not before:\n"
                                   "                report(self.name)\n"
                                   "    return call\n"
                                   "loader.create_module = watched(loader.create_module)\n"
                                   "loader.exec_module = watched(loader.exec_module)\n";

/* Attached, with the GIL that has just come back: so by one thread, and once. */
static PyObject *on_gil_turned_on(PyObject *capsule, PyObject *module_name)
{
    bridge_t   *bridge = PyCapsule_GetPointer(capsule, NULL);
    const char *name = PyUnicode_AsUTF8(module_name);

    if (bridge == NULL || name == NULL)
        return NULL;
    if (bridge->gil_turned_on_by[0] == '\0')
        snprintf(bridge->gil_turned_on_by, sizeof bridge->gil_turned_on_by, "%s", name);
    atomic_store(&bridge->gil, true);
    log_message(LOG_WARNING,
                "importing %s has turned the GIL on: from here on this run isn't free-threaded",
                name);
    Py_RETURN_NONE;
}

static PyMethodDef report_method = {"report", on_gil_turned_on, METH_O, NULL};

int bridge_watch_gil(bridge_t *bridge)
{
    PyObject *capsule = PyCapsule_New(bridge, NULL, NULL);                                /* new */
    PyObject *report = capsule == NULL ? NULL : PyCFunction_New(&report_method, capsule); /* new */
    PyObject *globals = PyDict_New();                                                     /* new */
    PyObject *result = NULL;

    if (report != NULL && globals != NULL && PyDict_SetItemString(globals, "report", report) == 0)
        result = PyRun_String(watch_source, Py_file_input, globals, globals); /* new */
    Py_XDECREF(capsule);
    Py_XDECREF(report);
    Py_XDECREF(globals);
    Py_XDECREF(result);
    bridge_refresh_gil(bridge);
    if (result != NULL && bridge_gil_enabled(bridge))
        snprintf(bridge->gil_turned_on_by, sizeof bridge->gil_turned_on_by, "an import at start");
    return result == NULL ? -1 : 0;
}

#else

int bridge_watch_gil(bridge_t *bridge)
{
    bridge_refresh_gil(bridge);
    return 0;
}

#endif
