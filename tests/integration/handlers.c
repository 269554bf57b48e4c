/*
 * What handlers may do and must not: values, responses, exceptions and requests, over the wire and
 * in the log. tests/apps/values.py has the handlers; every lab serves the same ones.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(handlers, .fini = lab_processes_end, .timeout = 150);

#define HOST "HTTP/1.1\r\nHost: test\r\n"

/* ---- Values and mistakes --------------------------------------------------------------------- */

typedef struct {
    const char *target;
    int         status;
    const char *body; /* in the body; of a 500 in the log, and nothing of it on the wire */
} value_case_t;

static const value_case_t value_cases[] = {
    {"/value/str", 200, "text \xC3\xA4\xE2\x82\xAC"},
    {"/value/empty", 200, ""},
    {"/value/subclass", 200, "sub"},
    {"/value/dict", 200, "{\"a\":[1,null,true,\"\xC3\xA4\"]}"},
    {"/value/list", 200, "[1,\"two\"]"},
    {"/value/none", 500, "dict, list or Response, not NoneType"},
    {"/value/int", 500, "dict, list or Response, not int"},
    {"/value/tuple", 500, "dict, list or Response, not tuple"},
    {"/value/generator", 500, "dict, list or Response, not generator"},
    {"/value/bytearray", 500, "dict, list or Response, not bytearray"},
    {"/value/type", 500, "dict, list or Response, not type"},
    {"/value/set_inside", 500, "Object of type set is not JSON serializable"},
    {"/value/surrogate", 500, "surrogates not allowed"},
    {"/value/unknown", 500, "KeyError: 'unknown'"},
    {"/cycle", 500, "Circular reference"},
    {"/bad-headers/cr", 500, "ValueError: 'a\\rb' is no header value"},
    {"/bad-headers/lf", 500, "forged=1' is no header value"},
    {"/bad-headers/crlf", 500, "ValueError: 'a\\r\\n\\r\\nforged' is no header value"},
    {"/bad-headers/nul", 500, "ValueError: 'a\\x00b' is no header value"},
    {"/bad-headers/name", 500, "ValueError: 'X A' is no header name"},
    {"/bad-headers/name_crlf", 500, "is no header name"},
    {"/bad-headers/not_latin1", 500, "UnicodeEncodeError"},
    {"/bad-headers/number", 500, "header names and values are str, not int"},
    {"/bad-headers/length", 500, "header b'Content-Length' is the server's to set"},
    {"/bad-headers/coding", 500, "header b'Transfer-Encoding' is the server's to set"},
    {"/bad-headers/connection", 500, "header b'Connection' is the server's to set"},
    {"/bad-headers/triple", 500, "pairs of (name, value)"},
    {"/bad-headers/types", 500, "ValueError: a second content type: b'text/b'"},
    {"/bad-headers/long_type", 500, "is too long"},
    {"/two-types", 500, "ValueError: a second content type: b'text/a'"},
    {"/bad-type", 500, "ValueError: content_type 'text/plain\\r\\nX-Forged: 1' is no header value"},
    {"/bad-status", 500, "ValueError: status 99 is not in 200..599"},
    {"/raise/boo", 500, "ValueError: boo"},
    {"/recursion", 500, "RecursionError: maximum recursion depth exceeded"},
    {"/awaitable", 500, "awaitable (coroutine)"},
    {"/exit", 500, "SystemExit: 3"},
    {"/interrupt", 500, "KeyboardInterrupt"},
};

static void check_value(lab_process_t *lab, client_t *client, const value_case_t *value)
{
    size_t   log_before = strlen(lab_stderr(lab));
    bool     fails = value->status == 500;
    answer_t answer = client_get(client, value->target);

    lab_assert(lab, answer.status == value->status, "%s: status %d, expected %d", value->target,
               answer.status, value->status);
    lab_assert(lab, strcmp(answer.body, fails ? "500 Internal Server Error\n" : value->body) == 0,
               "%s: body '%s'", value->target, answer.body);
    lab_assert(lab, strstr(answer.head, "orged") == NULL, "%s: %s", value->target, answer.head);
    if (fails) {
        const char *log = lab_stderr(lab) + log_before;

        lab_assert(lab, strstr(log, value->body) != NULL, "%s: the log doesn't say '%s'",
                   value->target, value->body);
        lab_assert(lab, count_of(log, lab_message("GET %s: 500, raised in ", value->target)) == 1,
                   "%s: the log names the request %d times", value->target,
                   count_of(log, value->target));
    } else {
        lab_assert(lab, strlen(lab_stderr(lab)) == log_before, "%s: something is logged",
                   value->target);
    }
    answer_free(&answer);
}

