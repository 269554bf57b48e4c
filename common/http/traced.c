/*
 * Requests whose time is taken apart (common/trace): those that go to a handler, or one in so many of
 * them, if the server was opened with a trace. What is answered in C, by a native route or by the
 * server itself, isn't.
 *
 * The record's memory goes with the request: it is counted when the answer is written, and else
 * dropped with the last reference to the request. So whoever holds a reference may still mark,
 * however late; a handler may run on after its request was given up.
 *
 * The end-to-end time has clock reads of its own, beside the first and the last mark: the sum of
 * the gaps has something to be compared with.
 *
 * HTTP thread.
 */
#include "common/http/internal.h"

void http_traced_begin(http_request_t *req)
{
    http_server_t *server = req->server;

    if (req->route == NULL || req->route->native != NULL)
        return;
    if (++server->untraced < server->trace_every)
        return;
    server->untraced = 0;
    req->trace_record = req->trace = trace_begin(server->options.trace);
    req->complete_ns = uv_hrtime();
    trace_mark(req->trace, TRACE_PARSED);
}

uint64_t http_traced_written(http_request_t *req)
{
    uint64_t now_ns;

    trace_mark(req->trace, TRACE_WRITTEN);
    now_ns = uv_hrtime();
    trace_finish(req->server->options.trace, req->trace, now_ns - req->complete_ns);
    req->trace_record = req->trace = NULL;
    return now_ns;
}
