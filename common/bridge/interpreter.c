/*
 * The interpreter: started isolated from the user's environment, ended after every other thread has
 * given up its state. Runs on the HTTP thread, which is Python's main thread.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bridge/internal.h"

#ifndef PYTHON_EXECUTABLE
#error "PYTHON_EXECUTABLE: the path of the python whose headers and library these are"
#endif

/* ---- Start ----------------------------------------------------------------------------------- */

static int fail(PyStatus status)
{
    fprintf(stderr, "cannot start Python: %s\n",
            status.err_msg == NULL ? "unknown" : status.err_msg);
    return -1;
}

/* UTF-8 whatever the locale; under sanitizers malloc(), so that they see Python's memory too. */
static PyStatus preinitialize(const bridge_options_t *options)
{
    PyPreConfig config;

    PyPreConfig_InitIsolatedConfig(&config);
    config.utf8_mode = 1;
#if defined(LOOPLAB_DEBUG) && !defined(Py_GIL_DISABLED)
    config.allocator = PYMEM_ALLOCATOR_MALLOC;
#endif
    (void)options;
    return Py_PreInitialize(&config);
}

/*
 * Python's signal module takes SIGINT when it is imported, by asyncio at the latest: then Ctrl-C in the
 * import of an app would be an error of the app.
 */
static void give_back_sigint(const struct sigaction *before)
{
    PyObject *module = PyImport_ImportModule("_signal"); /* new */

    Py_XDECREF(module);
    PyErr_Clear();
    sigaction(SIGINT, before, NULL);
}

static PyStatus initialize(const bridge_options_t *options)
{
    struct sigaction sigint;
    PyConfig         config;
    PyStatus         status;

    sigaction(SIGINT, NULL, &sigint);
    /* Ignores PYTHON* variables and the user's site-packages, leaves signals alone. */
    PyConfig_InitIsolatedConfig(&config);
    config.write_bytecode = 0;
    config.faulthandler = options->debug;
    /* Decides prefix and standard library; whatever python comes first on PATH has no say. */
    status = PyConfig_SetBytesString(&config, &config.program_name, PYTHON_EXECUTABLE);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    if (!PyStatus_Exception(status))
        give_back_sigint(&sigint);
    return status;
}

/* The folder of bundled apps: beside this program or up to three folders above it. */
static bool find_handlers(char *path, size_t size)
{
    char   folder[4096], app[4200];
    size_t len = sizeof folder;
    char  *slash;

    if (uv_exepath(folder, &len) != 0)
        return false;
    for (int level = 0; level < 4 && (slash = strrchr(folder, '/')) != NULL; level++) {
        *slash = '\0';
        snprintf(app, sizeof app, "%s/handlers/async_app.py", folder);
        if (access(app, R_OK) == 0)
            return (size_t)snprintf(path, size, "%s/handlers", folder) < size;
    }
    return false;
}

/* The working directory first, so that `--app mymodule:app` finds what lies there. */
static int extend_path(void)
{
    char      cwd[4096], handlers[4096];
    PyObject *path = PySys_GetObject("path"); /* borrowed */
    PyObject *first = NULL, *last = NULL;
    int       err = -1;

    first = PyUnicode_DecodeFSDefault(getcwd(cwd, sizeof cwd) == NULL ? "." : cwd); /* new */
    if (path == NULL || first == NULL || PyList_Insert(path, 0, first) != 0)
        goto done;
    if (find_handlers(handlers, sizeof handlers)) {
        last = PyUnicode_DecodeFSDefault(handlers); /* new */
        if (last == NULL || PyList_Append(path, last) != 0)
            goto done;
    }
    err = 0;
done:
    Py_XDECREF(first);
    Py_XDECREF(last);
    return err;
}

/* Attached. */
static int prepare(bridge_t *bridge)
{
    bridge->interpreter = PyInterpreterState_Get();
    if (bridge_watch_gil(bridge) != 0 || extend_path() != 0)
        return -1;
    bridge->module = PyImport_ImportModule("looplab"); /* new */
    if (bridge->module == NULL)
        return -1;
    bridge->state = bridge_module_state(bridge->module);
    bridge_refresh_gil(bridge);
    return bridge->ask_for_tasks ? bridge_ask_for_tasks(bridge) : 0;
}

static void take_options(bridge_t *bridge, const bridge_options_t *options)
{
    bridge->debug = options->debug;
    bridge->trace = options->trace;
    bridge->ask_for_tasks = options->ask_for_tasks;
}

int bridge_open(bridge_t **out, const bridge_options_t *options, bridge_thread_t *main_thread)
{
    bridge_t *bridge = calloc(1, sizeof *bridge);
    PyStatus  status;

    if (bridge == NULL || PyImport_AppendInittab("looplab", PyInit_looplab) != 0) {
        fprintf(stderr, "cannot start Python: no memory\n");
        free(bridge);
        return -1;
    }
    take_options(bridge, options);
    status = preinitialize(options);
    if (!PyStatus_Exception(status))
        status = initialize(options);
    if (PyStatus_Exception(status)) {
        free(bridge);
        return fail(status);
    }
    if (prepare(bridge) != 0) {
        PyErr_Print();
        Py_FinalizeEx();
        free(bridge);
        return -1;
    }
    *main_thread = (bridge_thread_t){.tstate = PyEval_SaveThread(), .lane = trace_lane_here()};
    *out = bridge;
    return 0;
}

