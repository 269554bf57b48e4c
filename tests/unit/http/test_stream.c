/*
 * common/http/stream.c: answers whose length isn't known when they begin, what they look like on the
 * wire and what comes first. (Clients that are slow or leave: test_stream_clients.c.)
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "tests/unit/http/raw.h"
#include "tests/unit/http/streaming.h"

/* ---- On the wire ----------------------------------------------------------------------------- */

Test(http_stream, is_chunked_to_http_1_1)
{
    static const char expected[] = "b\r\nhello world\r\n1\r\n!\r\n0\r\n\r\n";
    client_t          c;
    stream_t          s;
    fixture_t        *f = stream_park(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello world") == 0);
    cr_expect(stream_write(f, &s, "") == 0, "an empty write is no end");
    cr_expect(stream_write(f, &s, "!") == 0);
    stream_end(f, &s);
    client_half_close(&c);
    char   all[1024];
    size_t len = 0;
    for (; !client_at_eof(&c) && len < sizeof all - 1; c.len = 0) { /* the bytes as they are */
        memcpy(all + len, c.buf, c.len);
        len += c.len;
    }
    all[len] = '\0';
    char *body = strstr(all, "\r\n\r\n");
    cr_assert(body != NULL && strcmp(body + 4, expected) == 0, "expected \"%s\", seen:\n%s",
              expected, all);
    cr_expect(strstr(all, "\r\nTransfer-Encoding: chunked\r\n") != NULL, "seen:\n%s", all);
    cr_expect(strstr(all, "Content-Length") == NULL, "seen:\n%s", all);
    client_close(&c);
    fixture_stop(f);
}

/* Its first bytes don't wait for its last. */
Test(http_stream, arrives_while_it_is_written)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    stream_write(f, &s, "first");
    while (memmem(c.buf, c.len, "first", 5) == NULL) { /* by way of the client's buffer */
        client_t more = {.fd = c.fd};
        cr_assert(!client_at_eof(&more));
        memcpy(c.buf + c.len, more.buf, more.len);
        c.len += more.len;
    }
    stream_write(f, &s, " last");
    stream_end(f, &s);
    client_expect_answer(&c, 200, "first last");
    client_send(&c, GET("/status/200"));
    client_expect_answer(&c, 200, "body");
    client_close(&c);
    fixture_stop(f);
}

Test(http_stream, ends_with_the_connection_for_http_1_0)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = stream_park(
        NULL, &c,
        "GET /park/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n", 1);

    stream_begin(f, &s, "a");
    stream_write(f, &s, "hello ");
    stream_write(f, &s, "world");
    stream_end(f, &s);
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 200 && a.close && strcmp(a.body, "hello world") == 0, "seen:\n%s%s",
              a.head, a.body);
    cr_expect(answer_field(&a, "Transfer-Encoding") == NULL &&
              answer_field(&a, "Content-Length") == NULL);
    answer_free(&a);
    cr_expect(client_at_eof(&c));
    client_close(&c);
    fixture_stop(f);
}

Test(http_stream, to_head_has_no_body)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = stream_park(NULL, &c, "HEAD /park/a HTTP/1.1\r\nHost: a\r\n\r\n", 1);

    stream_begin(f, &s, "a");
    cr_expect(stream_write(f, &s, "hello") == 0);
    stream_end(f, &s);
    answer_t a = client_read_answer_to(&c, "HEAD");
    cr_expect(a.status == 200 && !a.close, "seen:\n%s", a.head);
    answer_free(&a);
    client_send(&c, GET("/status/200"));
    client_expect_answer(&c, 200, "body");
    client_close(&c);
    fixture_stop(f);
}

/* RFC 9110, 15.3.5 and 15.4.5; RFC 9112, 6.1: no content, and no Transfer-Encoding with 204. */
Test(http_stream, of_a_status_without_content_has_none)
{
    static const int statuses[] = {204, 304};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        client_t   c;
        stream_t   s;
        fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

        stream_begin_status(f, &s, "a", statuses[i]);
        cr_expect(stream_write(f, &s, "hello") == 0);
        stream_end(f, &s);
        answer_t a = client_read_answer(&c);
        cr_expect(a.status == statuses[i] && answer_field(&a, "Transfer-Encoding") == NULL,
                  "seen:\n%s", a.head);
        answer_free(&a);
        client_send(&c, GET("/status/200"));
        client_expect_answer(&c, 200, "body");
        client_close(&c);
        fixture_stop(f);
    }
}

Test(http_stream, without_a_single_byte)
{
    client_t   c;
    stream_t   s;
    fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

    stream_begin(f, &s, "a");
    stream_end(f, &s);
    client_expect_answer(&c, 200, "");
    client_close(&c);
    fixture_stop(f);
}

static void begin_without_memory(fixture_t *f, void *arg)
{
    *(int *)arg = http_stream_begin(fixture_unpark(f, "a"), NULL, NULL, NULL);
}

Test(http_stream, without_memory_is_500)
{
    client_t   c;
    int        err = 0;
    fixture_t *f = stream_park(NULL, &c, GET("/park/a"), 1);

    fixture_call(f, begin_without_memory, &err);
    cr_expect(err == UV_ENOMEM, "expected %d, seen %d", UV_ENOMEM, err);
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 500 && a.close, "seen:\n%s", a.head);
    answer_free(&a);
    client_close(&c);
    fixture_stop(f);
}

/* ---- Order ----------------------------------------------------------------------------------- */

Test(http_stream, keeps_its_place_in_the_pipeline)
{
    client_t   c;
    stream_t   b, d;
    fixture_t *f =
        stream_park(NULL, &c, GET("/park/a") GET("/park/b") GET("/park/c") GET("/park/d"), 4);

    stream_begin(f, &d, "d");
    stream_write(f, &d, "d1 ");
    stream_begin(f, &b, "b");
    stream_write(f, &b, "b1 ");
    stream_write(f, &d, "d2");
    stream_end(f, &d);
    fixture_release(f, "c");
    stream_write(f, &b, "b2");
    fixture_release(f, "a");
    client_expect_answer(&c, 200, "a");
    stream_write(f, &b, " b3");
    stream_end(f, &b);
    client_expect_answer(&c, 200, "b1 b2 b3");
    client_expect_answer(&c, 200, "c");
    client_expect_answer(&c, 200, "d1 d2");
    client_close(&c);
    fixture_stop(f);
}
