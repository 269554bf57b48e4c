/*
 * Responses: one block of memory each, made on whatever thread has the answer, freed on the HTTP
 * thread once it is written. Also the rules for what may stand in a header field.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "common/http/internal.h"

enum {
    POOL_BLOCK = 256, /* bytes: a response struct, its type and a small body */
    POOL_MAX = 2048,  /* blocks kept for reuse */
};

/* The free blocks of one HTTP thread, chained through their first word. */
typedef struct {
    void    *free;
    unsigned count;
} response_pool_t;

/* That thread's only; NULL on every other. */
static _Thread_local response_pool_t *pool;

int http_response_pool_open(void)
{
    if (pool == NULL)
        pool = calloc(1, sizeof *pool);
    return pool == NULL ? UV_ENOMEM : 0;
}

void http_response_pool_close(void)
{
    void *block;

    while (pool != NULL && (block = pool->free) != NULL) {
        memcpy(&pool->free, block, sizeof pool->free);
        free(block);
    }
    free(pool);
    pool = NULL;
}

static void *pool_take(void)
{
    void *block;

    if (pool == NULL || (block = pool->free) == NULL)
        return malloc(POOL_BLOCK);
    memcpy(&pool->free, block, sizeof pool->free);
    pool->count--;
    return block;
}

static void pool_give(void *block)
{
    if (pool == NULL || pool->count >= POOL_MAX) {
        free(block);
        return;
    }
    memcpy(block, &pool->free, sizeof pool->free);
    pool->free = block;
    pool->count++;
}

http_response_t *http_response_new(int status, const char *content_type, const void *body,
                                   size_t len)
{
    size_t           type_len = content_type == NULL ? 0 : strlen(content_type);
    size_t           size = sizeof(http_response_t) + type_len + len;
    http_response_t *resp = size <= POOL_BLOCK ? pool_take() : malloc(size);

    if (resp == NULL)
        return NULL;
    *resp = (http_response_t){.status = status,
                              .pooled = size <= POOL_BLOCK,
                              .type_len = (uint16_t)(type_len > UINT8_MAX ? 0 : type_len),
                              .body_len = len};
    if (resp->type_len > 0)
        memcpy(resp->data, content_type, resp->type_len);
    if (len > 0)
        memcpy(resp->data + resp->type_len, body, len);
    return resp;
}

http_response_t *http_response_of_status(int status)
{
    char body[64];
    int  len;

    if (status == 204)
        return http_response_new(204, NULL, NULL, 0);
    len = snprintf(body, sizeof body, "%d %s\n", status, http_status_reason(status));
    return http_response_new(status, "text/plain; charset=utf-8", body, (size_t)len);
}

void http_response_free(http_response_t *resp)
{
    if (resp == NULL)
        return;
    free(resp->fields);
    if (resp->pooled)
        pool_give(resp);
    else
        free(resp);
}

int http_response_status(const http_response_t *resp)
{
    return resp->status;
}

/* Fields that describe the connection or the framing: the server alone knows what is true. */
static bool is_servers_own(http_slice_t name)
{
    static const char *const own[] = {"content-length", "transfer-encoding", "connection", "date",
                                      "keep-alive",     "trailer",           "upgrade"};

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strlen(own[i]) == name.len && strncasecmp(own[i], name.data, name.len) == 0)
            return true;
    return false;
}

int http_response_add_header(http_response_t *resp, http_slice_t name, http_slice_t value)
{
    size_t line = name.len + 2 + value.len + 2;
    char  *fields, *at;

    if (!http_field_name_valid(name) || !http_field_value_valid(value) ||
        line > HTTP_FIELDS_MAX - resp->fields_len)
        return UV_EINVAL;
    if (is_servers_own(name))
        return UV_EPERM;
    fields = realloc(resp->fields, resp->fields_len + line);
    if (fields == NULL)
        return UV_ENOMEM;
    at = fields + resp->fields_len;
    memcpy(at, name.data, name.len);
    at += name.len;
    memcpy(at, ": ", 2);
    at += 2;
    if (value.len > 0)
        memcpy(at, value.data, value.len);
    at += value.len;
    memcpy(at, "\r\n", 2);
    resp->fields = fields;
    resp->fields_len += line;
    return 0;
}

/* RFC 9110, 5.6.2: a token. */
bool http_field_name_valid(http_slice_t name)
{
    static const char punctuation[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c != '\0' && strchr(punctuation, c) != NULL)))
            return false;
    }
    return name.len > 0;
}

/* RFC 9110, 5.5: no control character but the tab. */
bool http_field_value_valid(http_slice_t value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

const char *http_status_reason(int status)
{
    /* RFC 9110, 15; RFC 6585; RFC 7725. */
    static const struct {
        int         status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}
