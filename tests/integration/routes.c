/*
 * The contract of the bundled apps and of the labs' own routes: one table of requests and answers,
 * byte for byte, that every lab passes. One keep-alive connection carries the whole table, so a
 * case also fails if the one before left bytes behind.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(routes, .fini = lab_processes_end, .timeout = 150);

#define TEXT        "text/plain; charset=utf-8"
#define JSON        "application/json"
#define BINARY      "application/octet-stream"
#define HOST        " HTTP/1.1\r\nHost: test\r\n"
#define GET(target) "GET " target HOST "\r\n"

typedef struct {
    const char *name, *request; /* the request's bytes */
    int         status;
    const char *type, *body;   /* type NULL: no Content-Type may be there */
    const char *field, *value; /* one more field; value NULL: it may not be there */
} route_case_t;

static const route_case_t cases[] = {
    {"hello", GET("/"), 200, TEXT, "Hello, World!", "Content-Length", "13"},
    {"hello with a query", GET("/?a=b"), 200, TEXT, "Hello, World!", "Connection", NULL},
    {"hello in absolute form", GET("http://test/"), 200, TEXT, "Hello, World!", "Transfer-Encoding",
     NULL},
    {"HEAD of hello", "HEAD /" HOST "\r\n", 200, TEXT, "", "Content-Length", "13"},
    {"json", GET("/json"), 200, JSON, "{\"message\":\"Hello, World!\"}", "Content-Length", "27"},

    {"user", GET("/users/7"), 200, JSON, "{\"user_id\":\"7\",\"query\":{}}", NULL, NULL},
    {"user with a query", GET("/users/7?b=2&a=1"), 200, JSON,
     "{\"user_id\":\"7\",\"query\":{\"b\":\"2\",\"a\":\"1\"}}", NULL, NULL},
    {"percent-encoding", GET("/users/a%20b%2Fc%3f?q=%26%3D+x"), 200, JSON,
     "{\"user_id\":\"a b/c?\",\"query\":{\"q\":\"&= x\"}}", NULL, NULL},
    {"a plus is a plus in a path", GET("/users/a+b"), 200, JSON,
     "{\"user_id\":\"a+b\",\"query\":{}}", NULL, NULL},
    {"UTF-8", GET("/users/%C3%A4%E2%82%AC%F0%9F%90%8D?k=%C3%BC"), 200, JSON,
     "{\"user_id\":\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\x8D\",\"query\":{\"k\":\"\xC3\xBC\"}}", NULL,
     NULL},
    {"bytes that are no UTF-8", GET("/users/%FFx"), 200, JSON,
     "{\"user_id\":\"\xEF\xBF\xBDx\",\"query\":{}}", NULL, NULL},
    {"characters that JSON escapes", GET("/users/%22%5C%0A"), 200, JSON,
     "{\"user_id\":\"\\\"\\\\\\n\",\"query\":{}}", NULL, NULL},
    {"query without values", GET("/users/7?a&b="), 200, JSON,
     "{\"user_id\":\"7\",\"query\":{\"a\":\"\",\"b\":\"\"}}", NULL, NULL},
    {"the last of equal names", GET("/users/7?a=1&a=2"), 200, JSON,
     "{\"user_id\":\"7\",\"query\":{\"a\":\"2\"}}", NULL, NULL},
    {"empty parameter", GET("/users/"), 404, TEXT, "404 Not Found\n", NULL, NULL},

    {"echo", "POST /echo" HOST "Content-Type: text/csv\r\nContent-Length: 7\r\n\r\n1,2\r\n,3", 200,
     "text/csv", "1,2\r\n,3", NULL, NULL},
    {"echo in chunks",
     "POST /echo" HOST
     "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n",
     200, BINARY, "hello, world", "Content-Length", "12"},
    {"echo of nothing", "POST /echo" HOST "Content-Length: 0\r\n\r\n", 200, BINARY, "",
     "Content-Length", "0"},
    {"echo without a length", "POST /echo" HOST "\r\n", 200, BINARY, "", "Content-Length", "0"},
    {"echo of empty chunks", "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200,
     BINARY, "", NULL, NULL},

    {"wait", GET("/wait?ms=5"), 200, JSON, "{\"waited_ms\":5}", NULL, NULL},
    {"wait for nothing", GET("/wait"), 200, JSON, "{\"waited_ms\":0}", NULL, NULL},
    {"wait for a word", GET("/wait?ms=x"), 400, TEXT, "ms is a number in 0..60000\n", NULL, NULL},
    {"wait too long", GET("/wait?ms=60001"), 400, TEXT, "ms is a number in 0..60000\n", NULL, NULL},
    {"wait for less than nothing", GET("/wait?ms=-1"), 400, TEXT, "ms is a number in 0..60000\n",
     NULL, NULL},

    {"cpu", GET("/cpu?n=1000"), 200, JSON, "{\"n\":1000,\"primes\":168}", NULL, NULL},
    {"cpu in C", GET("/native/cpu?n=1000"), 200, JSON, "{\"n\":1000,\"primes\":168}", NULL, NULL},
    {"cpu of nothing", GET("/cpu"), 200, JSON, "{\"n\":0,\"primes\":0}", NULL, NULL},
    {"cpu in C of nothing", GET("/native/cpu"), 200, JSON, "{\"n\":0,\"primes\":0}", NULL, NULL},
    {"cpu of a word", GET("/cpu?n=1e3"), 400, TEXT, "n is a number in 0..1000000\n", NULL, NULL},
    {"cpu in C of a word", GET("/native/cpu?n=1e3"), 400, TEXT, "n is a number in 0..1000000\n",
     NULL, NULL},
    {"cpu beyond its limit", GET("/cpu?n=1000001"), 400, TEXT, "n is a number in 0..1000000\n",
     NULL, NULL},
    {"cpu in C beyond its limit", GET("/native/cpu?n=1000001"), 400, TEXT,
     "n is a number in 0..1000000\n", NULL, NULL},

    {"native", GET("/native"), 200, TEXT, "Hello, World!", "Content-Length", "13"},
    {"HEAD of native", "HEAD /native" HOST "\r\n", 200, TEXT, "", "Content-Length", "13"},
    {"stream", GET("/native/stream?chunks=3&size=2"), 200, TEXT, "xxxxxx", "Transfer-Encoding",
     "chunked"},
    {"stream of nothing", GET("/native/stream?chunks=0"), 200, TEXT, "", "Content-Length", NULL},
    {"HEAD of stream", "HEAD /native/stream" HOST "\r\n", 200, TEXT, "", "Content-Length", NULL},
    {"stream of no size", GET("/native/stream?size=0"), 400, TEXT,
     "chunks is a number in 0..100000, size one in 1..65536\n", NULL, NULL},

    {"error", GET("/error"), 500, TEXT, "500 Internal Server Error\n", NULL, NULL},
    {"nowhere", GET("/nowhere"), 404, TEXT, "404 Not Found\n", NULL, NULL},
    {"HEAD of nowhere", "HEAD /nowhere" HOST "\r\n", 404, TEXT, "", "Content-Length", "14"},
    {"paths are case-sensitive", GET("/JSON"), 404, TEXT, "404 Not Found\n", NULL, NULL},
    {"a slash too many", GET("/json/"), 404, TEXT, "404 Not Found\n", NULL, NULL},
    {"POST to hello", "POST /" HOST "Content-Length: 3\r\n\r\nabc", 405, TEXT,
     "405 Method Not Allowed\n", "Allow", "GET, HEAD, OPTIONS"},
    {"GET of echo", GET("/echo"), 405, TEXT, "405 Method Not Allowed\n", "Allow", "POST, OPTIONS"},
    {"POST to native", "POST /native" HOST "Content-Length: 0\r\n\r\n", 405, TEXT,
     "405 Method Not Allowed\n", "Allow", "GET, HEAD, OPTIONS"},
    {"OPTIONS of hello", "OPTIONS /" HOST "\r\n", 204, NULL, "", "Allow", "GET, HEAD, OPTIONS"},
    {"OPTIONS of echo", "OPTIONS /echo" HOST "\r\n", 204, NULL, "", "Allow", "POST, OPTIONS"},
    {"OPTIONS of the server", "OPTIONS *" HOST "\r\n", 204, NULL, "", "Content-Length", NULL},
    {"OPTIONS of nowhere", "OPTIONS /nowhere" HOST "\r\n", 404, TEXT, "404 Not Found\n", NULL,
     NULL},
};

