/*
 * common/http/router.c: which patterns are routes, and which route a path finds. Requests are made
 * by hand; what the server answers to a miss is tested in test_answers.c.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"

typedef struct {
    http_method_t method;
    const char   *pattern;
} route_t;

/* Each route's argument is its number in `routes`, from 1. */
static http_router_t *router_of(const route_t *routes, size_t count)
{
    http_router_t *router = http_router_new();

    cr_assert(router != NULL);
    for (size_t i = 0; i < count; i++) {
        int err =
            http_router_add(router, routes[i].method, routes[i].pattern, NULL, (void *)(i + 1));

        cr_assert(err == 0, "%s: %s", routes[i].pattern, uv_strerror(err));
    }
    return router;
}

#define ROUTER_OF(routes) router_of(routes, sizeof(routes) / sizeof(routes)[0])

typedef struct {
    http_method_t method;
    const char   *path;
    const char   *found;  /* the route's pattern, NULL if none */
    const char   *params; /* "name=value;" of each, in order */
} match_case_t;

static http_request_t *request_for(http_pool_t *pool, http_method_t method, const char *path)
{
    http_request_t *req = http_pool_take(pool);

    cr_assert(req != NULL);
    cr_assert(http_request_head_append(req, path, strlen(path)) == 0);
    req->method = (uint8_t)method;
    req->target_len = req->path_len = (uint32_t)strlen(path);
    return req;
}

static void print_params(const http_request_t *req, char *buf, size_t cap)
{
    size_t len = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < req->param_count && len < cap; i++) {
        http_slice_t value = http_request_param(req, i);

        len += (size_t)snprintf(buf + len, cap - len, "%.*s=%.*s;", (int)req->params[i].name.len,
                                req->params[i].name.data, (int)value.len, value.data);
    }
}

static void run_match(const http_router_t *router, http_pool_t *pool, const match_case_t *c)
{
    http_request_t     *req = request_for(pool, c->method, c->path);
    bool                known;
    int                 err;
    const http_route_t *route = http_router_match(router, req, &known, &err);
    char                params[512];

    print_params(req, params, sizeof params);
    cr_expect(err == 0, "%s %s: %s", http_method_name(c->method), c->path, uv_strerror(err));
    cr_expect((route == NULL) == (c->found == NULL) &&
                  (route == NULL || strcmp(route->pattern, c->found) == 0),
              "%s %s: expected %s, seen %s", http_method_name(c->method), c->path,
              c->found == NULL ? "no route" : c->found,
              route == NULL ? "no route" : route->pattern);
    cr_expect(strcmp(params, c->params) == 0, "%s %s: expected parameters \"%s\", seen \"%s\"",
              http_method_name(c->method), c->path, c->params, params);
    http_request_unref(req);
}

static void run_matches(http_router_t *router, const match_case_t *cases, size_t count)
{
    http_pool_t *pool = http_pool_new();

    cr_assert(pool != NULL);
    for (size_t i = 0; i < count; i++)
        run_match(router, pool, &cases[i]);
    http_pool_close(pool);
    http_router_free(router);
}

#define RUN_MATCHES(router, cases) run_matches(router, cases, sizeof(cases) / sizeof(cases)[0])

#define GET  HTTP_METHOD_GET
#define POST HTTP_METHOD_POST
#define HEAD HTTP_METHOD_HEAD

Test(http_router, a_literal_matches_itself_only)
{
    static const route_t routes[] = {
        {GET, "/"},
        {GET, "/a"},
        {GET, "/b"},
        {GET, "/a/b"},
        {GET, "/a/"},
        {GET, "/abc"},
        {GET, "/!$&'()*+,;=:@-._~"},
    };
    static const match_case_t cases[] = {
        {GET, "/", "/", ""},       {GET, "/a", "/a", ""},
        {GET, "/b", "/b", ""},     {GET, "/a/", "/a/", ""},
        {GET, "/a/b", "/a/b", ""}, {GET, "/abc", "/abc", ""},
        {GET, "/c", NULL, ""},     {GET, "/A", NULL, ""},
        {GET, "/ab", NULL, ""},    {GET, "/abcd", NULL, ""},
        {GET, "//a", NULL, ""},    {GET, "/a//b", NULL, ""},
        {GET, "/a/b/", NULL, ""},  {GET, "//", NULL, ""},
        {GET, "", NULL, ""},       {GET, "/!$&'()*+,;=:@-._~", "/!$&'()*+,;=:@-._~", ""},
    };

    RUN_MATCHES(ROUTER_OF(routes), cases);
}

