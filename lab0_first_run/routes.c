/*
 * Lab 0: a route in C. Its function runs on the HTTP thread, in the middle of libuv's loop: no
 * Python, no other thread, and it must not wait.
 */
#include "lab0_first_run/routes.h"

#include <stdio.h>

enum { LARGEST = 1000000 };

/*
 * GET /c/add?a=2&b=3: {"sum":5}. A number that isn't there is 0; one that is no integer, or lies
 * outside -LARGEST..LARGEST, is a 400.
 */
static void on_add(void *arg, http_request_t *req)
{
    (void)arg;
    /* LAB 0, STEP 3 { both numbers from the query; their sum as JSON, or 400 */
    static const char json[] = "application/json";
    char              text[32];
    long              a, b;
    int               len;

    if (!http_request_query_int(req, "a", 0, -LARGEST, LARGEST, &a) ||
        !http_request_query_int(req, "b", 0, -LARGEST, LARGEST, &b)) {
        http_respond_transfer(req, http_response_of_status(400));
        return;
    }
    len = snprintf(text, sizeof text, "{\"sum\":%ld}", a + b);
    http_respond_transfer(req, http_response_new(200, json, text, (size_t)len));
    /* } LAB 0, STEP 3; until then:
     *     http_respond_transfer(req, http_response_of_status(501));
     */
}

int routes_add(http_router_t *router)
{
    return http_router_add(router, HTTP_METHOD_GET, "/c/add", on_add, NULL);
}