static bool same(const char *seen, const char *expected)
{
    return seen == NULL || expected == NULL ? seen == expected : strcmp(seen, expected) == 0;
}

static const char *shown(const char *text)
{
    return text == NULL ? "(none)" : text;
}

static void check_field(lab_process_t *lab, const route_case_t *route, const answer_t *answer,
                        const char *name, const char *expected)
{
    const char *seen = answer_field(answer, name);

    lab_assert(lab, same(seen, expected), "%s: %s is '%s', expected '%s'", route->name, name,
               shown(seen), shown(expected));
}

static void check_case(lab_process_t *lab, client_t *client, const route_case_t *route)
{
    bool     head = strncmp(route->request, "HEAD", 4) == 0;
    answer_t answer;

    client_send(client, route->request);
    answer = client_read_answer_to(client, head ? "HEAD" : "GET");
    lab_assert(lab, answer.status == route->status, "%s: status %d, expected %d", route->name,
               answer.status, route->status);
    lab_assert(lab,
               answer.body_len == strlen(route->body) &&
                   memcmp(answer.body, route->body, answer.body_len) == 0,
               "%s: body '%s', expected '%s'", route->name, answer.body, route->body);
    check_field(lab, route, &answer, "Content-Type", route->type);
    if (route->field != NULL)
        check_field(lab, route, &answer, route->field, route->value);
    lab_assert(lab, answer_field(&answer, "Date") != NULL, "%s: no Date", route->name);
    lab_assert(lab, !answer.close, "%s: closes the connection", route->name);
    answer_free(&answer);
}

