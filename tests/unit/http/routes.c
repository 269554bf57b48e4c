/* The routes of the tests: see routes.h. */
#include "tests/unit/http/routes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The router keeps a void pointer; a function pointer travels in a struct. */
typedef struct {
    routes_handler_t run;
} handler_t;

/* A growing text. */
typedef struct {
    char  *data;
    size_t len;
} text_t;

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void add(text_t *text, const char *label, http_slice_t value)
{
    size_t label_len = strlen(label);

    text->data = must(realloc(text->data, text->len + label_len + value.len + 1));
    memcpy(text->data + text->len, label, label_len);
    if (value.len > 0)
        memcpy(text->data + text->len + label_len, value.data, value.len);
    text->len += label_len + value.len;
    text->data[text->len] = '\0';
}

/*
 * "GET /echo/1/2?x=y HTTP/1.1", then lines "path=...", "query=...", "param NAME=...", "field
 * NAME=...", and at last "body=...".
 */
static text_t describe(const http_request_t *req)
{
    text_t       text = {0};
    http_slice_t version = {req->version_minor == 0 ? "0" : "1", 1};

    add(&text, http_method_name(req->method), (http_slice_t){" ", 1});
    add(&text, "", http_request_target(req));
    add(&text, " HTTP/1.", version);
    add(&text, "\npath=", http_request_path(req));
    add(&text, "\nquery=", http_request_query(req));
    for (unsigned i = 0; i < req->param_count; i++) {
        add(&text, "\nparam ", req->params[i].name);
        add(&text, "=", http_request_param(req, i));
    }
    for (unsigned i = 0; i < req->field_count; i++) {
        add(&text, "\nfield ", http_request_field_name(req, i));
        add(&text, "=", http_request_field_value(req, i));
    }
    add(&text, "\nbody=", http_request_body(req));
    return text;
}

static void echo(void *owner, http_request_t *req)
{
    text_t text = describe(req);

    (void)owner;
    http_respond_transfer(req, http_response_new(200, "text/plain", text.data, text.len));
    free(text.data);
}

char routes_pattern(size_t i)
{
    return (char)('!' + i % 89);
}

static long number_param(const http_request_t *req)
{
    char         digits[24] = "";
    http_slice_t param = http_request_param(req, 0);

    memcpy(digits, param.data, param.len < sizeof digits - 1 ? param.len : sizeof digits - 1);
    return strtol(digits, NULL, 10);
}

static void size(void *owner, http_request_t *req)
{
    size_t len = (size_t)number_param(req);
    char  *body = must(malloc(len + 1));

    (void)owner;
    for (size_t i = 0; i < len; i++)
        body[i] = routes_pattern(i);
    http_respond_transfer(req, http_response_new(200, NULL, body, len));
    free(body);
}

void routes_respond(http_request_t *req, int status, const char *body)
{
    http_respond_transfer(req, http_response_new(status, "text/plain", body, strlen(body)));
}

static void status(void *owner, http_request_t *req)
{
    (void)owner;
    routes_respond(req, (int)number_param(req), "body");
}

static void null(void *owner, http_request_t *req)
{
    (void)owner;
    http_respond_transfer(req, NULL);
}

void routes_on_ready(void *owner, http_request_list_t *ready)
{
    http_request_t *req;

    while ((req = http_request_list_pop(ready)) != NULL)
        ((const handler_t *)req->route_arg)->run(owner, req);
}

static void route(http_router_t *router, http_method_t method, const char *pattern,
                  handler_t *handler)
{
    if (http_router_add(router, method, pattern, NULL, handler) != 0)
        abort();
}

static void route_all(http_router_t *router, const char *pattern, handler_t *handler)
{
    static const http_method_t methods[] = {
        HTTP_METHOD_GET, HTTP_METHOD_POST, HTTP_METHOD_PUT, HTTP_METHOD_DELETE, HTTP_METHOD_PATCH,
    };

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        route(router, methods[i], pattern, handler);
}

http_router_t *routes_new(routes_handler_t on_park)
{
    static handler_t echo_handler = {echo}, size_handler = {size}, status_handler = {status},
                     null_handler = {null}, park_handler;
    http_router_t *router = must(http_router_new());

    park_handler.run = on_park;
    route_all(router, "/echo", &echo_handler);
    route_all(router, "/echo/{first}/{second}", &echo_handler);
    route(router, HTTP_METHOD_GET, "/only/get", &echo_handler);
    route(router, HTTP_METHOD_POST, "/only/post", &echo_handler);
    route(router, HTTP_METHOD_GET, "/size/{bytes}", &size_handler);
    route(router, HTTP_METHOD_GET, "/status/{status}", &status_handler);
    route(router, HTTP_METHOD_GET, "/null", &null_handler);
    if (on_park != NULL)
        route_all(router, "/park/{name}", &park_handler);
    if (http_router_add(router, HTTP_METHOD_GET, "/native/echo", echo, NULL) != 0)
        abort();
    return router;
}
