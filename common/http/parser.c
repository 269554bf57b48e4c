/*
 * llhttp's callbacks: bytes become an http_request_t. llhttp checks the syntax (no lenient flag is
 * set); what a server has to check beyond it stands here where it is about single bytes, and in
 * head.c where it is about a whole head, each rule with its section of RFC 9110 or 9112.
 *
 * A callback that refuses sets server->parse_status and returns -1: the framing is in doubt, the
 * connection answers and closes. What leaves the framing intact (404, 405) becomes the
 * request's early_status: its body is read, and the connection goes on.
 */
#include <stdlib.h>

#include "common/http/internal.h"

static int on_message_begin(llhttp_t *parser);
static int on_url(llhttp_t *parser, const char *at, size_t len);
static int on_header_field(llhttp_t *parser, const char *at, size_t len);
static int on_header_value(llhttp_t *parser, const char *at, size_t len);
static int on_headers_complete(llhttp_t *parser);
static int on_chunk_header(llhttp_t *parser);
static int on_chunk_extension(llhttp_t *parser, const char *at, size_t len);
static int on_body(llhttp_t *parser, const char *at, size_t len);
static int on_message_complete(llhttp_t *parser);

static const llhttp_settings_t settings = {
    .on_message_begin = on_message_begin,
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
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

/*
 * Bytes of header fields up to `end`, as they came. A field's blanks count too, although no
 * callback sees those before its value.
 */
static bool fields_too_large(const http_conn_t *conn, const char *end)
{
    return (uintptr_t)end - conn->server->fields_from > conn->server->options.max_header_bytes;
}

/* What llhttp's error means; `refused` is the status of a callback that has refused. */
static int status_of_error(const http_conn_t *conn, llhttp_errno_t err, int refused)
{
    const llhttp_t *parser = &conn->parser;

    /* It has the same error for what is no version at all, such as HTTP/x.1 (RFC 9112, 2.3). */
    if (err == HPE_INVALID_VERSION && !version_known(parser))
        return strcmp(llhttp_get_error_reason(parser), "Invalid HTTP version") == 0 ? 505 : 400;
    /* A method that only another protocol has, found out behind the target. */
    if (err == HPE_INVALID_CONSTANT && conn->parsing != NULL && conn->parsing->target_len > 0 &&
        http_method_name(parser->method) == NULL)
        return 501;
    /* A malformed field that is too large as well: the same answer as when it comes in pieces. */
    if (err == HPE_INVALID_HEADER_TOKEN && !conn->head_done && conn->parsing->field_count > 0 &&
        fields_too_large(conn, llhttp_get_error_pos(parser)))
        return 431;
    /* It gives up at the byte that no method which it knows has there: another method, if that byte
     * can stand in one (RFC 9110, 9.1), or no request at all. */
    if (err == HPE_INVALID_METHOD && is_token(llhttp_get_error_pos(parser)))
        return 501;
    return refused;
}

/*
 * The input ends within a head. llhttp takes any number of blanks between two elements and tells
 * nobody: more than one in the request line is refused (RFC 9112, 3), those of a field count.
 * Returns 0 or a status.
 */
static int check_unfinished_head(http_conn_t *conn, const char *data, size_t len)
{
    const http_request_t *req = conn->parsing;
    bool                  blank = data[len - 1] == ' ';

    if (req->target_len == 0) {
        if (blank && (len > 1 ? data[len - 2] == ' ' : conn->blank_last))
            return 400;
        conn->blank_last = blank;
    } else if (req->field_count > 0) {
        conn->passed_bytes = (uint32_t)((uintptr_t)(data + len) - conn->server->fields_from);
        if (!conn->in_value && fields_too_large(conn, data + len))
            return 431;
    }
    return 0;
}

/* returns 0 or a status */
static int begin_feed(http_conn_t *conn, const char *data, size_t len)
{
    http_server_t *server = conn->server;

    server->parse_status = 400;
    server->feed = data;
    server->feed_end = data + len;
    server->fields_from = (uintptr_t)data - conn->passed_bytes;
    if (!conn->protocol_due)
        return 0;
    conn->protocol_due = false;
    return *data == 'H' ? 0 : 400;
}

size_t http_parser_feed(http_conn_t *conn, const char *data, size_t len, int *status)
{
    llhttp_errno_t err;

    *status = begin_feed(conn, data, len);
    if (*status != 0)
        return len;
    if (conn->paused) {
        llhttp_resume(&conn->parser);
        conn->paused = false;
    }
    err = llhttp_execute(&conn->parser, data, len);
    if (err == HPE_OK) {
        if (conn->parsing != NULL && !conn->head_done)
            *status = check_unfinished_head(conn, data, len);
        return len;
    }
    if (err == HPE_PAUSED) {
        conn->paused = true;
        return (size_t)(llhttp_get_error_pos(&conn->parser) - data);
    }
    *status = status_of_error(conn, err, conn->server->parse_status);
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

/* RFC 9112, 3: one blank stands before the target. `at`: its first byte */
static bool blanks_before(const http_conn_t *conn, const char *at)
{
    const char *feed = conn->server->feed;

    return at - feed >= 2 ? at[-2] == ' ' : at - feed == 1 && conn->blank_last;
}

/*
 * RFC 9112, 3: behind the target stands one blank, then "HTTP/". llhttp would take further blanks,
 * and the protocols RTSP/ and ICE/, whose versions look like ours; it checks the rest of the name.
 * `end`: behind what has come of the target
 */
static bool protocol_wrong(http_conn_t *conn, const char *end)
{
    const char *feed_end = conn->server->feed_end;

    if (end == feed_end || *end != ' ') /* the target goes on, or it is malformed */
        return false;
    conn->protocol_due = end + 1 == feed_end;
    return !conn->protocol_due && end[1] != 'H';
}

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;

    if ((req->head_len == 0 && blanks_before(conn, at)) || protocol_wrong(conn, at + len))
        return refuse(conn, 400);
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
        if (req->field_count == 1)
            conn->server->fields_from = (uintptr_t)at;
    }
    if (fields_too_large(conn, at + len))
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
    if (fields_too_large(conn, at + len))
        return refuse(conn, 431);
    if (http_request_head_append(req, at, len) != 0)
        return refuse(conn, 500);
    req->fields[req->field_count - 1].value_len += (uint32_t)len;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    http_conn_t    *conn = parser->data;
    http_request_t *req = conn->parsing;
    int             status;

    trim_last_value(req);
    conn->head_done = true;
    conn->passed_bytes = 0;
    conn->since_ms = http_now(conn->server);
    parser->upgrade = 0; /* we never switch protocols (RFC 9110, 7.8 lets us ignore the wish) */
    req->method = parser->method;
    req->version_minor = parser->http_minor;
    status = version_known(parser) ? http_head_check(conn, req) : 505;
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
    conn->passed_bytes += (uint32_t)len;
    if (conn->passed_bytes > conn->server->options.max_header_bytes)
        return refuse(conn, 431);
    return 0;
}

/* A chunk too large is refused before any of it comes. */
static int on_chunk_header(llhttp_t *parser)
{
    http_conn_t *conn = parser->data;

    if (parser->content_length > conn->server->options.max_body - conn->parsing->body_len)
        return refuse(conn, 413);
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
    conn->passed_bytes = 0;
    req->parsed_at_ms = http_now(conn->server);
    if (!llhttp_should_keep_alive(parser))
        req->close_after = true;
    if (req->close_after)
        http_conn_finish(conn);
    http_conn_push(conn, req);
    return http_conn_can_take(conn) ? 0 : HPE_PAUSED;
}