/* Ends the lab, too. */
static void check_all(lab_process_t *lab)
{
    client_t client;

    client_connect(&client, lab->port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_case(lab, &client, &cases[i]);
    client_close(&client);
    lab_finish(lab);
}

Test(routes, every_lab_gives_the_same_answers)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++)
        check_all(lab_start(number, NULL, NULL));
}

Test(routes, an_exception_is_told_to_the_log_once_and_to_the_client_not_at_all)
{
    static const char *const once[] = {"GET /error?x=1: 500, raised in error (",
                                       "Traceback (most recent call last):", "in error\n",
                                       "RuntimeError: this handler always fails"};
    client_t                 client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);
        answer_t       answer;

        client_connect(&client, lab->port);
        answer = client_get(&client, "/error?x=1");
        lab_assert(lab, answer.status == 500, "status %d, expected 500", answer.status);
        lab_assert(lab,
                   strstr(answer.head, "always") == NULL && strstr(answer.body, "rror: ") == NULL,
                   "the client is told: %s%s", answer.head, answer.body);
        answer_free(&answer);
        client_close(&client);
        for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
            lab_assert(lab, count_of(lab_stderr(lab), once[i]) == 1,
                       "'%s' stands %d times in the log", once[i],
                       count_of(lab_stderr(lab), once[i]));
        lab_finish(lab);
    }
}

/* More than the kernel keeps for a client that doesn't read yet, so the lab has to wait for room. */
Test(routes, a_stream_arrives_whole)
{
    enum { SIZE = 65536, CHUNKS = 200 };
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);
        answer_t       answer;

        lab_connect_get(lab, &client, "/native/stream?chunks=%d&size=%d", CHUNKS, SIZE);
        lab_wait_asleep(lab);
        answer = client_read_answer(&client);
        lab_assert(lab, answer.body_len == (size_t)SIZE * CHUNKS, "%zu bytes, expected %zu",
                   answer.body_len, (size_t)SIZE * CHUNKS);
        lab_assert(lab, strspn(answer.body, "x") == answer.body_len, "byte %zu isn't an x",
                   strspn(answer.body, "x"));
        answer_free(&answer);
        client_close(&client);
        lab_finish(lab);
    }
}

/* Larger than any buffer on the way: the echo of 1 MiB, which is the limit on bodies. */
Test(routes, the_largest_body_comes_back)
{
    enum { SIZE = 1024 * 1024 };
    char    *body = malloc(SIZE);
    client_t client;

    cr_assert_not_null(body, "no memory");
    for (size_t i = 0; i < SIZE; i++)
        body[i] = (char)(i * 31 + i / 256); /* every byte value, NUL among them */
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);
        answer_t       answer;

        client_connect(&client, lab->port);
        client_send(&client, "POST /echo" HOST "Content-Length: 1048576\r\n\r\n");
        client_send_bytes(&client, body, SIZE);
        answer = client_read_answer(&client);
        lab_assert(lab, answer.status == 200 && answer.body_len == SIZE, "%d with %zu bytes",
                   answer.status, answer.body_len);
        lab_assert(lab, memcmp(answer.body, body, SIZE) == 0, "other bytes than those sent");
        answer_free(&answer);
        client_close(&client);
        lab_finish(lab);
    }
    free(body);
}