Test(http_router, a_parameter_matches_one_segment_that_is_not_empty)
{
    static const route_t routes[] = {
        {GET, "/users/{id}"},
        {GET, "/users/{id}/posts/{post}"},
        {GET, "/{top}"},
        {GET, "/{dir}/"},
    };
    static const match_case_t cases[] = {
        {GET, "/users/7", "/users/{id}", "id=7;"},
        {GET, "/users/a.b-c~d", "/users/{id}", "id=a.b-c~d;"},
        {GET, "/users/7/posts/x", "/users/{id}/posts/{post}", "id=7;post=x;"},
        {GET, "/users/{id}", "/users/{id}", "id={id};"},
        {GET, "/users", "/{top}", "top=users;"},
        {GET, "/users/", "/{dir}/", "dir=users;"},
        {GET, "/users//posts/x", NULL, ""},
        {GET, "/users/7/", NULL, ""},
        {GET, "/users/7/posts", NULL, ""},
        {GET, "/users/7/posts/", NULL, ""},
        {GET, "/users/7/posts/x/y", NULL, ""},
        {GET, "/users/7/Posts/x", NULL, ""},
        {GET, "/", NULL, ""},
        {GET, "//", NULL, ""},
    };

    RUN_MATCHES(ROUTER_OF(routes), cases);
}

Test(http_router, a_literal_wins_over_a_parameter_whatever_the_order)
{
    static const route_t routes[] = {
        {GET, "/users/{id}"}, {GET, "/users/me"}, {POST, "/users/{id}"},
        {GET, "/{a}/x"},      {GET, "/users/x"},
    };
    static const match_case_t cases[] = {
        {GET, "/users/me", "/users/me", ""},
        {GET, "/users/m%65", "/users/me", ""},
        {GET, "/users/you", "/users/{id}", "id=you;"},
        {POST, "/users/me", "/users/{id}", "id=me;"},
        {GET, "/users/x", "/users/x", ""},
        {GET, "/other/x", "/{a}/x", "a=other;"},
    };

    RUN_MATCHES(ROUTER_OF(routes), cases);
}

Test(http_router, of_two_with_parameters_the_one_added_first_wins)
{
    static const route_t routes[] = {
        {GET, "/{a}/{b}"},
        {GET, "/{a}/x"},
        {POST, "/y/{b}"},
        {POST, "/{a}/{b}"},
    };
    static const match_case_t cases[] = {
        {GET, "/1/x", "/{a}/{b}", "a=1;b=x;"},
        {POST, "/y/2", "/y/{b}", "b=2;"},
        {POST, "/z/2", "/{a}/{b}", "a=z;b=2;"},
    };

    RUN_MATCHES(ROUTER_OF(routes), cases);
}

Test(http_router, escapes_are_decoded_segment_by_segment)
{
    static const route_t routes[] = {
        {GET, "/users/{id}"},
        {GET, "/a/b"},
        {GET, "/caf\xc3\xa9"},
        {GET, "/{x}/{y}"},
    };
    static const match_case_t cases[] = {
        {GET, "/users/%41%7e", "/users/{id}", "id=A~;"},
        {GET, "/%75sers/1", "/users/{id}", "id=1;"},
        {GET, "/users/a%2Fb", "/users/{id}", "id=a/b;"},
        {GET, "/users/a%2fb", "/users/{id}", "id=a/b;"},
        {GET, "/users/%252F", "/users/{id}", "id=%2F;"},
        {GET, "/users/a+b", "/users/{id}", "id=a+b;"},
        {GET, "/users/%01%ff%20", "/users/{id}", "id=\x01\xff ;"},
        {GET, "/a%2Fb", NULL, ""},
        {GET, "/%61/%62", "/a/b", ""},
        {GET, "/caf%C3%A9", "/caf\xc3\xa9", ""},
        {GET, "/p%2F/q%2F", "/{x}/{y}", "x=p/;y=q/;"},
    };

    RUN_MATCHES(ROUTER_OF(routes), cases);
}

