/*
 * The turn of the HTTP thread: requests that are complete go to the lab, all at once; then all answers
 * go out, in one write for each connection. server.c says when it is time, conn.c when there is enough.
 */
#include <assert.h>

#include "common/http/internal.h"

enum {
    MAX_ROUNDS = 4, /* in one turn; then other connections' I/O comes first */

    /* So many requests, answers and what handlers make of them still fit into a core's own cache. */
    ENOUGH = 512,
};

static void on_idle(uv_idle_t *idle);

/* ---- Requests and answers -------------------------------------------------------------------- */

void http_server_dispatch(http_server_t *server, http_request_t *req)
{
    if (req->route == NULL) {
        http_answer_status(req, req->early_status);
        return;
    }
    if (server->in_flight >= server->options.max_in_flight) {
        http_answer_status(req, 503);
        return;
    }
    server->in_flight++;
    req->lent = true;
    if (req->route->native != NULL)
        req->route->native(req->route->arg, req);
    else
        http_request_list_push(&server->ready, req);
}

bool http_request_return(http_request_t *req)
{
    bool wanted = req->conn != NULL && !req->answered;

    assert(req->lent);
    req->lent = false;
    req->server->in_flight--;
    if (!wanted)
        req->trace = NULL; /* what it took is no answer's time */
    if (req->conn == NULL)
        http_request_unref(req);
    return wanted;
}

void http_respond_transfer(http_request_t *req, http_response_t *resp)
{
    if (!http_request_return(req)) {
        http_response_free(resp);
        return;
    }
    http_conn_queue(req->conn, req, resp);
}

/* ---- The turn -------------------------------------------------------------------------------- */

/* What was handed over and not taken is first in the next hand-over. */
static void take_back(http_server_t *server, http_request_list_t *rest)
{
    http_request_t *req;

    rest->pause_ns = 0;
    rest->taken = 0;
    for (req = rest->head; req != NULL; req = req->next)
        req->dispatched = false;
    while ((req = http_request_list_pop(&server->ready)) != NULL)
        http_request_list_push(rest, req);
    server->ready = *rest;
}

/*
 * Hand over what is complete, but for those that nobody waits for any more: the client has left, or
 * was told 504. returns false if handlers take so long that what is answered goes out first
 */
static bool hand_over(http_server_t *server)
{
    http_request_list_t handed = {0};
    http_request_t     *req;

    while ((req = http_request_list_pop(&server->ready)) != NULL) {
        if (req->conn == NULL || req->answered) {
            http_respond_transfer(req, NULL);
            continue;
        }
        req->dispatched = true;
        http_request_list_push(&handed, req);
    }
    if (handed.count > 1)
        handed.pause_ns = server->pause_ns;
    if (handed.count > 0)
        server->events.on_ready(server->owner, &handed);
    if (handed.count == 0)
        return true;
    assert(handed.taken > 0);
    take_back(server, &handed);
    return false;
}

static void flush_dirty(http_server_t *server)
{
    http_conn_t *conn, *next;

    conn = server->dirty;
    server->dirty = NULL;
    for (; conn != NULL; conn = next) {
        next = conn->dirty_next;
        conn->dirty = false;
        http_output_flush(conn);
        http_conn_settle(conn);
    }
}

static bool has_work(const http_server_t *server)
{
    return server->ready.count > 0 || server->dirty != NULL;
}

/*
 * The turn: what is complete goes to the lab, what is answered goes out. Settling a connection may
 * parse what it had stashed, hence the rounds; what they leave is for the next turn. Where handlers
 * take long the turn ends early, so that timers and other connections aren't kept waiting either.
 */
void http_server_turn(http_server_t *server)
{
    bool quick = true;

    server->parsed_by_then = server->stats.parsed;
    if (!has_work(server))
        return;
    http_output_tick(server);
    for (int round = 0; quick && round < MAX_ROUNDS && has_work(server); round++) {
        if (server->ready.count > 0)
            quick = hand_over(server);
        flush_dirty(server);
    }
    if (has_work(server))
        uv_idle_start(&server->idle, on_idle);
    else
        uv_idle_stop(&server->idle);
}

/* Not while what slow handlers have left waits: the turn that is due has more than enough. */
void http_server_turn_if_enough(http_server_t *server)
{
    if (server->stats.parsed - server->parsed_by_then >= ENOUGH &&
        !uv_is_active((uv_handle_t *)&server->idle))
        http_server_turn(server);
}

/* Its being active is what keeps the loop from blocking. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}
