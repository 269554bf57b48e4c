/*
 * What single steps cost on this machine, in ns, each the best of many short rounds, since what
 * disturbs a round only adds to it: first in C alone, then what a lab asks of Python. `make numbers`
 * runs it several times.
 *
 * One thread, everything in the cache, nobody else wants the lock or the GIL: the least that each
 * can cost. A second Python thread sleeps meanwhile, since attaching is cheaper where there is one
 * thread only, and no lab is like that.
 */
#include <Python.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 300, TIMES = 1000 };

static const char prepare[] = "import threading\n"
                              "def function():\n"
                              "    pass\n"
                              "async def coroutine():\n"
                              "    pass\n"
                              "wait = threading.Event()\n"
                              "thread = threading.Thread(target=wait.wait)\n"
                              "thread.start()\n";
static const char finish[] = "wait.set()\n"
                             "thread.join()\n";

static atomic_ulong    counter;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int             event;
static PyObject       *function, *coroutine_function; /* new; released at the end */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void failed(const char *what)
{
    fprintf(stderr, "costs: %s\n", what);
    if (PyErr_Occurred())
        PyErr_Print();
    exit(1);
}

static void run_counter(void)
{
    atomic_fetch_add(&counter, 1);
}

static void run_lock(void)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
}

static void run_clock(void)
{
    (void)now_ns();
}

static void run_system_call(void)
{
    const uint64_t one = 1;

    if (write(event, &one, sizeof one) != sizeof one)
        failed("an eventfd that can't be written");
}

static void run_attach(void)
{
    PyThreadState *state = PyEval_SaveThread();

    PyEval_RestoreThread(state);
}

static void run_function(void)
{
    PyObject *value = PyObject_CallNoArgs(function); /* new */

    if (value == NULL)
        failed("a function that fails");
    Py_DECREF(value);
}

/* Made, stepped to its end, freed: there is no task and no loop. */
static void run_coroutine(void)
{
    PyObject *coroutine = PyObject_CallNoArgs(coroutine_function); /* new */
    PyObject *value = NULL;

    if (coroutine == NULL || PyIter_Send(coroutine, Py_None, &value) != PYGEN_RETURN)
        failed("a coroutine that doesn't return");
    Py_DECREF(value);
    Py_DECREF(coroutine);
}

static void print_best(const char *what, void (*run)(void))
{
    uint64_t least = UINT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = now_ns(), ns;

        for (int i = 0; i < TIMES; i++)
            run();
        ns = now_ns() - start;
        least = ns < least ? ns : least;
    }
    printf("%-44s%8.1f ns\n", what, (double)least / TIMES);
}

static void open_python(void)
{
    PyObject *main_module; /* borrowed */

    Py_InitializeEx(0);
    if (PyRun_SimpleString(prepare) != 0)
        failed("Python can't be prepared");
    main_module = PyImport_AddModule("__main__");
    function = PyObject_GetAttrString(main_module, "function");
    coroutine_function = PyObject_GetAttrString(main_module, "coroutine");
    if (function == NULL || coroutine_function == NULL)
        failed("Python lacks a function");
}

int main(void)
{
    event = eventfd(0, EFD_CLOEXEC);
    if (event < 0)
        failed("no eventfd");
    open_python();
    print_best("an atomic counter goes up", run_counter);
    print_best("a lock that nobody holds, taken and released", run_lock);
    print_best("clock_gettime()", run_clock);
    print_best("a short system call: write() to an eventfd", run_system_call);
    print_best("detach and attach", run_attach);
    print_best("C calls an empty Python function", run_function);
    print_best("C makes a coroutine and steps it to its end", run_coroutine);
    Py_DECREF(function);
    Py_DECREF(coroutine_function);
    if (PyRun_SimpleString(finish) != 0 || Py_FinalizeEx() != 0)
        failed("Python doesn't end");
    return 0;
}
