/*
 * What a complete head says: the checks that llhttp leaves to the server, each with its section of
 * RFC 9110 or 9112, and the route. Called by parser.c; a status that it returns means that the
 * framing is in doubt, or that nothing more is wanted of this client. What leaves the framing
 * intact (404, 405) becomes the request's early_status.
 */
#include <ctype.h>
#include <strings.h>

#include "common/http/internal.h"

static bool slice_is(http_slice_t slice, const char *text)
{
    return slice.len == strlen(text) && strncasecmp(slice.data, text, slice.len) == 0;
}

/*
 * RFC 9112, 3.2 and RFC 3986, 3.2.2: a Host value is "host[:port]" or empty; host is a name, an
 * IPv4 address or an IPv6 address in brackets. A comma could stand in a name, but it would be a
 * list of two Hosts that somebody has joined.
 */
static bool host_valid(http_slice_t host)
{
    static const bool in_name[256] = {
        ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['-'] = true,
        ['.'] = true,         ['_'] = true,         ['~'] = true,         ['%'] = true,
        ['!'] = true,         ['$'] = true,         ['&'] = true,         ['\''] = true,
        ['('] = true,         [')'] = true,         ['*'] = true,         ['+'] = true,
        [';'] = true,         ['='] = true};
    const char *at = host.data, *end = host.data + host.len;

    if (host.len > 0 && *at == '[') {
        for (at++; at < end && (isxdigit((unsigned char)*at) || *at == ':' || *at == '.'); at++)
            ;
        if (at == end || *at != ']' || at == host.data + 1)
            return false;
        at++;
    } else {
        while (at < end && in_name[(unsigned char)*at])
            at++;
    }
    if (at < end && at > host.data && *at == ':')
        for (at++; at < end && *at >= '0' && *at <= '9'; at++)
            ;
    return at == end;
}

/* Split the target into path and query. Returns 0 or a status. RFC 9112, 3.2. */
static int parse_target(http_request_t *req)
{
    const char *start = req->head, *end = start + req->target_len, *path = start, *query;

    if (req->target_len == 1 && *start == '*') {
        if (req->method != HTTP_METHOD_OPTIONS)
            return 400;
        req->path_len = 1;
        return 0;
    }
    if (memchr(start, '#', req->target_len) != NULL)
        return 400;      /* a target has no fragment */
    if (*start != '/') { /* absolute-form; its authority stands in for Host */
        if (req->target_len <= 7 || strncasecmp(start, "http://", 7) != 0)
            return 400;
        for (path = start + 7; path < end && *path != '/' && *path != '?'; path++)
            ;
        if (path == start + 7 || !host_valid((http_slice_t){start + 7, (size_t)(path - start - 7)}))
            return 400; /* RFC 9110, 4.2.1; 4.2.4: user information */
    }
    for (query = path; query < end && *query != '?'; query++)
        ;
    req->path_at = (uint32_t)(path - start);
    req->path_len = (uint32_t)(query - path);
    if (query < end) {
        req->query_at = (uint32_t)(query + 1 - start);
        req->query_len = (uint32_t)(end - query - 1);
    }
    return 0;
}

/* Nearly all requests name the same host: the last one that was valid needs no second look. */
static bool host_known_or_valid(http_server_t *server, http_slice_t host)
{
    if (host.len == server->valid_host_len && memcmp(host.data, server->valid_host, host.len) == 0)
        return true;
    if (!host_valid(host))
        return false;
    if (host.len <= sizeof server->valid_host) {
        memcpy(server->valid_host, host.data, host.len);
        server->valid_host_len = host.len;
    }
    return true;
}

/* "host" in any case; spelled out, since every request has one. */
static bool is_host(const char *name)
{
    return (name[0] | 0x20) == 'h' && (name[1] | 0x20) == 'o' && (name[2] | 0x20) == 's' &&
           (name[3] | 0x20) == 't';
}

/* The fields that the server itself obeys. Returns 0, or the status that refuses the request. */
static int check_fields(http_conn_t *conn, http_request_t *req)
{
    unsigned hosts = 0, codings = 0;

    for (unsigned i = 0; i < req->field_count; i++) {
        http_slice_t name = http_request_field_name(req, i);
        http_slice_t value = http_request_field_value(req, i);

        if (name.len == 4 && is_host(name.data)) {
            if (++hosts > 1 || !host_known_or_valid(conn->server, value))
                return 400; /* RFC 9112, 3.2 */
        } else if (name.len == 6 && slice_is(name, "expect")) {
            if (!slice_is(value, "100-continue"))
                return 417; /* RFC 9110, 10.1.1 */
            if (req->version_minor >= 1)
                conn->continue_due = true;
        } else if (name.len == 17 && slice_is(name, "transfer-encoding")) {
            if (req->version_minor == 0)
                return 400; /* RFC 9112, 6.1: its framing can't be trusted */
            if (++codings > 1 || !slice_is(value, "chunked"))
                return 501; /* RFC 9112, 6.1: a coding that we don't know */
        }
    }
    return hosts == 0 && req->version_minor >= 1 ? 400 : 0;
}

/* Find who answers; a request for nobody gets its early_status. Returns 0 or a status. */
static int find_route(http_conn_t *conn, http_request_t *req)
{
    bool path_known;
    int  err;

    req->route = http_router_match(conn->server->router, req, &path_known, &err);
    if (err != 0)
        return err == UV_ENOMEM ? 500 : 400;
    if (req->route != NULL) {
        req->route_arg = req->route->arg;
    } else if (req->method == HTTP_METHOD_OPTIONS && (path_known || req->head[0] == '*')) {
        req->early_status = 204;
    } else {
        req->early_status = path_known ? 405 : 404;
    }
    return 0;
}

/* An absolute-form target may end at its authority: the path is then "/". */
static int path_default(http_request_t *req)
{
    if (req->path_len > 0)
        return 0;
    req->path_at = req->head_len;
    req->path_len = 1;
    return http_request_head_append(req, "/", 1) == 0 ? 0 : 500;
}

int http_head_check(http_conn_t *conn, http_request_t *req)
{
    const llhttp_t *parser = &conn->parser;
    int             status;

    if (http_method_name(req->method) == NULL)
        return 501;
    if ((status = check_fields(conn, req)) != 0)
        return status;
    if ((parser->flags & F_CONTENT_LENGTH) != 0 &&
        parser->content_length > conn->server->options.max_body)
        return 413;
    if ((status = parse_target(req)) != 0 || (status = path_default(req)) != 0)
        return status;
    return find_route(conn, req);
}
