/*
 * common/bridge: CPython beside the HTTP server. Start-up, apps, requests and responses as Python
 * objects, C functions as Python callables.
 *
 * "Attached" below means: this thread holds a Python thread state that is current (on a build with
 * a GIL: it holds the GIL). Detached is the normal state of the HTTP thread; a lab attaches once a
 * turn with bridge_attach() and detaches in the same function.
 *
 * References follow CPython's own words: new, borrowed, steals.
 *
 * What threads share, and the rule that keeps it safe. None of them counts on the GIL: without one
 * every attached thread runs at once.
 *
 *   route table       read-only once a server uses it (http.h)
 *   app               bridge_app_t is read-only once it is loaded. The looplab.App behind it is
 *                     frozen by then: whoever adds a route or a hook gets a RuntimeError. Looking
 *                     and adding are one critical section on the object
 *   request           what the parser has written is read-only once the request is ready. The rest
 *                     belongs to one owner at a time; call_soon_threadsafe() and the completion
 *                     queue hand it over, each under a lock, so the next owner sees what the last
 *                     one wrote. References are counted atomically (http.h)
 *   looplab.Request   a view of that: immutable, but for a cache of parts, which is filled in a
 *                     critical section on the object. Any number of threads may ask at once, also
 *                     when the answer has long been sent
 *   looplab.Response  immutable once made. A dict or list in it stays the handler's: it is encoded
 *                     by the thread that converts the answer, so nobody may change it meanwhile
 *   callable          immutable; asyncio calls it on the thread whose loop it was given to
 *   completion queue  a lock (completions.h)
 *   loop              its own thread's; the others use call_soon_threadsafe() only (loop_thread.h)
 *   task, asyncio's   the thread of the loop that made it: created, called back, cancelled and
 *   future            released there
 *   concurrent.       lab 2's, between two loops: Python's own lock in it, so any thread
 *   futures.Future
 *   module state,     filled before the first request and read-only from then on (internal.h,
 *   bridge_asyncio_t  bridge_asyncio_open())
 *   the GIL's state   atomics, and a name that is written before they are (internal.h)
 */
#ifndef LOOPLAB_BRIDGE_H
#define LOOPLAB_BRIDGE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "common/http/http.h"

typedef struct bridge     bridge_t;     /* an interpreter */
typedef struct bridge_app bridge_app_t; /* a loaded app: read-only after bridge_app_load() */

/* A thread's own Python thread state. Only that thread may use it. */
typedef struct {
    PyThreadState *tstate;
    trace_lane_t  *lane; /* borrowed: this thread's; NULL: its waits aren't timed */
} bridge_thread_t;

typedef struct {
    bool debug;         /* asyncio's debug mode, faulthandler, the malloc allocator on GIL builds */
    bool ask_for_tasks; /* bridge_on_task_asked() will be used */
    trace_t
        *trace; /* loop threads have lanes in it; NULL: tracing is off. Borrowed, outlives all */
} bridge_options_t;

/* Which kind of handler a lab can call; a handler itself is of one of the first two. */
typedef enum {
    BRIDGE_SYNC,  /* `def` */
    BRIDGE_ASYNC, /* `async def` */
    BRIDGE_EITHER,
} bridge_kind_t;

/* ---- Start and end ------------------------------------------------------------------------- */

/*
 * Start the interpreter: isolated from PYTHON* variables and the user's site-packages, with the
 * working directory first on sys.path and the folder of bundled apps last. Takes no signal
 * handlers. The calling thread becomes Python's main thread and is left detached; `main_thread` is
 * its state.
 * thread: the HTTP thread, before any other     returns 0, or -1 (said on stderr)
 */
int bridge_open(bridge_t **out, const bridge_options_t *options, bridge_thread_t *main_thread);

/*
 * NULL if this Python has sub-interpreters with a GIL of their own; else why not, as a clause.
 * thread: any
 */
const char *bridge_no_isolation(void);

/*
 * A further interpreter in this process, with a GIL of its own, prepared like the first one:
 * nothing of Python is shared with it. The calling thread is its main thread; `thread` is its state,
 * left detached.
 * thread: any that has no state yet, while `first` is open      returns 0, or -1 (said on stderr)
 */
int bridge_open_isolated(bridge_t **out, bridge_t *first, const bridge_options_t *options,
                         bridge_thread_t *thread);

/*
 * Finalize the interpreter. Every other bridge thread of it is closed and joined by now, and of the
 * first one the isolated ones are closed.
 * thread: the one that opened it, detached
 */
void bridge_close(bridge_t *bridge, bridge_thread_t *main_thread);

/* "3.11.2", the exact version; whether it runs with a GIL right now. attached or not; any thread */
const char *bridge_python_version(void);
bool        bridge_gil_enabled(const bridge_t *bridge);

