/*
 * Routes: literal ones in an array sorted by length and then by bytes, so that few are compared;
 * those with parameters in order of registration. Percent-encoded paths are compared segment by
 * segment as they are decoded, so an encoded slash never ends a segment (RFC 3986, 2.2).
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/http/internal.h"

typedef struct {
    http_route_t **routes;
    size_t         count;
} route_array_t;

enum { INDEXED_LENGTHS = 64 };

struct http_router {
    /* Frozen once a server uses it: read by the HTTP thread only. */
    route_array_t literals;               /* sorted by compare_pattern() */
    size_t        first[INDEXED_LENGTHS]; /* in literals: the first that is at least so long */
    route_array_t patterns;               /* with parameters; in order of registration */
};

http_router_t *http_router_new(void)
{
    return calloc(1, sizeof(http_router_t));
}

static void route_free(http_route_t *route)
{
    free(route->pattern);
    free(route);
}

static void array_free(route_array_t *array)
{
    for (size_t i = 0; i < array->count; i++)
        route_free(array->routes[i]);
    free(array->routes);
}

void http_router_free(http_router_t *router)
{
    if (router == NULL)
        return;
    array_free(&router->literals);
    array_free(&router->patterns);
    free(router);
}

/* ---- Adding ---------------------------------------------------------------------------------- */

static int compare_pattern(const http_route_t *route, const char *path, size_t len)
{
    if (route->pattern_len != len)
        return route->pattern_len < len ? -1 : 1;
    return memcmp(route->pattern, path, len);
}

/* The index of the first literal route that isn't before `path`. */
static size_t literal_lower_bound(const http_router_t *router, const char *path, size_t len)
{
    const route_array_t *literals = &router->literals;
    size_t               i = router->first[len < INDEXED_LENGTHS ? len : INDEXED_LENGTHS - 1];

    while (i < literals->count && compare_pattern(literals->routes[i], path, len) < 0)
        i++;
    return i;
}

static void index_lengths(http_router_t *router)
{
    size_t i = 0;

    for (size_t len = 0; len < INDEXED_LENGTHS; len++) {
        while (i < router->literals.count && router->literals.routes[i]->pattern_len < len)
            i++;
        router->first[len] = i;
    }
}

/* Is it "/", or '/'-separated segments, each plain text or one whole "{name}"? Counts the latter. */
static bool pattern_valid(const char *pattern, unsigned *params)
{
    const char *at = pattern;

    *params = 0;
    if (*at != '/')
        return false;
    while (*at == '/') {
        size_t len = strcspn(++at, "/");

        if (len > 0 && at[0] == '{') {
            if (len < 3 || at[len - 1] != '}' || memchr(at + 1, '{', len - 1) != NULL ||
                memchr(at, '}', len - 1) != NULL)
                return false;
            ++*params;
        } else if (strcspn(at, "{}?#% \t\r\n") < len) {
            return false;
        }
        at += len;
    }
    return *params <= HTTP_MAX_PARAMS;
}

static int array_insert(route_array_t *array, size_t at, http_route_t *route)
{
    http_route_t **grown = realloc(array->routes, (array->count + 1) * sizeof *grown);

    if (grown == NULL)
        return UV_ENOMEM;
    memmove(grown + at + 1, grown + at, (array->count - at) * sizeof *grown);
    grown[at] = route;
    array->routes = grown;
    array->count++;
    return 0;
}

int http_router_add(http_router_t *router, http_method_t method, const char *pattern,
                    http_native_fn native, void *arg)
{
    route_array_t *array;
    http_route_t  *route;
    unsigned       params;
    size_t         at;

    if (http_method_name(method) == NULL || !pattern_valid(pattern, &params))
        return UV_EINVAL;
    array = params == 0 ? &router->literals : &router->patterns;
    for (size_t i = 0; i < array->count; i++)
        if (array->routes[i]->method == method && strcmp(array->routes[i]->pattern, pattern) == 0)
            return UV_EEXIST;
    route = calloc(1, sizeof *route);
    if (route == NULL)
        return UV_ENOMEM;
    *route = (http_route_t){.method = method,
                            .pattern = strdup(pattern),
                            .pattern_len = strlen(pattern),
                            .literal = params == 0,
                            .native = native,
                            .arg = arg};
    at = params == 0 ? literal_lower_bound(router, pattern, route->pattern_len) : array->count;
    if (route->pattern == NULL || array_insert(array, at, route) != 0) {
        route_free(route);
        return UV_ENOMEM;
    }
    index_lengths(router);
    return 0;
}

/* ---- Matching -------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Every '%' is followed by two hex digits that aren't 00. */
static bool encoding_valid(http_slice_t path)
{
    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] != '%')
            continue;
        if (path.len - i < 3 || hex_value(path.data[i + 1]) < 0 || hex_value(path.data[i + 2]) < 0)
            return false;
        if (path.data[i + 1] == '0' && path.data[i + 2] == '0')
            return false;
        i += 2;
    }
    return true;
}

/* The next byte of a valid percent-encoded text, which is not at its end. */
static char decode_next(const char **at)
{
    char c = *(*at)++;

    if (c == '%') {
        c = (char)(hex_value((*at)[0]) * 16 + hex_value((*at)[1]));
        *at += 2;
    }
    return c;
}