/* ---- Further interpreters -------------------------------------------------------------------- */

#if PY_VERSION_HEX >= 0x030C0000 && !defined(Py_GIL_DISABLED)

const char *bridge_no_isolation(void)
{
    return NULL;
}

/* Attached to the first interpreter; if it succeeds, to the new one. returns 0 or -1 (said) */
static int new_interpreter(void)
{
    PyInterpreterConfig config = {.allow_exec = 1, /* subprocess yes, os.fork() no */
                                  .allow_threads = 1,
                                  .check_multi_interp_extensions = 1,
                                  .gil = PyInterpreterConfig_OWN_GIL};
    PyThreadState      *tstate = NULL;
    PyStatus            status = Py_NewInterpreterFromConfig(&tstate, &config);

    if (!PyStatus_Exception(status) && tstate == NULL) /* that is how it says so */
        status = PyStatus_NoMemory();
    return PyStatus_Exception(status) ? fail(status) : 0;
}

/*
 * Python's threading takes this thread for a foreign one, since its main thread is the process's, and
 * 3.13 forgets such a thread when its thread-local variables go: after the module that does it. So
 * they go now.
 */
static void forget_thread(void)
{
    PyObject *info = bridge_import("threading", "_thread_local_info"); /* new; 3.13 has it */
    PyObject *variables = info == NULL ? NULL : PyObject_GetAttrString(info, "__dict__"); /* new */

    if (variables != NULL)
        PyDict_Clear(variables);
    Py_XDECREF(variables);
    Py_XDECREF(info);
    PyErr_Clear();
}

static void end_interpreter(bridge_t *bridge, PyThreadState *tstate)
{
    forget_thread();
    Py_EndInterpreter(tstate);
    PyEval_RestoreThread(bridge->first);
    PyThreadState_Clear(bridge->first);
    PyThreadState_DeleteCurrent();
}

#else

const char *bridge_no_isolation(void)
{
#ifdef Py_GIL_DISABLED
    return "without a GIL threads compute in parallel, and CPython 3.13 can't start an interpreter "
           "safely beside others that run (ThreadSanitizer finds it initialising their types)";
#else
    return "a sub-interpreter has a GIL of its own from CPython 3.12 on";
#endif
}

static int new_interpreter(void)
{
    fprintf(stderr, "cannot start an interpreter: %s\n", bridge_no_isolation());
    return -1;
}

static void end_interpreter(bridge_t *bridge, PyThreadState *tstate)
{
    (void)bridge, (void)tstate; /* there is none */
}

#endif

int bridge_open_isolated(bridge_t **out, bridge_t *first, const bridge_options_t *options,
                         bridge_thread_t *thread)
{
    bridge_t *bridge = calloc(1, sizeof *bridge);
    int       err;

    if (bridge != NULL)
        bridge->first = PyThreadState_New(first->interpreter);
    if (bridge == NULL || bridge->first == NULL) {
        fprintf(stderr, "cannot start an interpreter: no memory\n");
        free(bridge);
        return -1;
    }
    take_options(bridge, options);
    PyEval_RestoreThread(bridge->first);
    err = new_interpreter();
    if (err == 0 && (err = prepare(bridge)) != 0) {
        PyErr_Print();
        end_interpreter(bridge, PyThreadState_Get());
    } else if (err != 0) {
        PyThreadState_Clear(bridge->first);
        PyThreadState_DeleteCurrent();
    }
    if (err != 0) {
        free(bridge);
        return -1;
    }
    *thread = (bridge_thread_t){.tstate = PyEval_SaveThread(), .lane = trace_lane_here()};
    *out = bridge;
    return 0;
}

/* ---- End ------------------------------------------------------------------------------------- */

void bridge_close(bridge_t *bridge, bridge_thread_t *main_thread)
{
    bridge_attach(main_thread);
    Py_CLEAR(bridge->module);
    if (bridge->first != NULL)
        end_interpreter(bridge, main_thread->tstate);
    else
        Py_FinalizeEx();
    main_thread->tstate = NULL;
    free(bridge);
}

const char *bridge_python_version(void)
{
    static const char version[] = PY_VERSION; /* "3.11.2": header and library are of one build */

    return version;
}

/* ---- Threads --------------------------------------------------------------------------------- */

int bridge_thread_open(bridge_thread_t *thread, bridge_t *bridge)
{
    *thread = (bridge_thread_t){.tstate = PyThreadState_New(bridge->interpreter),
                                .lane = trace_lane_here()};
    return thread->tstate == NULL ? -1 : 0;
}

void bridge_thread_close(bridge_thread_t *thread)
{
    bridge_attach(thread);
    PyThreadState_Clear(thread->tstate);
    PyThreadState_DeleteCurrent();
    thread->tstate = NULL;
}

#ifdef LOOPLAB_DEBUG
void bridge_assert_attached(const bridge_thread_t *thread, const char *where)
{
    PyThreadState *current = compat_current_thread();

    if (current == thread->tstate && current != NULL)
        return;
    fprintf(stderr, "%s: attached as %p, but this thread's state is %p\n", where, (void *)current,
            (void *)thread->tstate);
    abort();
}
#endif
