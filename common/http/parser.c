/*
 * llhttp's callbacks: bytes become an http_request_t. llhttp checks the syntax (no lenient flag is
 * set); what a server has to check beyond it stands in on_headers_complete(), each rule with its
 * section of RFC 9110 or 9112.
 *
 * A callback that refuses sets server->parse_status and returns -1: the framing is in doubt, the
 * connection answers and closes. What leaves the framing intact (404, 405) becomes the
 * request's early_status: its body is read, and the connection goes on.
 */
#include <stdlib.h>
#include <strings.h>

#include "common/http/internal.h"

static int on_message_begin(llhttp_t *parser);
static int on_url(llhttp_t *parser, const char *at, size_t len);
static int on_header_field(llhttp_t *parser, const char *at, size_t len);
static int on_header_value(llhttp_t *parser, const char *at, size_t len);
static int on_headers_complete(llhttp_t *parser);
static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len);
static int on_body(llhttp_t *parser, const char *at, size_t len);
static int on_message_complete(llhttp_t *parser);

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

_Static_assert((int)HTTP_METHOD_DELETE == (int)HTTP_DELETE &&
                   (int)HTTP_METHOD_GET == (int)HTTP_GET &&
                   (int)HTTP_METHOD_HEAD == (int)HTTP_HEAD &&
                   (int)HTTP_METHOD_POST == (int)HTTP_POST &&
                   (int)HTTP_METHOD_PUT == (int)HTTP_PUT &&
                   (int)HTTP_METHOD_PATCH == (int)HTTP_PATCH &&
                   (int)HTTP_METHOD_OPTIONS == (int)HTTP_OPTIONS,
               "http_method_t has llhttp's values");

#define TEXT_OF(macro)   TEXT_OF_ARG(macro)
#define TEXT_OF_ARG(arg) #arg

const char *http_parser_version(void)
{
    return TEXT_OF(LLHTTP_VERSION_MAJOR) "." TEXT_OF(LLHTTP_VERSION_MINOR) "." TEXT_OF(
        LLHTTP_VERSION_PATCH);
}

const char *http_method_name(http_method_t method)
{
    switch (method) {
    case HTTP_METHOD_DELETE:
        return "DELETE";
    case HTTP_METHOD_GET:
        return "GET";
    case HTTP_METHOD_HEAD:
        return "HEAD";
    case HTTP_METHOD_POST:
        return "POST";
    case HTTP_METHOD_PUT:
        return "PUT";
    case HTTP_METHOD_OPTIONS:
        return "OPTIONS";
    case HTTP_METHOD_PATCH:
        return "PATCH";
    }
    return NULL;
}

const char *http_request_method_sent(const http_request_t *req)
{
    if (!req->refused)
        return http_method_name(req->method);
    return req->target_len == 0 ? NULL : llhttp_method_name(req->refused_method);
}

int http_method_from_name(const char *name)
{
    for (int method = HTTP_METHOD_DELETE; method <= HTTP_METHOD_PATCH; method++) {
        const char *known = http_method_name((http_method_t)method);

        if (known != NULL && strcmp(known, name) == 0)
            return method;
    }
    return -1;
}

void http_parser_init(http_conn_t *conn)
{
    llhttp_init(&conn->parser, HTTP_REQUEST, &settings);
    conn->parser.data = conn;
}

/* llhttp's HPE_INVALID_VERSION also means a known version with something wrong behind it. */
static bool version_known(const llhttp_t *parser)
{
    return parser->http_major == 1 && parser->http_minor <= 1;
}

/* RFC 9110, 5.6.2: may stand in a token. */
static bool is_token(const char *c)
{
    return http_field_name_valid((http_slice_t){c, 1});
}

/* What llhttp's error means; `refused` is the status of a callback that has refused. */
static int status_of_error(const llhttp_t *parser, llhttp_errno_t err, int refused)
{
    if (err == HPE_INVALID_VERSION && !version_known(parser))
        return 505;
    /* It gives up at the byte that no method which it knows has there: another method, if that byte
     * can stand in one (RFC 9110, 9.1), or no request at all. */
    if (err == HPE_INVALID_METHOD && is_token(llhttp_get_error_pos(parser)))
        return 501;
    return refused;
}