Test(http_router, a_broken_escape_is_an_error_not_a_miss)
{
    static const route_t     routes[] = {{GET, "/users/{id}"}};
    static const char *const paths[] = {"/users/%",    "/users/%4",  "/users/%zz",   "/users/%4g",
                                        "/users/%g4",  "/users/%00", "/users/a%00b", "/%",
                                        "/users/%%41", "/users/%-1"};
    http_router_t           *router = ROUTER_OF(routes);
    http_pool_t             *pool = http_pool_new();

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        http_request_t *req = request_for(pool, GET, paths[i]);
        bool            known;
        int             err = 0;

        cr_expect(http_router_match(router, req, &known, &err) == NULL && err == UV_EINVAL,
                  "%s: expected %d, seen %d", paths[i], UV_EINVAL, err);
        http_request_unref(req);
    }
    http_pool_close(pool);
    http_router_free(router);
}

Test(http_router, get_serves_head)
{
    static const route_t      routes[] = {{GET, "/a"}, {POST, "/b"}, {GET, "/{x}/y"}};
    static const match_case_t cases[] = {
        {HEAD, "/a", "/a", ""}, {HEAD, "/b", NULL, ""}, {HEAD, "/z/y", "/{x}/y", "x=z;"}};

    RUN_MATCHES(ROUTER_OF(routes), cases);
}

Test(http_router, a_route_of_head_serves_head_whatever_the_order)
{
    static const struct {
        route_t     routes[3];
        const char *path, *params;
    } cases[] = {
        {{{GET, "/a"}, {HEAD, "/a"}, {POST, "/a"}}, "/a", ""},
        {{{HEAD, "/a"}, {GET, "/a"}, {POST, "/a"}}, "/a", ""},
        {{{GET, "/a"}, {HEAD, "/a"}, {POST, "/a"}}, "/%61", ""},
        {{{GET, "/{x}"}, {HEAD, "/{x}"}, {POST, "/{x}"}}, "/b", "x=b;"},
        {{{HEAD, "/{x}"}, {GET, "/{x}"}, {POST, "/{x}"}}, "/b", "x=b;"},
    };
    http_pool_t *pool = http_pool_new();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        http_router_t      *router = ROUTER_OF(cases[i].routes);
        http_request_t     *req = request_for(pool, HEAD, cases[i].path);
        bool                known;
        int                 err;
        const http_route_t *route = http_router_match(router, req, &known, &err);
        char                params[64] = "";

        cr_assert(route != NULL && route->method == HEAD, "case %zu: %s", i,
                  route == NULL ? "no route" : http_method_name(route->method));
        print_params(req, params, sizeof params);
        cr_assert_str_eq(params, cases[i].params);
        http_request_unref(req);
        http_router_free(router);
    }
    http_pool_close(pool);
}

Test(http_router, names_the_methods_of_a_path)
{
    static const route_t routes[] = {
        {GET, "/a"},
        {POST, "/a"},
        {HTTP_METHOD_PUT, "/{x}"},
        {HTTP_METHOD_DELETE, "/b/{y}"},
        {HTTP_METHOD_PATCH, "/b/{y}"},
    };
    static const struct {
        const char *path, *allow;
    } cases[] = {
        {"/a", "GET, HEAD, POST, PUT, OPTIONS"},
        {"/%61", "GET, HEAD, POST, PUT, OPTIONS"},
        {"/other", "PUT, OPTIONS"},
        {"/b/1", "DELETE, PATCH, OPTIONS"},
    };
    http_router_t *router = ROUTER_OF(routes);
    http_pool_t   *pool = http_pool_new();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        http_request_t *req = request_for(pool, HTTP_METHOD_OPTIONS, cases[i].path);
        char            allow[64];
        size_t          len = http_router_allow(router, req, allow, sizeof allow);
        bool            known;
        int             err;

        cr_expect(strcmp(allow, cases[i].allow) == 0 && len == strlen(allow),
                  "%s: expected \"%s\", seen \"%s\" (%zu)", cases[i].path, cases[i].allow, allow,
                  len);
        cr_expect(req->method == HTTP_METHOD_OPTIONS, "%s: the method has changed", cases[i].path);
        cr_expect(http_router_match(router, req, &known, &err) == NULL && known && err == 0,
                  "%s: the path should be known", cases[i].path);
        http_request_unref(req);
    }
    http_pool_close(pool);
    http_router_free(router);
}

