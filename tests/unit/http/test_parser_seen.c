/*
 * common/http/parser.c, continued: what a handler sees of a request that is served, and what the client
 * of one that is refused, or that waits for 100. All fed in pieces of several sizes.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/text.h"
#include "tests/unit/http/feed.h"
#include "tests/unit/http/raw.h"

/* A raw request, and the description of it that /echo answers (see routes.c). */
typedef struct {
    const char *name;
    const char *raw;
    const char *seen;
} echo_case_t;

Test(http_parser, a_handler_sees_what_was_sent)
{
    static const echo_case_t cases[] = {
        {"path and query", "GET /echo?a=1&b=%20?/ HTTP/1.1\r\n" HOST "\r\n",
         "GET /echo?a=1&b=%20?/ HTTP/1.1\npath=/echo\nquery=a=1&b=%20?/\nfield Host=a\nbody="},
        {"absolute-form", "GET http://h:1/echo?q HTTP/1.1\r\n" HOST "\r\n",
         "GET http://h:1/echo?q HTTP/1.1\npath=/echo\nquery=q\nfield Host=a\nbody="},
        {"parameters, decoded", "GET /echo/a%2Fb/%C3%A9+%25?x HTTP/1.1\r\n" HOST "\r\n",
         "GET /echo/a%2Fb/%C3%A9+%25?x HTTP/1.1\npath=/echo/a%2Fb/%C3%A9+%25\nquery=x\n"
         "param first=a/b\nparam second=\xc3\xa9+%\nfield Host=a\nbody="},
        {"empty values, blanks around values",
         "GET /echo HTTP/1.1\r\n" HOST "A:\r\nB: \t \r\nC:c\r\nD:  d e \t\r\nA: again\r\n\r\n",
         "GET /echo HTTP/1.1\npath=/echo\nquery=\nfield Host=a\nfield A=\nfield B=\nfield C=c\n"
         "field D=d e\nfield A=again\nbody="},
        {"chunks, joined; trailers, dropped",
         "PUT /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
         "3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nT: t\r\n\r\n",
         "PUT /echo HTTP/1.1\npath=/echo\nquery=\nfield Host=a\nfield Transfer-Encoding=chunked\n"
         "body=abcdefg"},
        {"HTTP/1.0", "GET /echo HTTP/1.0\r\nA: b\r\n\r\n",
         "GET /echo HTTP/1.0\npath=/echo\nquery=\nfield A=b\nbody="},
    };
    feed_t feed;

    feed_open(&feed, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 0; piece <= 3; piece++) {
            char       *output = feed_run(&feed, cases[i].raw, strlen(cases[i].raw), piece);
            const char *body = strstr(output, "\r\n\r\n");

            cr_expect(body != NULL && strcmp(body + 4, cases[i].seen) == 0,
                      "%s, pieces of %zu: \"%s\": expected:\n%s\nseen:\n%s", cases[i].name, piece,
                      text_readable(cases[i].raw, strlen(cases[i].raw)), cases[i].seen, output);
            free(output);
        }
    }
    feed_close(&feed);
}

/* Names and values of many fields, long enough that every inline buffer has to grow. */
Test(http_parser, long_heads_arrive_unharmed)
{
    char   raw[16384], seen[16384];
    char   digits[92];
    size_t raw_len = 0, seen_len = 0;
    feed_t feed;

    raw_len += (size_t)snprintf(raw, sizeof raw, "GET /echo HTTP/1.1\r\nHost: a\r\n");
    seen_len +=
        (size_t)snprintf(seen, sizeof seen, "GET /echo HTTP/1.1\npath=/echo\nquery=\nfield Host=a");
    for (int i = 0; i < 90; i++) {
        memset(digits, '0' + i % 10, (size_t)i + 1);
        digits[i + 1] = '\0';
        raw_len +=
            (size_t)snprintf(raw + raw_len, sizeof raw - raw_len, "Name-%d:  %s \r\n", i, digits);
        seen_len += (size_t)snprintf(seen + seen_len, sizeof seen - seen_len, "\nfield Name-%d=%s",
                                     i, digits);
    }
    snprintf(raw + raw_len, sizeof raw - raw_len, "\r\n");
    snprintf(seen + seen_len, sizeof seen - seen_len, "\nbody=");
    feed_open(&feed, NULL);
    for (size_t piece = 0; piece < 8; piece += 7) {
        char       *output = feed_run(&feed, raw, strlen(raw), piece);
        const char *body = strstr(output, "\r\n\r\n");

        cr_expect(body != NULL && strcmp(body + 4, seen) == 0,
                  "pieces of %zu: expected:\n%s\nseen:\n%s", piece, seen, output);
        free(output);
    }
    feed_close(&feed);
}

Test(http_parser, a_refused_request_never_reaches_a_handler)
{
    static const char *const refused[] = {
        "GET /echo HTTP/1.1\r\n\r\n",
        POST_WITH("Transfer-Encoding: gzip\r\n") "hello",
        POST_WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
        CHUNKED "5\r\nhelloXY",
        "GET /nowhere HTTP/1.1\r\n" HOST "\r\n",
    };
    feed_t feed;

    feed_open(&feed, NULL);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        free(feed_run(&feed, refused[i], strlen(refused[i]), 0));
        cr_expect(feed.requests == 0, "\"%s\" reached a handler",
                  text_readable(refused[i], strlen(refused[i])));
    }
    feed_close(&feed);
}

/* RFC 9110, 9.3.2: not even when it is refused. */
Test(http_parser, the_refusal_of_a_head_has_no_body)
{
    static const char *const refused[] = {
        "HEAD /echo HTTP/1.1\r\n\r\n",
        "HEAD /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n",
        "HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    feed_t feed;

    feed_open(&feed, NULL);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char       *output = feed_run(&feed, refused[i], strlen(refused[i]), 0);
        const char *end = strstr(output, "\r\n\r\n");

        cr_expect(end != NULL && strcmp(end, "\r\n\r\n") == 0, "\"%s\": seen:\n%s",
                  text_readable(refused[i], strlen(refused[i])), output);
        free(output);
    }
    feed_close(&feed);
}

Test(http_parser, continue_is_sent_only_to_one_who_waits)
{
    static const struct {
        const char *name, *raw, *whole, *bytes;
    } cases[] = {
        {"asked for", POST_WITH("Content-Length: 2\r\nExpect: 100-continue\r\n") "ab", "200",
         "100 200"},
        {"any case", POST_WITH("Content-Length: 2\r\nexpect: 100-CONTINUE\r\n") "ab", "200",
         "100 200"},
        {"chunked",
         POST_WITH("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n") "1\r\na\r\n0\r\n\r\n",
         "200", "100 200"},
        {"no body", POST_WITH("Content-Length: 0\r\nExpect: 100-continue\r\n"), "200", "200"},
        {"HTTP/1.0 (RFC 9110, 10.1.1)",
         "POST /echo HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nab", "200",
         "200"},
        {"refused anyway", POST_WITH("Content-Length: 99999999\r\nExpect: 100-continue\r\n") "ab",
         "413", "413"},
    };
    feed_t feed;

    feed_open(&feed, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 0; piece <= 1; piece++) {
            const char *expected = piece == 0 ? cases[i].whole : cases[i].bytes;
            char       *output = feed_run(&feed, cases[i].raw, strlen(cases[i].raw), piece);

            cr_expect(strcmp(feed_statuses(output), expected) == 0,
                      "%s, pieces of %zu: expected \"%s\", seen \"%s\"", cases[i].name, piece,
                      expected, feed_statuses(output));
            free(output);
        }
    }
    feed_close(&feed);
}
