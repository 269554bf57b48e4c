/*
 * For seam tests of labs: an interpreter, Python in C strings, one request with a handler, and
 * neighbours of dispatch.c that only record.
 *
 * A test program includes this and then the lab's dispatch.c itself: its static functions are what
 * the tests call, and the macros below put the fakes in the place of the real neighbours.
 *
 * thread: main, attached but where the code under test attaches itself.
 */
#ifndef LOOPLAB_COURSE_SEAM_PYTHON_H
#define LOOPLAB_COURSE_SEAM_PYTHON_H

#include "common/bridge/internal.h"
#include "common/http/internal.h"
#include "common/lab/lab.h"
#include "course/seam/seam.h"

/* What dispatch.c has answered or posted. */
typedef struct {
    int  answered;  /* http_respond_transfer(), on the HTTP thread's behalf */
    int  posted;    /* completions_post() */
    int  status;    /* of the last one; 0: there was no response */
    bool error_set; /* a Python exception was set at that time */
    bool attached;
} seam_record_t;

extern seam_record_t        seam_record;
extern unsigned             seam_attaches;  /* how often the GIL was taken, as far as C sees it */
extern http_request_list_t *seam_completed; /* what completions_take() yields */
extern bridge_thread_t      seam_thread;    /* the HTTP thread's state */

/* Start Python, attached; fakes/asyncio stand in __main__ (see seam/python.c). */
void seam_python_open(void);

void seam_py_run(const char *source);
long seam_py_long(const char *expression);
/* repr() of an expression, in static memory. */
const char *seam_py_show(const char *expression);
/* __main__.name, borrowed. */
PyObject *seam_py_get(const char *name);

/*
 * A request for the handler __main__.`handler`, with the reference that travels, and one of the
 * test's own, so that it is there to be looked at whatever else is released.
 */
http_request_t *seam_request(const char *handler);

/* How many references to it there are besides the test's own. */
unsigned seam_references(const http_request_t *req);

/* The list that holds this one request, as the server makes it once a turn. */
http_request_list_t *seam_ready(http_request_t *req);

/* No exception is set. */
void seam_expect_no_error(const char *after);

/* The code under test has called these, in this order; "" for none. See seam/python.c. */
void seam_expect_calls(const char *expected, const char *cause);

/* No object of that Python class is left. */
void seam_expect_alive(const char *type, const char *cause);

/*
 * Around a call that borrows `object`. Hold it twice, so that a release too many doesn't free it;
 * returns the number of references then. Let go of both, once so many of the others are released.
 */
Py_ssize_t seam_hold(PyObject *object);
void       seam_let_go(PyObject *object, Py_ssize_t held, int released, const char *cause);

/*
 * From now on a request that is handed over is no more to be touched: AddressSanitizer reports who
 * does. Nothing in a build without it. The references stay free to count: callables hold some.
 */
void seam_guard_requests(void);

void seam_respond(http_request_t *req, http_response_t *resp);
int  seam_post(completions_t *queue, http_request_t *req, http_response_t *resp);
bool seam_take(completions_t *queue, http_request_t **req, http_response_t **resp);

#define http_respond_transfer seam_respond
#define completions_post      seam_post
#define completions_take      seam_take

#define bridge_attach(thread)       (seam_attaches++, (bridge_attach)(thread))
#define PyEval_RestoreThread(state) (seam_attaches++, (PyEval_RestoreThread)(state))
#define PyGILState_Ensure()         (seam_attaches++, (PyGILState_Ensure)())

#endif