Test(http_router, refuses_what_is_no_pattern)
{
    static const char *const patterns[] = {
        "",
        "a",
        "a/b",
        "{x}",
        "*",
        "/{}",
        "/{x",
        "/x}",
        "/{x}y",
        "/y{x}",
        "/{x}{y}",
        "/{{x}}",
        "/{x}/{",
        "/{x}}",
        "/a{b}c",
        "/{a{b}",
        "/a?b",
        "/a#b",
        "/a b",
        "/a\tb",
        "/a\r\nb",
        "/%41",
        "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}",
    };
    http_router_t *router = http_router_new();

    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        int err = http_router_add(router, GET, patterns[i], NULL, NULL);

        cr_expect(err == UV_EINVAL, "\"%s\": expected %d, seen %d", patterns[i], UV_EINVAL, err);
    }
    cr_expect(http_router_add(router, (http_method_t)5, "/a", NULL, NULL) == UV_EINVAL,
              "a method that isn't served was taken");
    http_router_free(router);
}

Test(http_router, takes_as_many_parameters_as_it_says)
{
    static const route_t      routes[] = {{GET, "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}"}};
    static const match_case_t cases[] = {
        {GET, "/1/2/3/4/5/6/7/8", "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}",
         "a=1;b=2;c=3;d=4;e=5;f=6;g=7;h=8;"},
        {GET, "/1/2/3/4/5/6/7", NULL, ""},
        {GET, "/1/2/3/4/5/6/7/8/9", NULL, ""},
    };

    RUN_MATCHES(ROUTER_OF(routes), cases);
}

Test(http_router, refuses_the_same_route_twice)
{
    static const struct {
        http_method_t method;
        const char   *pattern;
        int           err;
    } cases[] = {{GET, "/a", 0},
                 {GET, "/{x}", 0},
                 {POST, "/a", 0}, /* another method: another route */
                 {GET, "/a", UV_EEXIST},
                 {GET, "/{x}", UV_EEXIST}};
    http_router_t *router = http_router_new();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int err = http_router_add(router, cases[i].method, cases[i].pattern, NULL, NULL);

        cr_expect(err == cases[i].err, "%zu: %s: expected %d, seen %d", i, cases[i].pattern,
                  cases[i].err, err);
    }
    http_router_free(router);
}

/* Literal routes are indexed by length up to a bound; whatever lies beyond must be found as well. */
Test(http_router, finds_literals_of_every_length)
{
    enum { LENGTHS = 200 };
    http_router_t *router = http_router_new();
    http_pool_t   *pool = http_pool_new();
    char           path[LENGTHS + 3];

    for (size_t len = LENGTHS; len >= 2;
         len--) { /* added from long to short: each goes to the front */
        for (char last = 'z'; last >= 'x'; last--) {
            snprintf(path, sizeof path, "/%0*d%c", (int)len - 1, 0, last);
            cr_assert(http_router_add(router, GET, path, NULL, NULL) == 0);
        }
    }
    for (size_t len = 2; len <= LENGTHS + 1; len++) {
        for (int last = 'w'; last <= 'z'; last++) {
            bool         there = last != 'w' && len <= LENGTHS;
            match_case_t c = {GET, path, there ? path : NULL, ""};

            snprintf(path, sizeof path, "/%0*d%c", (int)len - 1, 0, last);
            run_match(router, pool, &c);
        }
    }
    http_pool_close(pool);
    http_router_free(router);
}

/* A decoded parameter is put behind the head, which may have to move for it. */
Test(http_router, a_long_parameter_survives_the_move_of_its_buffer)
{
    static const route_t routes[] = {{GET, "/{a}/{b}"}};
    http_router_t       *router = ROUTER_OF(routes);
    http_pool_t         *pool = http_pool_new();

    for (int len = 100; len <= 1000; len += 50) {
        char         path[2100], params[2100];
        match_case_t c = {GET, path, "/{a}/{b}", params};

        snprintf(path, sizeof path, "/%0*d/%%41%0*d", len, 1, len, 2);
        snprintf(params, sizeof params, "a=%0*d;b=A%0*d;", len, 1, len, 2);
        http_request_t *req = request_for(pool, GET, path);
        char            seen[2100];
        bool            known;
        int             err;

        cr_expect(http_router_match(router, req, &known, &err) != NULL && err == 0);
        print_params(req, seen, sizeof seen);
        cr_expect(strcmp(seen, c.params) == 0, "%s: expected %s, seen %s", path, c.params, seen);
        http_request_unref(req);
    }
    http_pool_close(pool);
    http_router_free(router);
}