/*
 * "3.13.5 free-threaded, -O3": version, GIL or not, how that Python was built. After an extension
 * module has brought the GIL back: "3.13.5 GIL (turned on by MODULE), -O3". `bridge` NULL: as
 * built. attached or not; any thread
 */
void bridge_describe_python(const bridge_t *bridge, char *text, size_t size);

/* Handlers that have raised, or returned what is no answer: 500s. attached or not; any thread */
uint64_t bridge_handler_errors(const bridge_t *bridge);

/* A thread state for the calling thread, left detached. thread: that one. 0 or -1 without memory */
int  bridge_thread_open(bridge_thread_t *thread, bridge_t *bridge);
void bridge_thread_close(bridge_thread_t *thread); /* on that thread, detached */

/* Attach and detach: in the same function, in sight of each other; never across uv_run or a join. */
static inline void bridge_attach(bridge_thread_t *thread)
{
    trace_lane_state(thread->lane, TRACE_ATTACHING);
    PyEval_RestoreThread(thread->tstate);
    trace_lane_state(thread->lane, TRACE_RUNNING);
}

static inline void bridge_detach(bridge_thread_t *thread)
{
    thread->tstate = PyEval_SaveThread();
}

/* Debug builds: abort with both names if the calling thread isn't attached as `thread`. */
#ifdef LOOPLAB_DEBUG
void bridge_assert_attached(const bridge_thread_t *thread, const char *where);
#define ASSERT_ATTACHED(thread) bridge_assert_attached((thread), __func__)
#else
#define ASSERT_ATTACHED(thread) ((void)0)
#endif

/* ---- Looking in ---------------------------------------------------------------------------- */

/*
 * The next action of signal `number` is Python's faulthandler: from any thread, at any point, it writes the
 * tracebacks of all threads to standard error without asking for the GIL (of a free-threaded Python
 * only that of the thread it runs on).
 * attached           returns 0 or -1 (logged)
 */
int bridge_traceback_on_signal(bridge_t *bridge, int number);

/* Write the tracebacks of all threads to standard error now. attached */
void bridge_write_tracebacks(bridge_t *bridge);

/* "wait (async_app.py:31)": the handler of a request that isn't native's. any; async-signal-safe */
const char *bridge_handler_where(const http_request_t *req);

/* ---- Apps ---------------------------------------------------------------------------------- */

/*
 * Import MODULE and take OBJECT from it ("async_app:app"); it must be a looplab.App, each of its
 * handlers of the given kind (BRIDGE_EITHER: of whichever). On failure everything a user needs has
 * been said on stderr: Python's own traceback for an import that raises; handler, file and line for
 * one of the wrong kind.
 * attached           returns 0 or -1
 */
int  bridge_app_load(bridge_t *bridge, const char *spec, bridge_kind_t kind, bridge_app_t **out);
void bridge_app_free(bridge_app_t *app); /* attached; NULL is allowed */

/*
 * Add the app's routes to `router` (route_arg is the bridge's own). A route under /native,
 * /metrics or /_lab, or one that is there twice, is refused with a message naming the handler.
 * attached or not    returns 0 or -1
 */
int bridge_app_add_routes(bridge_app_t *app, http_router_t *router);

/*
 * Run the start-up or shut-down hooks, in order of registration (shut-down: reverse). A hook that
 * is `async def` needs `loop`, an asyncio loop of this thread that isn't running: it is run with
 * run_until_complete(). With `loop` NULL (lab3) bridge_app_load() has refused such hooks.
 * attached           returns 0 or -1 (a hook raised; the traceback is in the log)
 */
int bridge_app_startup(bridge_app_t *app, PyObject *loop);
int bridge_app_shutdown(bridge_app_t *app, PyObject *loop);

/* ---- One request --------------------------------------------------------------------------- */

/*
 * Call the handler of `req`'s route with a looplab.Request, which keeps a reference to `req` of
 * its own. TRACE_STARTED and TRACE_FINISHED are marked here, or by the coroutine that is returned.
 * attached           returns a new reference: what the handler returned (for `async def` a
 *                    coroutine); NULL with an exception set
 */
PyObject *bridge_call_handler(http_request_t *req);

/* The kind of that handler. attached or not; any holder of `req` */
bridge_kind_t bridge_handler_kind(const http_request_t *req);

/*
 * Turn a handler's result into a response: str, bytes, dict or list (as JSON), looplab.Response.
 * `value` NULL means "the exception that is set": it is cleared, logged once with its traceback
 * and the request line, and becomes a 500 that tells the client nothing. An awaitable here (a
 * `def` that returned a coroutine) is closed and becomes a 500 that the log explains.
 * asyncio.CancelledError becomes a 503 and isn't logged: the client has gone or the server drains.
 *
 * attached           borrows req and value; never leaves an exception set
 * returns a response that the caller owns, or NULL without memory (http_respond_transfer and
 * completions_post take that as a 500)
 */
