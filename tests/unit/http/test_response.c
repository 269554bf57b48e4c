/*
 * common/http/response.c: what may stand in a response, and where its memory goes. How it looks on
 * the wire is tested in test_output.c.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"

/* A string literal with its NULs. */
#define SLICE(text) ((http_slice_t){(text), sizeof(text) - 1})

Test(http_response, keeps_a_copy_of_type_and_body)
{
    char             type[] = "text/plain", body[] = "with\0NUL";
    http_response_t *resp = http_response_new(201, type, body, sizeof body - 1);

    cr_assert(resp != NULL);
    memset(type, 'x', sizeof type);
    memset(body, 'x', sizeof body);
    cr_expect(http_response_status(resp) == 201);
    cr_expect(resp->type_len == 10 && memcmp(resp->data, "text/plain", 10) == 0);
    cr_expect(resp->body_len == 8 && memcmp(http_response_body(resp), "with\0NUL", 8) == 0);
    http_response_free(resp);
    http_response_free(NULL);
}

/* Whatever its size: small ones come from the HTTP thread's pool, if there is one. */
Test(http_response, of_any_size)
{
    static const size_t sizes[] = {0, 1, 100, 200, 255, 256, 257, 1000, 100000};
    char               *body = malloc(100000);

    memset(body, 'b', 100000);
    for (int with_pool = 0; with_pool <= 1; with_pool++) {
        if (with_pool)
            cr_assert(http_response_pool_open() == 0);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            http_response_t *first = http_response_new(200, NULL, body, sizes[i]);
            http_response_t *second = http_response_new(200, "a/b", body, sizes[i]);

            cr_expect(first->body_len == sizes[i] &&
                          memcmp(http_response_body(first), body, sizes[i]) == 0 &&
                          memcmp(http_response_body(second), body, sizes[i]) == 0,
                      "%zu bytes", sizes[i]);
            http_response_free(second);
            http_response_free(first);
        }
        if (with_pool)
            http_response_pool_close();
    }
    free(body);
}

static void make_response(void *arg)
{
    *(http_response_t **)arg = http_response_new(200, "a/b", "small", 5);
}

Test(http_response, made_on_one_thread_and_freed_on_another)
{
    http_response_t *resp = NULL;
    uv_thread_t      thread;

    cr_assert(http_response_pool_open() == 0);
    cr_assert(uv_thread_create(&thread, make_response, &resp) == 0);
    uv_thread_join(&thread);
    cr_assert(resp != NULL);
    http_response_free(resp); /* into this thread's pool, which can serve it again */
    cr_expect(http_response_new(200, NULL, "x", 1) == resp);
    http_response_free(resp);
    http_response_pool_close();
}

Test(http_response, header_fields_that_may_be_added)
{
    static const struct {
        const char  *what;
        http_slice_t name, value;
        int          err;
    } cases[] = {
        {"ordinary", SLICE("X-A"), SLICE("b"), 0},
        {"every character of a token", SLICE("!#$%&'*+-.^_`|~09AZaz"), SLICE("b"), 0},
        {"an empty value", SLICE("X-A"), SLICE(""), 0},
        {"blanks and tabs in a value", SLICE("X-A"), SLICE("a b\tc"), 0},
        {"obs-text", SLICE("X-A"), SLICE("caf\xc3\xa9"), 0},
        {"Content-Type", SLICE("Content-Type"), SLICE("a/b"), 0},
        {"Set-Cookie", SLICE("Set-Cookie"), SLICE("a=b"), 0},
        {"an empty name", SLICE(""), SLICE("b"), UV_EINVAL},
        {"a blank in a name", SLICE("X A"), SLICE("b"), UV_EINVAL},
        {"a blank behind a name", SLICE("X-A "), SLICE("b"), UV_EINVAL},
        {"a colon in a name", SLICE("X:A"), SLICE("b"), UV_EINVAL},
        {"CR LF in a name", SLICE("X\r\nA"), SLICE("b"), UV_EINVAL},
        {"NUL in a name", SLICE("X\0A"), SLICE("b"), UV_EINVAL},
        {"not ASCII in a name", SLICE("X\xc3\xa9"), SLICE("b"), UV_EINVAL},
        {"parentheses in a name", SLICE("X(A)"), SLICE("b"), UV_EINVAL},
        {"CR in a value", SLICE("X-A"), SLICE("a\rb"), UV_EINVAL},
        {"LF in a value", SLICE("X-A"), SLICE("a\nb"), UV_EINVAL},
        {"LF at the end of a value", SLICE("X-A"), SLICE("a\n"), UV_EINVAL},
        {"NUL in a value", SLICE("X-A"), SLICE("a\0b"), UV_EINVAL},
        {"ESC in a value", SLICE("X-A"), SLICE("a\x1b[0m"), UV_EINVAL},
        {"DEL in a value", SLICE("X-A"), SLICE("a\x7f"), UV_EINVAL},
        {"Content-Length", SLICE("Content-Length"), SLICE("5"), UV_EPERM},
        {"in any case", SLICE("cOnTeNt-LeNgTh"), SLICE("5"), UV_EPERM},
        {"Transfer-Encoding", SLICE("Transfer-Encoding"), SLICE("chunked"), UV_EPERM},
        {"Connection", SLICE("Connection"), SLICE("close"), UV_EPERM},
        {"Date", SLICE("DATE"), SLICE("x"), UV_EPERM},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        http_response_t *resp = http_response_new(200, NULL, NULL, 0);
        int              err = http_response_add_header(resp, cases[i].name, cases[i].value);

        cr_expect(err == cases[i].err, "%s: expected %d, seen %d", cases[i].what, cases[i].err,
                  err);
        cr_expect((resp->fields_len > 0) == (cases[i].err == 0), "%s: %zu bytes were added",
                  cases[i].what, resp->fields_len);
        http_response_free(resp);
    }
}

