/*
 * Fuzz the router and percent-decoding. The input is text: its first line is a request, "GET
 * /users/7?n=1", every other line a route to add first, "GET /users/{id}". What the router finds is
 * compared with a second router, written below to be plain rather than fast: split, decode, compare.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "tests/fuzz/fuzz.h"

enum { MAX_ROUTES = 16, MAX_LINE = 1024 };

/* A path, cut at its slashes; decoded, if it is a request's. */
typedef struct {
    char         text[MAX_LINE];
    unsigned     count;
    http_slice_t segments[MAX_LINE]; /* of `text` */
} path_t;

typedef struct {
    int    method;
    char   pattern[MAX_LINE];
    bool   literal;
    path_t path;
} route_t;

static route_t      routes[MAX_ROUTES];
static unsigned     route_count;
static http_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    pool = http_pool_new();
    if (pool == NULL)
        abort();
    return 0;
}

static void fail(const char *what, const char *expected, const char *seen)
{
    fprintf(stderr, "%s\nexpected: %s\nseen: %s\nroutes:\n", what, expected, seen);
    for (unsigned i = 0; i < route_count; i++)
        fprintf(stderr, "  %s %s\n", http_method_name((http_method_t)routes[i].method),
                routes[i].pattern);
    abort();
}

/* ---- The plain router ------------------------------------------------------------------------ */

static int digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char       *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* Cut at the slashes, decode each part. Returns false for a broken encoding. */
static bool cut(path_t *path, const char *text, size_t len, bool decode)
{
    char *end = path->text;

    path->count = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '/') {
            path->segments[path->count++] = (http_slice_t){end, 0};
            continue;
        }
        if (c == '%' && decode) {
            if (len - i < 3 || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
                return false;
            c = (char)(16 * digit(text[i + 1]) + digit(text[i + 2]));
            if (c == '\0')
                return false;
            i += 2;
        }
        *end++ = c;
        path->segments[path->count - 1].len++;
    }
    return true;
}

/* The request's, whose text moves when its head grows: cut anew for each check. */
static bool cut_path(path_t *path, const http_request_t *req)
{
    http_slice_t text = http_request_path(req);

    return cut(path, text.data, text.len, true);
}

static bool is_parameter(const path_t *pattern, unsigned i)
{
    return pattern->segments[i].len > 0 && pattern->segments[i].data[0] == '{';
}

static bool matches(const route_t *route, const path_t *path)
{
    if (route->path.count != path->count)
        return false;
    for (unsigned i = 0; i < path->count; i++) {
        if (is_parameter(&route->path, i)) {
            if (path->segments[i].len == 0)
                return false;
        } else if (route->path.segments[i].len != path->segments[i].len ||
                   memcmp(route->path.segments[i].data, path->segments[i].data,
                          path->segments[i].len) != 0) {
            return false;
        }
    }
    return true;
}

/* Those with parameters, or those without: the first for the method; for HEAD, else one for GET. */
static const route_t *find_among(bool literal, const path_t *path, int method, bool *known)
{
    const route_t *by_get = NULL;

    for (unsigned i = 0; i < route_count; i++) {
        if (routes[i].literal != literal || !matches(&routes[i], path))
            continue;
        *known = true;
        if (routes[i].method == method)
            return &routes[i];
        if (by_get == NULL && method == HTTP_METHOD_HEAD && routes[i].method == HTTP_METHOD_GET)
            by_get = &routes[i];
    }
    return by_get;
}

static const route_t *find(const path_t *path, int method, bool *known)
{
    const route_t *route;

    *known = false;
    route = find_among(true, path, method, known);
    return route != NULL ? route : find_among(false, path, method, known);
}

/* ---- Input ----------------------------------------------------------------------------------- */

/* The next line, split at its first blank into a method and the rest; false at the end. */
static bool next_line(const char **at, const char *end, int *method, http_slice_t *rest)
{
    const char *line = *at, *stop, *blank;
    char        name[16] = "";

    if (line >= end)
        return false;
    stop = memchr(line, '\n', (size_t)(end - line));
    if (stop == NULL)
        stop = end;
    *at = stop + 1;
    blank = memchr(line, ' ', (size_t)(stop - line));
    *rest = blank == NULL ? (http_slice_t){stop, 0}
                          : (http_slice_t){blank + 1, (size_t)(stop - blank - 1)};
    if (blank != NULL && (size_t)(blank - line) < sizeof name)
        memcpy(name, line, (size_t)(blank - line));
    *method = http_method_from_name(name);
    return true;
}