Test(handlers, a_value_becomes_an_answer_and_a_mistake_a_500_that_the_log_explains)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);

        client_connect(&client, lab->port);
        for (size_t i = 0; i < sizeof value_cases / sizeof value_cases[0]; i++)
            check_value(lab, &client, &value_cases[i]);
        lab_send_get(&client, "/where");
        lab_expect_answer(lab, &client, 200, "thread");
        client_close(&client);
        lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
        lab_assert(lab, count_of(lab_stderr(lab), "never awaited") == 0,
                   "Python complains of a coroutine that wasn't closed");
        lab_free(lab);
    }
}

Test(handlers, bytes_arrive_as_they_are)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);
        answer_t       answer;

        client_connect(&client, lab->port);
        answer = client_get(&client, "/value/bytes");
        lab_assert(lab, answer.body_len == 2 && memcmp(answer.body, "\0\xff", 2) == 0,
                   "%zu other bytes", answer.body_len);
        answer_free(&answer);
        client_close(&client);
        lab_finish(lab);
    }
}

/* The log shows what a client can choose (the target, an exception's text) on lines of its own. */
Test(handlers, a_client_can_not_forge_lines_of_the_log)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);

        lab_check(lab, "/raise/x%0A2026-01-01T00:00:00.000Z%20error%20forged%1B[31m", 500, "500");
        lab_assert(lab, strstr(lab_stderr(lab), "\n2026-01-01T") == NULL, "a line is forged");
        lab_assert(lab, strchr(lab_stderr(lab), '\x1b') == NULL, "the terminal is told something");
        lab_finish(lab);
    }
}

/* ---- Responses ------------------------------------------------------------------------------- */

Test(handlers, a_response_sets_status_headers_and_type)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);
        answer_t       answer;

        client_connect(&client, lab->port);
        answer = client_get(&client, "/response");
        lab_assert(lab, answer.status == 201, "status %d", answer.status);
        lab_assert(lab, strcmp(answer.body, "made") == 0, "body '%s'", answer.body);
        lab_assert(lab, count_of(answer.head, "\r\nX-One: 1\r\n") == 1, "head %s", answer.head);
        lab_assert(lab, strstr(answer.head, "\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n") != NULL,
                   "two cookies are two fields, in order: %s", answer.head);
        lab_assert(lab, count_of(answer.head, "\r\nContent-Type: text/x-test\r\n") == 1, "head %s",
                   answer.head);
        answer_free(&answer);

        answer = client_get(&client, "/headers-dict");
        lab_assert(lab, answer.status == 302, "status %d", answer.status);
        lab_assert(lab, count_of(answer.head, "\r\nLocation: /else\xe4\r\n") == 1, "head %s",
                   answer.head);
        lab_assert(lab,
                   count_of(answer.head, "Content-Type: ") == 1 &&
                       count_of(answer.head, "Content-Type: text/x-own\r\n") == 1,
                   "a handler's own type is the only one: %s", answer.head);
        answer_free(&answer);
        client_close(&client);
        lab_finish(lab);
    }
}

/* RFC 9110, 15.3.5 and 15.4.5, 8.6: no body, and of 204 no length either. */
Test(handlers, a_status_without_a_body_has_none)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);
        answer_t       answer;

        client_connect(&client, lab->port);
        answer = client_get(&client, "/empty/204");
        lab_assert(lab, answer.status == 204, "status %d", answer.status);
        lab_assert(lab, answer_field(&answer, "Content-Length") == NULL, "head %s", answer.head);
        answer_free(&answer);
        answer = client_get(&client, "/empty/304");
        lab_assert(lab, answer.status == 304, "status %d", answer.status);
        answer_free(&answer);
        lab_send_get(&client, "/where"); /* whatever follows 204 or 304 starts a new answer */
        lab_expect_answer(lab, &client, 200, "thread");
        client_close(&client);
        lab_finish(lab);
    }
}

/* ---- Requests -------------------------------------------------------------------------------- */