Test(http_response, header_fields_stand_in_the_order_in_which_they_were_added)
{
    static const char expected[] = "A: 1\r\nB: \r\nA: 2\r\n";
    http_response_t  *resp = http_response_new(200, NULL, NULL, 0);

    cr_expect(http_response_add_header(resp, http_slice_of("A"), http_slice_of("1")) == 0);
    cr_expect(http_response_add_header(resp, http_slice_of("B"), (http_slice_t){NULL, 0}) == 0);
    cr_expect(http_response_add_header(resp, http_slice_of("A"), http_slice_of("2")) == 0);
    cr_expect(resp->fields_len == sizeof expected - 1 &&
                  memcmp(resp->fields, expected, resp->fields_len) == 0,
              "expected \"%s\", seen \"%.*s\"", expected, (int)resp->fields_len, resp->fields);
    http_response_free(resp);
}

/* One more byte than may be added is refused, and what was added before stays. */
Test(http_response, header_fields_have_a_limit)
{
    enum { AROUND = 1 + 2 + 2 }; /* "A", ": ", CR LF */
    char            *value = malloc(HTTP_FIELDS_MAX);
    http_response_t *resp = http_response_new(200, NULL, NULL, 0);
    size_t           half = HTTP_FIELDS_MAX / 2 - AROUND;
    int              err;

    memset(value, 'v', HTTP_FIELDS_MAX);
    cr_expect(http_response_add_header(resp, http_slice_of("A"), (http_slice_t){value, half}) == 0);
    err = http_response_add_header(resp, http_slice_of("A"), (http_slice_t){value, half + 1});
    cr_expect(err == UV_EINVAL, "one byte too many: seen %d", err);
    err =
        http_response_add_header(resp, http_slice_of("A"), (http_slice_t){value, HTTP_FIELDS_MAX});
    cr_expect(err == UV_EINVAL, "far too many: seen %d", err);
    cr_expect(resp->fields_len == HTTP_FIELDS_MAX / 2);
    cr_expect(http_response_add_header(resp, http_slice_of("A"), (http_slice_t){value, half}) == 0);
    cr_expect(resp->fields_len == HTTP_FIELDS_MAX);
    http_response_free(resp);
    free(value);
}

Test(http_response, reasons_of_statuses)
{
    static const struct {
        int         status;
        const char *reason;
    } cases[] = {
        {200, "OK"},
        {204, "No Content"},
        {404, "Not Found"},
        {418, "Unknown"},
        {431, "Request Header Fields Too Large"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {999, "Unknown"},
        {0, "Unknown"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect(strcmp(http_status_reason(cases[i].status), cases[i].reason) == 0,
                  "%d: expected \"%s\", seen \"%s\"", cases[i].status, cases[i].reason,
                  http_status_reason(cases[i].status));
}
