/*
 * http_server_drain(): what is idle closes, what was read is answered, what doesn't end is cut off
 * and counted. fixture_stop() checks in every test that on_drained came once and nothing is left.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/client.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"

enum { LONG_MS = 1000 * 1000 };

static void expect_last_answer(client_t *c, const char *body)
{
    answer_t a = client_read_answer(c);

    cr_expect(a.status == 200 && strcmp(a.body, body) == 0 && a.close,
              "expected 200 \"%s\" and close, seen:\n%s%s", body, a.head, a.body);
    answer_free(&a);
    cr_expect(client_at_eof(c));
}

static bool refuses_connections(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool               refused;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    refused = connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

Test(http_drain, without_connections_it_is_over_at_once)
{
    fixture_t *f = fixture_start(NULL);

    fixture_drain(f, LONG_MS);
    fixture_wait_drained(f);
    cr_expect(refuses_connections(f->port), "it still accepts");
    fixture_stop(f);
}

Test(http_drain, idle_connections_close_and_others_are_answered)
{
    fixture_t *f = fixture_start(NULL);
    client_t   fresh, idle, busy, half;

    client_connect(&fresh, f->port);
    client_connect(&idle, f->port);
    client_connect(&busy, f->port);
    client_connect(&half, f->port);
    answer_t a = client_get(&idle, "/echo");
    answer_free(&a);
    client_send(&half, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    client_send(&busy, GET("/park/a"));
    fixture_wait_parked(f, 1);
    fixture_wait_accepted(f, 4);
    fixture_go_round(f);

    fixture_drain(f, LONG_MS);
    cr_expect(client_at_eof(&fresh));
    cr_expect(client_at_eof(&idle));
    cr_expect(refuses_connections(f->port), "it still accepts");
    client_send(&half, "llo"); /* was begun: may be ended */
    a = client_read_answer(&half);
    cr_expect(a.status == 200 && a.close && strstr(a.body, "body=hello") != NULL, "seen:\n%s%s",
              a.head, a.body);
    answer_free(&a);
    cr_expect(client_at_eof(&half));
    cr_expect(f->drained == 0);
    fixture_release(f, "a");
    expect_last_answer(&busy, "a");

    client_t *all[] = {&fresh, &idle, &busy, &half};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        client_close(all[i]);
    fixture_wait_drained(f);
    cr_expect(fixture_stats(f).cut_off == 0 && fixture_stats(f).answered == 3);
    fixture_stop(f);
}

/* What was read is answered, even what waits beyond the window or behind the barrier. */
Test(http_drain, answers_everything_that_was_read)
{
    http_options_t options = fixture_options();
    client_t       c;

    options.pipeline_window = 2;
    fixture_t *f = fixture_start(&options);
    client_connect(&c, f->port);
    client_send(&c, GET("/park/a") "POST /park/b HTTP/1.1\r\nHost: a\r\n\r\n");
    fixture_wait_parsed(f, 2);
    client_send(&c, GET("/status/200") GET("/park/c"));
    fixture_wait_paused(f);
    fixture_drain(f, LONG_MS);
    fixture_release(f, "a");
    fixture_wait_parked(f, 2);
    fixture_release(f, "b");
    fixture_wait_parked(f, 3);
    fixture_release(f, "c");
    for (const char *body = "a\0b\0body"; body[1] != 'd'; body += 2) {
        answer_t a = client_read_answer(&c);

        cr_expect(a.status == 200 && strcmp(a.body, body) == 0 && !a.close,
                  "expected \"%s\", seen:\n%s%s", body, a.head, a.body);
        answer_free(&a);
        if (strcmp(body, "body") == 0)
            break;
    }
    expect_last_answer(&c, "c");
    client_close(&c);
    fixture_wait_drained(f);
    cr_expect(fixture_stats(f).cut_off == 0 && fixture_stats(f).answered == 4);
    fixture_stop(f);
}

Test(http_drain, what_is_left_after_its_time_is_cut_off_and_counted)
{
    fixture_t   *f = fixture_start(NULL);
    http_stats_t stats;
    client_t     busy, half;

    client_connect(&busy, f->port);
    client_connect(&half, f->port);
    client_send(&busy, GET("/park/a") GET("/park/b") GET("/park/c"));
    client_send(&half, "GET /ec");
    fixture_wait_parked(f, 3);
    fixture_wait_accepted(f, 2);
    fixture_release(f, "b");
    fixture_drain(f, 1);
    fixture_wait_drained(f);
    cr_expect(client_at_eof(&busy));
    cr_expect(client_at_eof(&half));
    stats = fixture_stats(f);
    cr_expect(stats.parsed == 3 && stats.cut_off == 3 && stats.answered == 0 &&
                  stats.abandoned == 0,
              "parsed %ju, cut off %ju, answered %ju, abandoned %ju", (uintmax_t)stats.parsed,
              (uintmax_t)stats.cut_off, (uintmax_t)stats.answered, (uintmax_t)stats.abandoned);
    cr_expect(f->gone == 2, "two handlers were at work; told: %u", f->gone);
    client_close(&busy);
    client_close(&half);
    fixture_stop(f);
}

/* What the kernel could not hand to the client yet: it is no answer so far. */
Test(http_drain, an_answer_that_is_not_taken_is_cut_off)
{
    fixture_t   *f = fixture_start(NULL);
    http_stats_t stats;
    client_t     c;

    client_connect(&c, f->port);
    client_send(&c, GET("/size/33554432"));
    fixture_wait_parsed(f, 1);
    fixture_go_round(f);
    fixture_drain(f, 1);
    fixture_wait_drained(f);
    stats = fixture_stats(f);
    cr_expect(stats.cut_off == 1 && stats.answered == 0 && stats.abandoned == 0,
              "cut off %ju, answered %ju, abandoned %ju", (uintmax_t)stats.cut_off,
              (uintmax_t)stats.answered, (uintmax_t)stats.abandoned);
    client_close(&c);
    fixture_stop(f);
}

/* The order of the calls makes no difference: the shorter time holds. */
Test(http_drain, a_second_call_only_shortens_the_time)
{
    static const uint32_t times[][2] = {{LONG_MS, 1}, {50, LONG_MS}};

    for (size_t i = 0; i < 2; i++) {
        fixture_t *f = fixture_start(NULL);
        client_t   c;

        client_connect(&c, f->port);
        client_send(&c, GET("/park/a"));
        fixture_wait_parked(f, 1);
        fixture_drain(f, times[i][0]);
        fixture_drain(f, times[i][1]);
        fixture_wait_drained(f);
        cr_expect(fixture_stats(f).cut_off == 1);
        client_close(&c);
        fixture_stop(f);
    }
}

Test(http_drain, a_request_on_its_way_may_still_be_malformed)
{
    fixture_t *f = fixture_start(NULL);
    client_t   c;

    client_connect(&c, f->port);
    client_send(&c, "GET /echo HT");
    fixture_wait_accepted(f, 1);
    fixture_go_round(f);
    fixture_drain(f, LONG_MS);
    client_send(&c, "TP/1.1\r\n\r\n");
    answer_t a = client_read_answer(&c);
    cr_expect(a.status == 400 && a.close, "seen:\n%s", a.head);
    answer_free(&a);
    cr_expect(client_at_eof(&c));
    client_close(&c);
    fixture_stop(f);
}