http_response_t *bridge_response(const http_request_t *req, PyObject *value);

/*
 * A C function as a Python callable, so that asyncio can call it.
 *
 * `fn` runs attached, on whatever thread Python calls it; `owner` is borrowed; `req` is the
 * callable's own reference (taken here) for as long as the object lives: `fn` borrows it. `arg` is
 * the first argument of the call, borrowed, or NULL if there was none (add_done_callback passes the
 * future; call_soon_threadsafe nothing). `fn` handles its own errors and leaves no exception set.
 *
 * attached           returns a new reference, or NULL with an exception set
 */
typedef void (*bridge_fn)(void *owner, http_request_t *req, PyObject *arg);
PyObject *bridge_callable(bridge_fn fn, void *owner, http_request_t *req);

/* ---- asyncio in a lab's own thread --------------------------------------------------------- */

/*
 * Before asyncio.current_task() or, `for_all`, asyncio.all_tasks() answers on the calling thread,
 * call fn(), which may make the tasks that they are about; NULL: no more. Only with
 * bridge_options_t.ask_for_tasks.
 * attached           fn returns 0, or -1 with an exception set
 */
typedef int (*bridge_asked_fn)(void *owner, bool for_all);
void bridge_on_task_asked(bridge_t *bridge, bridge_asked_fn fn, void *owner);

/*
 * A selector for an asyncio loop (selector.c), and an asyncio.Runner with such a loop, which is
 * this thread's current event loop from then on. Closing the runner cancels and finishes what is left on
 * the loop.
 * attached           new references (the runner, and *loop), or NULL with an exception set
 */
PyObject *bridge_selector_new(const bridge_t *bridge);
PyObject *bridge_runner_new(const bridge_t *bridge, PyObject *selector, PyObject **loop);
void bridge_runner_close(const bridge_t *bridge, PyObject *runner); /* steals; NULL is allowed */

/* Log and clear what a task has let through its loop: SystemExit, KeyboardInterrupt. attached */
void bridge_log_through_loop(const bridge_t *bridge);

/* ---- Objects that stand in for a coroutine ------------------------------------------------- */

/* Raise StopIteration(value), and steal `value`, which may be a tuple or an exception itself. attached */
void bridge_stop_iteration(PyObject *value);

/*
 * tp_getattro of such an object: an attribute of its own, or else the coroutine's.
 * attached           all borrowed        returns a new reference, or NULL with an exception set
 */
PyObject *bridge_stand_in_getattr(PyObject *stand_in, PyObject *name, PyObject *coroutine);

/* ---- Tracing ------------------------------------------------------------------------------- */

/*
 * The two marks that asyncio's own code stands in the way of. With tracing off neither does
 * anything.
 *
 * Have `loop` mark TRACE_WOKEN_WORKER when it makes a task of a traced request's coroutine.
 * detached: attaches by itself, as `thread`      returns 0, or -1 (said on stderr)
 */
int bridge_trace_tasks(bridge_t *bridge, bridge_thread_t *thread, PyObject *loop);

/*
 * Have `future`, a concurrent.futures.Future, mark TRACE_CONVERTED_WORKER when it is resolved.
 * attached           steals it and returns it, or NULL with an exception set; NULL stays NULL
 */
PyObject *bridge_trace_future(http_request_t *req, PyObject *future);

/*
 * What labs call of asyncio, looked up once. Read-only between open and close: any thread,
 * attached.
 */
typedef struct {
    PyObject *add_done_callback; /* method names; owned, as all of these */
    PyObject *result;
    PyObject *cancel;
    PyObject *run_coroutine_threadsafe; /* functions */
    PyObject *wrap_future;
    PyObject *iscoroutine;
    PyObject *enter_task, *leave_task; /* what asyncio.Task makes itself the current one with */
    PyObject *loop_keyword;            /* ("loop",): names the keyword argument of a vectorcall */
} bridge_asyncio_t;

/* Both attach by themselves, as `thread`, the caller's state. 0, or -1 (said on stderr) */
int  bridge_asyncio_open(bridge_asyncio_t *self, bridge_thread_t *thread);
void bridge_asyncio_close(bridge_asyncio_t *self, bridge_thread_t *thread); /* zeroed is allowed */

/* attached     returns 0, or -1 with the TypeError of asyncio.create_task() if it isn't a coroutine */
int bridge_asyncio_check_coroutine(const bridge_asyncio_t *self, PyObject *object);

#endif
