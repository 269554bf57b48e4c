/*
 * How requests end. Whichever way it is, it is counted here, once, and said to on_finished if
 * somebody listens: conn.c comes with what loses its client, output.c with what is written.
 *
 * An answer counts once the kernel has all of the write that it is in. So with on_finished, or where
 * a request is traced, the write's tally keeps a reference to it; else only their number.
 */
#include <stdlib.h>

#include "common/http/internal.h"

void http_finished_set_peer(http_conn_t *conn)
{
    struct sockaddr_storage address;
    int                     len = sizeof address;

    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&address, &len) != 0 ||
        uv_ip_name((struct sockaddr *)&address, conn->peer, HTTP_PEER_SIZE) != 0)
        memcpy(conn->peer, "-", sizeof "-"); /* it has left already */
}

static void count(http_stats_t *stats, http_end_t end, uint64_t requests)
{
    switch (end) {
    case HTTP_END_ANSWERED:
        stats->answered += requests;
        break;
    case HTTP_END_ABANDONED:
        stats->abandoned += requests;
        break;
    case HTTP_END_CUT_OFF:
    case HTTP_ENDS:
        stats->cut_off += requests;
        break;
    }
}

/* Tell whoever keeps books. */
static void tell(http_conn_t *conn, const http_request_t *req, http_end_t end, uint64_t now_ns)
{
    http_server_t       *server = conn->server;
    const http_outcome_t outcome = {.end = end,
                                    .status = req->answer_status,
                                    .bytes = req->answer_bytes,
                                    .duration_ns = now_ns - req->complete_ns,
                                    .peer = conn->peer};

    server->events.on_finished(server->owner, req, &outcome);
}

void http_finished_unanswered(http_conn_t *conn, http_request_t *req, http_end_t end)
{
    count(&conn->server->stats, end, 1);
    if (http_finished_wanted(conn->server))
        tell(conn, req, end, uv_hrtime());
}

void http_tally_add(http_tally_t *tally, const http_conn_t *conn, http_request_t *req, int status)
{
    tally->by_class[status / 100 % 6]++;
    req->trace_due =
        req->trace != NULL && !req->lent; /* else, after a 504, a handler marks still */
    if (!http_finished_wanted(conn->server) && !req->trace_due)
        return;
    http_request_ref(req);
    http_response_free(req->response); /* it is in the write */
    req->response = NULL;
    req->answer_status = (uint16_t)status;
    /* Its own pipeline_next is still the pipeline's: the list ends at `newest`. */
    if (tally->newest != NULL)
        tally->newest->pipeline_next = req;
    else
        tally->oldest = req;
    tally->newest = req;
}

/* Account for those that were kept, and let go of them. */
static void end_kept(http_tally_t *tally, http_conn_t *conn, http_end_t end)
{
    bool            wanted = http_finished_wanted(conn->server);
    uint64_t        now_ns = wanted ? uv_hrtime() : 0;
    http_request_t *req = tally->oldest, *next;

    for (bool more = true; more; req = next) {
        next = req->pipeline_next;
        more = req != tally->newest;
        if (req->trace_due && end == HTTP_END_ANSWERED)
            now_ns = http_traced_written(req); /* so that all its gaps lie within its duration */
        if (wanted)
            tell(conn, req, end, now_ns);
        http_request_unref(req);
    }
}

void http_tally_end(http_tally_t *tally, http_conn_t *conn, http_end_t end)
{
    http_stats_t *stats = &conn->server->stats;
    uint64_t      sum = 0;

    for (size_t i = 0; i < sizeof tally->by_class / sizeof tally->by_class[0]; i++) {
        sum += tally->by_class[i];
        if (end == HTTP_END_ANSWERED)
            stats->answered_by_class[i] += tally->by_class[i];
    }
    count(stats, end, sum);
    if (tally->oldest != NULL)
        end_kept(tally, conn, end);
    *tally = (http_tally_t){0};
}
