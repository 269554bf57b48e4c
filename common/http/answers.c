/*
 * What the server itself answers: no such route, wrong method, limits, malformed requests,
 * time-outs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/http/internal.h"

/* 405 and OPTIONS name what is allowed (RFC 9110, 15.5.6 and 9.3.7). */
static void add_allow(http_response_t *resp, http_request_t *req)
{
    char allow[64];

    if (req->head[0] == '*')
        snprintf(allow, sizeof allow, "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS");
    else
        http_router_allow(req->server->router, req, allow, sizeof allow);
    http_response_add_header(resp, http_slice_of("Allow"), http_slice_of(allow));
}

http_response_t *http_response_busy(void)
{
    http_response_t *resp = http_response_of_status(503);

    if (resp != NULL)
        http_response_add_header(resp, http_slice_of("Retry-After"), http_slice_of("1"));
    return resp;
}

static http_response_t *response_of(http_request_t *req, int status)
{
    http_response_t *resp = status == 503 ? http_response_busy() : http_response_of_status(status);

    if (resp != NULL && (status == 405 || status == 204))
        add_allow(resp, req);
    return resp;
}

void http_answer_status(http_request_t *req, int status)
{
    if (!req->lent)
        req->trace = NULL; /* else the handler's thread may be marking; it is dropped later */
    http_conn_queue(req->conn, req, response_of(req, status));
}

/*
 * The parser gave up on `conn->parsing`, or on bytes that are no request at all: a request stands
 * in for them in the pipeline, so that earlier ones are answered first.
 */
void http_answer_and_finish(http_conn_t *conn, int status)
{
    http_request_t *req = conn->parsing;

    conn->parsing = NULL;
    http_conn_finish(conn);
    if (req == NULL && (req = http_pool_take(conn->server->pool)) == NULL) {
        http_conn_gone(conn);
        return;
    }
    req->server = conn->server;
    req->conn = conn;
    req->route = NULL;
    req->early_status = (uint16_t)status;
    req->refused = true;
    req->refused_method = conn->parser.method;
    if (req->method != HTTP_METHOD_HEAD) /* whose answer has no body (RFC 9110, 9.3.2) */
        req->method = HTTP_METHOD_GET;   /* safe, so that it waits for nobody: it does nothing */
    req->version_minor = 1;
    req->close_after = true;
    http_conn_push(conn, req);
}