/* Does the encoded segment decode to this text? */
static bool segment_equals(http_slice_t segment, const char *text, size_t len)
{
    const char *at = segment.data, *end = segment.data + segment.len;

    while (at < end && len > 0) {
        if (decode_next(&at) != *text)
            return false;
        text++;
        len--;
    }
    return at == end && len == 0;
}

static http_slice_t segment_at(http_slice_t path, size_t at)
{
    const char *stop = memchr(path.data + at, '/', path.len - at);

    return (http_slice_t){path.data + at,
                          (stop == NULL ? path.len : (size_t)(stop - path.data)) - at};
}

/* Walk pattern and path together; note where parameters are, still encoded, as offsets in path. */
static bool pattern_matches(const http_route_t *route, http_slice_t path, http_param_t *params,
                            uint8_t *count)
{
    http_slice_t pattern = {route->pattern, route->pattern_len};
    size_t       p = 0, q = 0;

    *count = 0;
    while (p < pattern.len && q < path.len) {
        http_slice_t want = segment_at(pattern, ++p), have = segment_at(path, ++q);

        if (want.len > 0 && want.data[0] == '{') {
            if (have.len == 0)
                return false;
            params[*count].name = (http_slice_t){want.data + 1, want.len - 2};
            params[*count].value_at = (uint32_t)q;
            params[*count].value_len = (uint32_t)have.len;
            ++*count;
        } else if (!segment_equals(have, want.data, want.len)) {
            return false;
        }
        p += want.len;
        q += have.len;
    }
    return p == pattern.len && q == path.len;
}

static bool serves_head(const http_route_t *route, const http_request_t *req)
{
    return req->method == HTTP_METHOD_HEAD && route->method == HTTP_METHOD_GET;
}

/* Decode the parameters, noted as offsets in the path, to the end of the head buffer. */
static int params_decode(http_request_t *req)
{
    for (unsigned i = 0; i < req->param_count; i++) {
        http_param_t *param = &req->params[i];
        const char   *at, *end;
        uint32_t      start = req->head_len;

        if (http_request_head_reserve(req, param->value_len) != 0)
            return UV_ENOMEM;
        at = req->head + req->path_at + param->value_at;
        end = at + param->value_len;
        while (at < end)
            req->head[req->head_len++] = decode_next(&at);
        param->value_at = start;
        param->value_len = req->head_len - start;
    }
    return 0;
}

/* The first of `array` that matches path and method; for HEAD, one of GET if none is of HEAD. */
static const http_route_t *match_by_segment(const route_array_t *array, http_request_t *req,
                                            http_slice_t path, bool *path_known)
{
    const http_route_t *by_get = NULL;

    for (size_t i = 0; i < array->count; i++) {
        const http_route_t *route = array->routes[i];

        if (!pattern_matches(route, path, req->params, &req->param_count))
            continue;
        *path_known = true;
        if (route->method == (http_method_t)req->method)
            return route;
        if (by_get == NULL && serves_head(route, req))
            by_get = route;
    }
    req->param_count = 0;
    if (by_get != NULL)
        pattern_matches(by_get, path, req->params, &req->param_count);
    return by_get;
}

static const http_route_t *match_literal(const http_router_t *router, http_request_t *req,
                                         http_slice_t path, bool *path_known)
{
    const route_array_t *literals = &router->literals;
    size_t               i = literal_lower_bound(router, path.data, path.len);
    const http_route_t  *by_get = NULL;

    for (; i < literals->count && compare_pattern(literals->routes[i], path.data, path.len) == 0;
         i++) {
        *path_known = true;
        if (literals->routes[i]->method == (http_method_t)req->method)
            return literals->routes[i];
        if (serves_head(literals->routes[i], req))
            by_get = literals->routes[i];
    }
    return by_get;
}

const http_route_t *http_router_match(const http_router_t *router, http_request_t *req,
                                      bool *path_known, int *err)
{
    http_slice_t        path = http_request_path(req);
    const http_route_t *route;

    *path_known = false;
    *err = 0;
    if (memchr(path.data, '%', path.len) == NULL) {
        route = match_literal(router, req, path, path_known);
    } else if (encoding_valid(path)) {
        route = match_by_segment(&router->literals, req, path, path_known);
    } else {
        *err = UV_EINVAL;
        return NULL;
    }
    if (route == NULL)
        route = match_by_segment(&router->patterns, req, path, path_known);
    if (route != NULL && req->param_count > 0)
        *err = params_decode(req);
    return *err == 0 ? route : NULL;
}

size_t http_router_allow(const http_router_t *router, http_request_t *req, char *buf, size_t cap)
{
    static const http_method_t methods[] = {
        HTTP_METHOD_GET, HTTP_METHOD_HEAD,   HTTP_METHOD_POST,
        HTTP_METHOD_PUT, HTTP_METHOD_DELETE, HTTP_METHOD_PATCH,
    };
    uint8_t asked = req->method;
    size_t  len = 0;

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        bool known;
        int  err;

        req->method = (uint8_t)methods[i];
        if (http_router_match(router, req, &known, &err) != NULL)
            len += (size_t)snprintf(buf + len, cap - len, "%s, ", http_method_name(methods[i]));
    }
    len += (size_t)snprintf(buf + len, cap - len, "OPTIONS");
    req->method = asked;
    return len;
}
