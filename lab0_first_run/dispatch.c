/*
 * Lab 0: `def` handlers on one Python thread. Nothing here is yours to write: read it beside the
 * trace that it makes.
 *
 *     HTTP thread                                  Python thread
 *     ① write the request's address  -- pipe -->   ② read it, attach, call the handler,
 *                                                     make a response of what it returned
 *     ④ read it, respond             <-- pipe --   ③ detach, write the address back
 *
 * Two pipes, each a queue that the kernel keeps. What goes through is an address, eight bytes,
 * which a pipe takes and gives as a whole. A request belongs to the HTTP thread until ①, to the
 * Python thread until ③, and to the HTTP thread again from ④ on; nobody touches what isn't theirs,
 * so there is no lock.
 *
 * The HTTP thread never waits: its ends of both pipes are non-blocking, and where the first one is
 * full the answer is 503. The Python thread waits in read(), detached. App hooks aren't run.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/lab/lab.h"

struct lab {
    /* Set by lab_open(), read-only afterwards. */
    bridge_t *bridge; /* borrowed */
    trace_t  *trace;  /* borrowed; NULL: tracing is off */

    /* HTTP thread only. */
    int         to_python;   /* write end of the pipe out */
    int         from_python; /* read end of the pipe back */
    uv_poll_t   poll;        /* watches from_python */
    uv_thread_t thread;

    /* Python thread only. */
    int in, back;
};

/* ---- The Python thread ----------------------------------------------------------------------- */

/* Attached: ② what the handler has come to. */
static http_response_t *answer(http_request_t *req)
{
    PyObject        *value = bridge_call_handler(req); /* new; NULL: it raised */
    http_response_t *resp = bridge_response(req, value);

    Py_XDECREF(value);
    return resp;
}

static void python_main(void *arg)
{
    lab_t          *lab = arg;
    trace_lane_t   *lane = trace_lane_open(lab->trace, "python");
    bridge_thread_t me;
    http_request_t *req;

    pthread_setname_np(pthread_self(), "python");
    if (bridge_thread_open(&me, lab->bridge) != 0)
        abort(); /* no memory for a thread state, before anything has been served */
    trace_lane_state(lane, TRACE_POLLING);
    while (read(lab->in, &req, sizeof req) == sizeof req) { /* 0: the HTTP thread has closed it */
        bridge_attach(&me);
        trace_mark(req->trace, TRACE_WOKEN);
        req->result = answer(req);
        bridge_detach(&me);
        trace_mark(req->trace, TRACE_POSTED);
        if (write(lab->back, &req, sizeof req) != sizeof req) /* ③ req isn't ours any more */
            abort(); /* its reader is open for as long as this thread runs */
        trace_lane_state(lane, TRACE_POLLING);
    }
    bridge_thread_close(&me);
    trace_lane_close(lane);
}

/* ---- The HTTP thread ------------------------------------------------------------------------- */

/* Once a turn: every request that is complete by now. */
void lab_on_ready(lab_t *lab, http_request_list_t *ready)
{
    http_request_t *req;

    while ((req = http_request_list_pop(ready)) != NULL) {
        trace_mark(req->trace, TRACE_SCHEDULED);
        if (write(lab->to_python, &req, sizeof req) != sizeof req) /* ① */
            http_respond_transfer(req, http_response_busy());
    }
}

/* ④ Everything that has come back. */
static void take_answers(lab_t *lab)
{
    http_request_t *req;

    while (read(lab->from_python, &req, sizeof req) == sizeof req) {
        http_response_t *resp = req->result;

        trace_mark(req->trace, TRACE_RECEIVED);
        req->result = NULL;
        http_respond_transfer(req, resp); /* req and resp are gone now */
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    take_answers(poll->data);
}

/* Labs 1 and 2 bring their answers back another way. */
void lab_on_completions(lab_t *lab)
{
    (void)lab;
}

/* A handler that runs can't be cancelled: its answer will be dropped. */
void lab_on_client_gone(lab_t *lab, http_request_t *req)
{
    (void)lab;
    (void)req;
}

/* ---- Start and end --------------------------------------------------------------------------- */

static void close_pipe(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

/* `out` from the HTTP thread, `back` to it; its own ends don't block. 0 or -1 */
static int open_pipes(int out[2], int back[2])
{
    if (pipe2(out, O_CLOEXEC) != 0)
        return -1;
    if (pipe2(back, O_CLOEXEC) != 0) {
        close_pipe(out);
        return -1;
    }
    fcntl(out[1], F_SETFL, O_NONBLOCK);
    fcntl(back[0], F_SETFL, O_NONBLOCK);
    return 0;
}

/* The thread ends when its pipe does. */
static void stop_thread(lab_t *lab)
{
    close(lab->to_python);
    uv_thread_join(&lab->thread);
    close(lab->in);
    close(lab->back);
}

int lab_open(lab_t **out, const lab_context_t *context)
{
    lab_t *lab = calloc(1, sizeof *lab);
    int    pipe_out[2], pipe_back[2];

    if (lab == NULL)
        return -1;
    if (open_pipes(pipe_out, pipe_back) != 0) {
        free(lab);
        return -1;
    }
    *lab = (lab_t){.bridge = context->bridge,
                   .trace = context->trace,
                   .to_python = pipe_out[1],
                   .from_python = pipe_back[0],
                   .in = pipe_out[0],
                   .back = pipe_back[1]};
    lab->poll.data = lab;
    if (uv_thread_create(&lab->thread, python_main, lab) != 0) {
        close_pipe(pipe_out);
        close_pipe(pipe_back);
        free(lab);
        return -1;
    }
    if (uv_poll_init(context->loop, &lab->poll, lab->from_python) != 0) {
        stop_thread(lab);
        close(lab->from_python);
        free(lab);
        return -1;
    }
    uv_poll_start(&lab->poll, UV_READABLE, on_readable);
    *out = lab;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void lab_close(lab_t *lab)
{
    stop_thread(lab);
    take_answers(lab); /* dropped: their connections are gone */
    uv_close((uv_handle_t *)&lab->poll, on_closed);
    close(lab->from_python); /* which the loop has let go of by now */
}