/* Parts of the JSON in which a handler shows its request. */
static const char *const attributes[] = {
    "\"method\":\"PUT\"",
    "\"target\":\"/request/a%20b?q=1&r=%C3%A4&q=2\"",
    "\"path\":\"/request/a%20b\"",
    "\"query_string\":\"q=1&r=%C3%A4&q=2\"",
    "\"query\":{\"q\":\"2\",\"r\":\"\xC3\xA4\"}",
    "\"path_params\":{\"id\":\"a b\"}",
    "\"host\":\"test\"",
    "\"x-many\":\"one, two, three\"",
    "\"x-empty\":\"\"",
    "\"x-latin\":\"\xC3\xA4\"",
    "\"x-blanks\":\"in  between\"",
    "\"body\":\"line\\n\xC3\xBF\"",
    "\"http_version\":\"1.1\"",
    "\"same\":true",
    "\"repr\":\"<Request PUT /request/a%20b?q=1&r=%C3%A4&q=2>\"",
};

Test(handlers, a_request_shows_all_of_itself)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);
        answer_t       answer;

        client_connect(&client, lab->port);
        client_send(&client, "PUT /request/a%20b?q=1&r=%C3%A4&q=2 " HOST
                             "X-Many: one\r\nx-many:two\r\nX-MANY:\tthree \r\nX-Empty:\r\n"
                             "X-Latin: \xe4\r\nX-Blanks:  in  between  \r\n"
                             "Content-Length: 6\r\n\r\nline\n\xff");
        answer = client_read_answer(&client);
        lab_assert(lab, answer.status == 200, "status %d", answer.status);
        for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
            lab_assert(lab, strstr(answer.body, attributes[i]) != NULL, "no %s in %s",
                       attributes[i], answer.body);
        answer_free(&answer);
        client_send(&client, "GET /request/x HTTP/1.0\r\n\r\n");
        lab_expect_last_answer(lab, &client, 200, "\"http_version\":\"1.0\"");
        lab_finish(lab);
    }
}

/* More fields, and longer ones, than a request has room for without allocating. */
Test(handlers, a_large_head_is_kept_whole)
{
    char     request[12000], part[64];
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);
        size_t         len = (size_t)snprintf(request, sizeof request, "GET /request/1 %s", HOST);
        answer_t       answer;

        for (int i = 0; i < 90; i++)
            len += (size_t)snprintf(request + len, sizeof request - len, "X-%d: %090d\r\n", i, i);
        snprintf(request + len, sizeof request - len, "\r\n");
        client_connect(&client, lab->port);
        client_send(&client, request);
        answer = client_read_answer(&client);
        lab_assert(lab, answer.status == 200, "status %d", answer.status);
        for (int i = 0; i < 90; i++) {
            snprintf(part, sizeof part, "\"x-%d\":\"0000000000", i);
            lab_assert(lab, strstr(answer.body, part) != NULL, "no %s", part);
        }
        answer_free(&answer);
        client_close(&client);
        lab_finish(lab);
    }
}

typedef struct {
    const char *target, *body;
    int         status;
    const char *part; /* of the answer, or of the log for a 500 */
} body_case_t;

static const body_case_t body_cases[] = {
    {"/json", "{\"a\": [1, \"\xC3\xA4\"]}", 200, "{\"json\":{\"a\":[1,\"\xC3\xA4\"]}}"},
    {"/json", "", 500, "JSONDecodeError"},
    {"/json", "{", 500, "JSONDecodeError"},
    {"/text", "\xC3\xA4", 200, "{\"text\":\"\xC3\xA4\"}"},
    {"/text", "\xff", 500, "UnicodeDecodeError"},
    {"/keep", "first", 200, "kept"},
    {"/keep", "second", 200, "kept"},
};

Test(handlers, bodies_are_read_as_text_and_json_and_may_be_kept)
{
    client_t client;

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, "values", NULL);

        client_connect(&client, lab->port);
        for (size_t i = 0; i < sizeof body_cases / sizeof body_cases[0]; i++) {
            const body_case_t *test = &body_cases[i];

            client_send(&client, lab_message("POST %s " HOST "Content-Length: %zu\r\n\r\n%s",
                                             test->target, strlen(test->body), test->body));
            lab_expect_answer(lab, &client, test->status, test->status == 200 ? test->part : "500");
            lab_assert(lab, test->status == 200 || strstr(lab_stderr(lab), test->part) != NULL,
                       "%s of '%s': the log doesn't say %s", test->target, test->body, test->part);
        }
        lab_send_get(&client, "/kept"); /* requests outlive their answers while Python holds them */
        lab_expect_answer(lab, &client, 200, "[\"first\",\"second\"]");
        client_close(&client);
        lab_finish(lab);
    }
}