size_t http_parser_feed(http_conn_t *conn, const char *data, size_t len, int *status)
{
    llhttp_errno_t err;

    *status = 0;
    if (conn->paused) {
        llhttp_resume(&conn->parser);
        conn->paused = false;
    }
    conn->server->parse_status = 400;
    err = llhttp_execute(&conn->parser, data, len);
    if (err == HPE_OK)
        return len;
    if (err == HPE_PAUSED) {
        conn->paused = true;
        return (size_t)(llhttp_get_error_pos(&conn->parser) - data);
    }
    *status = status_of_error(&conn->parser, err, conn->server->parse_status);
    return len;
}

/* The callback refuses: the connection answers `status` and closes. */
static int refuse(http_conn_t *conn, int status)
{
    conn->server->parse_status = status;
    return -1;
}

/* ---- The head -------------------------------------------------------------------------------- */

static int on_message_begin(llhttp_t *parser)
{
    http_conn_t *conn = parser->data;

    conn->parsing = http_pool_take(conn->server->pool);
    if (conn->parsing == NULL)
        return refuse(conn, 500);
    conn->parsing->server = conn->server;
    conn->parsing->conn = conn;
    conn->since_ms = http_now(conn->server);
    conn->used = true;
    conn->head_done = false;
    conn->in_value = true; /* so that the first field name begins a field */
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;

    /* The line is "METHOD target HTTP/1.1": the target's share is what can grow. */
    if (req->head_len + len + sizeof "OPTIONS  HTTP/1.1" > conn->server->options.max_request_line)
        return refuse(conn, 414);
    if (http_request_head_append(req, at, len) != 0)
        return refuse(conn, 500);
    req->target_len = req->head_len;
    return 0;
}

/* One more field; its offsets follow. */
static http_field_t *field_begin(http_request_t *req)
{
    http_field_t *fields;

    if (req->field_count == req->field_cap) {
        bool inside = req->fields == req->inline_fields;

        fields = realloc(inside ? NULL : req->fields, 2u * req->field_cap * sizeof *fields);
        if (fields == NULL)
            return NULL;
        if (inside)
            memcpy(fields, req->inline_fields, sizeof req->inline_fields);
        req->fields = fields;
        req->field_cap = (uint16_t)(2 * req->field_cap);
    }
    fields = &req->fields[req->field_count++];
    *fields = (http_field_t){.name_at = req->head_len, .value_at = req->head_len};
    return fields;
}

/* Trailing blanks are no part of a value (RFC 9112, 5.1). */
static void trim_last_value(http_request_t *req)
{
    http_field_t *field;

    if (req->field_count == 0)
        return;
    field = &req->fields[req->field_count - 1];
    while (field->value_len > 0) {
        char c = req->head[field->value_at + field->value_len - 1];

        if (c != ' ' && c != '\t')
            break;
        field->value_len--;
    }
}

/* Bytes of header fields so far, with what stands around name and value on the wire. */
static bool fields_too_large(const http_conn_t *conn, const http_request_t *req, size_t more)
{
    return req->head_len - req->target_len + 4u * req->field_count + more >
           conn->server->options.max_header_bytes;
}

static int on_header_field(llhttp_t *parser, const char *at, size_t len)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;

    if (conn->head_done) /* a trailer: counted, and ignored (RFC 9110, 6.5.1) */
        return on_chunk_extension(parser, at, len);
    if (conn->in_value) {
        conn->in_value = false;
        trim_last_value(req);
        if (req->field_count >= conn->server->options.max_headers)
            return refuse(conn, 431);
        if (field_begin(req) == NULL)
            return refuse(conn, 500);
    }
    if (fields_too_large(conn, req, len))
        return refuse(conn, 431);
    if (http_request_head_append(req, at, len) != 0)
        return refuse(conn, 500);
    req->fields[req->field_count - 1].name_len += (uint32_t)len;
    req->fields[req->field_count - 1].value_at = req->head_len;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t len)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;

    if (conn->head_done)
        return on_chunk_extension(parser, at, len);
    conn->in_value = true;
    if (fields_too_large(conn, req, len))
        return refuse(conn, 431);
    if (http_request_head_append(req, at, len) != 0)
        return refuse(conn, 500);
    req->fields[req->field_count - 1].value_len += (uint32_t)len;
    return 0;
}