/* One more route, to both routers. */
static void add_route(http_router_t *router, int method, http_slice_t pattern)
{
    route_t *route = &routes[route_count];
    int      err, expected = 0;

    if (method < 0 || pattern.len >= MAX_LINE || route_count == MAX_ROUTES)
        return;
    memcpy(route->pattern, pattern.data, pattern.len);
    route->pattern[pattern.len] = '\0';
    for (unsigned i = 0; i < route_count; i++)
        if (routes[i].method == method && strcmp(routes[i].pattern, route->pattern) == 0)
            expected = UV_EEXIST;
    err = http_router_add(router, (http_method_t)method, route->pattern, NULL, route);
    if (err == UV_EINVAL && expected == 0)
        return; /* no pattern: the rule has its table of cases in the unit tests */
    if (err != expected)
        fail("http_router_add()", expected == 0 ? "success" : "UV_EEXIST", uv_strerror(err));
    if (err != 0)
        return;
    route->method = method;
    route->literal = strchr(route->pattern, '{') == NULL;
    cut(&route->path, route->pattern, strlen(route->pattern), false);
    route_count++;
}

static http_request_t *make_request(int method, http_slice_t target)
{
    http_request_t *req = http_pool_take(pool);
    const char     *query = memchr(target.data, '?', target.len);
    size_t          path_len = query == NULL ? target.len : (size_t)(query - target.data);

    if (req == NULL || http_request_head_append(req, target.data, target.len) != 0)
        abort();
    req->method = (uint8_t)method;
    req->target_len = (uint32_t)target.len;
    req->path_len = (uint32_t)path_len;
    if (query != NULL) {
        req->query_at = (uint32_t)path_len + 1;
        req->query_len = (uint32_t)(target.len - path_len - 1);
    }
    return req;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

static void check_params(const http_request_t *req, const route_t *route, const path_t *path)
{
    unsigned param = 0;

    for (unsigned i = 0; i < path->count; i++) {
        http_slice_t value;

        if (!is_parameter(&route->path, i))
            continue;
        if (param == req->param_count)
            fail("parameters", "one more", "too few");
        value = http_request_param(req, param++);
        if (value.len != path->segments[i].len ||
            memcmp(value.data, path->segments[i].data, value.len) != 0)
            fail("a parameter's value", "what the plain router decodes", "another");
    }
    if (param != req->param_count)
        fail("parameters", "no more", "too many");
}

static void check_match(const http_router_t *router, http_request_t *req)
{
    static path_t       path;
    bool                encoded = cut_path(&path, req);
    bool                known, expected_known = false;
    int                 err;
    const http_route_t *route = http_router_match(router, req, &known, &err);
    const route_t      *expected = encoded ? find(&path, req->method, &expected_known) : NULL;

    if (!encoded) {
        if (err != UV_EINVAL || route != NULL)
            fail("a broken encoding", "UV_EINVAL", err == 0 ? "success" : uv_strerror(err));
        return;
    }
    if (err != 0 || (route == NULL ? NULL : route->arg) != expected)
        fail("http_router_match()", expected == NULL ? "nothing" : expected->pattern,
             err != 0        ? uv_strerror(err)
             : route == NULL ? "nothing"
                             : route->pattern);
    if (known != expected_known && expected == NULL)
        fail("is there another method for the path", expected_known ? "yes" : "no",
             known ? "yes" : "no");
    if (expected != NULL)
        check_params(req, expected, &path);
}

/* Allow names a method exactly if that method finds a route. */
static void check_allow(const http_router_t *router, http_request_t *req)
{
    static path_t path;
    char          allow[64];
    size_t        len = http_router_allow(router, req, allow, sizeof allow);

    if (len != strlen(allow))
        fail("Allow's length", "that of its text", allow);
    if (!cut_path(&path, req))
        return;
    for (int method = 0; method <= HTTP_METHOD_PATCH; method++) {
        const char *name = http_method_name((http_method_t)method);
        bool        known, found;

        if (name == NULL || method == HTTP_METHOD_OPTIONS)
            continue;
        found = find(&path, method, &known) != NULL;
        if (found != (strstr(allow, name) != NULL))
            fail(name, found ? "allowed" : "not allowed", allow);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char     *at = (const char *)data, *end = at + size;
    http_router_t  *router;
    http_request_t *req;
    http_slice_t    target, pattern;
    int             method, other;
    long            n;

    if (!next_line(&at, end, &method, &target) || method < 0 || target.len == 0 ||
        target.len >= MAX_LINE || target.data[0] != '/')
        return 0;
    router = http_router_new();
    if (router == NULL)
        abort();
    for (route_count = 0; next_line(&at, end, &other, &pattern);)
        add_route(router, other, pattern);
    req = make_request(method, target);
    check_match(router, req);
    check_allow(router, req);
    if (http_request_query_int(req, "n", 5, -10, 1000, &n) && (n < -10 || n > 1000))
        fail("?n=", "-10..1000", "another number");
    http_request_unref(req);
    http_router_free(router);
    return 0;
}