/* ---- What the head says ---------------------------------------------------------------------- */

static bool slice_is(http_slice_t slice, const char *text)
{
    return slice.len == strlen(text) && strncasecmp(slice.data, text, slice.len) == 0;
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
    if (*start != '/') { /* absolute-form: of its authority only the host's absence is our affair */
        if (req->target_len <= 7 || strncasecmp(start, "http://", 7) != 0)
            return 400;
        for (path = start + 7; path < end && *path != '/' && *path != '?'; path++)
            ;
        if (path == start + 7)
            return 400; /* RFC 9110, 4.2.1 */
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

/* RFC 9112, 3.2: a Host value is "host[:port]": none of the characters that delimit the parts of a
 * URI around it, no blank and no list. A table, since every request passes here. */
static bool host_valid(http_slice_t host)
{
    static const bool refused[256] = {
        [0 ... ' '] = true, ['/'] = true,  ['?'] = true, ['#'] = true,
        ['@'] = true,       ['\\'] = true, [','] = true, [0x7f] = true};

    for (size_t i = 0; i < host.len; i++)
        if (refused[(unsigned char)host.data[i]])
            return false;
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
            if (++hosts > 1 || !host_valid(value))
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

static int check_head(http_conn_t *conn, http_request_t *req, const llhttp_t *parser)
{
    int status;

    if (!version_known(parser))
        return 505;
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

static int on_headers_complete(llhttp_t *parser)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;
    int             status;

    trim_last_value(req);
    conn->head_done = true;
    conn->since_ms = http_now(conn->server);
    parser->upgrade = 0; /* we never switch protocols (RFC 9110, 7.8 lets us ignore the wish) */
    req->method = parser->method;
    req->version_minor = parser->http_minor;
    status = check_head(conn, req, parser);
    if (status != 0)
        return refuse(conn, status);
    if (conn->continue_due && parser->content_length == 0 && (parser->flags & F_CHUNKED) == 0)
        conn->continue_due = false; /* no body to wait for */
    if (conn->continue_due)
        http_conn_mark_dirty(conn);
    return 0;
}

/* ---- The body -------------------------------------------------------------------------------- */

/* Chunk extensions and trailers mean nothing to us; their size is limited like the header's. */
static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len)
{
    http_conn_t *conn = parser->data;

    (void)at;
    conn->ignored_bytes += (uint32_t)len;
    if (conn->ignored_bytes > conn->server->options.max_header_bytes)
        return refuse(conn, 431);
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;

    conn->continue_due = false; /* it comes unasked */
    if (len > conn->server->options.max_body - req->body_len)
        return refuse(conn, 413);
    if (len > req->body_cap - req->body_len) {
        size_t cap = req->body_cap == 0 ? len : 2 * req->body_cap;
        char  *body;

        if (cap < req->body_len + len)
            cap = req->body_len + len;
        body = realloc(req->body, cap);
        if (body == NULL)
            return refuse(conn, 500);
        req->body = body;
        req->body_cap = cap;
    }
    memcpy(req->body + req->body_len, at, len);
    req->body_len += len;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;

    conn->parsing = NULL;
    conn->continue_due = false;
    conn->ignored_bytes = 0;
    req->parsed_at_ms = http_now(conn->server);
    req->close_after = !llhttp_should_keep_alive(parser);
    if (req->close_after)
        http_conn_finish(conn);
    http_conn_push(conn, req);
    return http_conn_can_take(conn) ? 0 : HPE_PAUSED;
}
