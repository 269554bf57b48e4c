/* --live: the page at /_lab and its events, and that whoever looks is nobody's burden. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/lab_client.h"

TestSuite(live, .fini = lab_processes_end, .timeout = 150);

enum { SOME = 8, MANY = 100, MOST = 256, FRAMES = 10 };

/* ---- Reading events -------------------------------------------------------------------------- */

/* Receive more. The client's own deadline is the socket's. */
static void receive(lab_process_t *lab, client_t *c)
{
    ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - c->len - 1, 0);

    lab_assert(lab, n > 0, "the events ended after:\n%.*s", (int)c->len, c->buf);
    c->len += (size_t)n;
    c->buf[c->len] = '\0';
}

/* Take what is there up to the end of `mark`; it may span chunks no more than a frame does. */
static void skip_past(lab_process_t *lab, client_t *c, const char *mark)
{
    char *found;

    c->buf[c->len] = '\0';
    while ((found = strstr(c->buf, mark)) == NULL)
        receive(lab, c);
    found += strlen(mark);
    c->len -= (size_t)(found - c->buf);
    memmove(c->buf, found, c->len + 1);
}

static void look(lab_process_t *lab, client_t *c)
{
    lab_connect_get(lab, c, "/_lab/events");
    skip_past(lab, c, "HTTP/1.1 200 ");
    skip_past(lab, c, "retry: 1000\n\n");
}

/* The next frame; decref it. */
static json_t *next_frame(lab_process_t *lab, client_t *c)
{
    json_error_t error;
    json_t      *frame;
    char        *end;

    skip_past(lab, c, "data: ");
    while ((end = strstr(c->buf, "\n\n")) == NULL)
        receive(lab, c);
    *end = '\0';
    frame = json_loads(c->buf, 0, &error);
    lab_assert(lab, frame != NULL, "%s in:\n%s", error.text, c->buf);
    *end = '\n';
    return frame;
}

static json_int_t number_of(const json_t *frame, const char *name)
{
    return json_integer_value(json_object_get(frame, name));
}

/* Frames until one has that figure; the test's time-out ends it otherwise. */
static void wait_for(lab_process_t *lab, client_t *c, const char *name, json_int_t value)
{
    json_int_t seen;

    do {
        json_t *frame = next_frame(lab, c);

        seen = number_of(frame, name);
        json_decref(frame);
    } while (seen != value);
}

/* ---- The page -------------------------------------------------------------------------------- */

static void expect_file(lab_process_t *lab, const char *path, const char *type, const char *part)
{
    client_t c;
    answer_t a;

    client_connect(&c, lab->port);
    a = client_get(&c, path);
    lab_assert(lab, a.status == 200 && strstr(a.body, part) != NULL, "%s: %d\n%s", path, a.status,
               a.body);
    cr_expect_str_eq(answer_field(&a, "Content-Type"), type);
    cr_expect(strncmp(answer_field(&a, "Content-Security-Policy"), "default-src 'none'; ", 20) ==
              0);
    cr_expect(strstr(answer_field(&a, "Content-Security-Policy"), "unsafe") == NULL);
    cr_expect(strstr(a.body, "http://") == NULL && strstr(a.body, "https://") == NULL,
              "%s loads something from elsewhere", path);
    answer_free(&a);
    client_close(&c);
}

Test(live, every_lab_serves_the_page)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--live", NULL);

        expect_file(lab, "/_lab", "text/html; charset=utf-8",
                    "<script src=\"/_lab/page.js\" defer>");
        expect_file(lab, "/_lab/page.js", "text/javascript; charset=utf-8", "EventSource");
        expect_file(lab, "/_lab/page.css", "text/css; charset=utf-8", "prefers-color-scheme");
        lab_check(lab, "/", 200, "Hello, World!");
        lab_finish(lab);
    }
}

Test(live, without_the_option_there_is_none)
{
    lab_process_t *lab = lab_start(3, NULL, NULL);

    lab_check(lab, "/_lab", 404, NULL);
    lab_check(lab, "/_lab/events", 404, NULL);
    lab_finish(lab);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void expect_names(lab_process_t *lab, const json_t *list, const char *const *names)
{
    size_t  i, found = 0;
    json_t *one;

    json_array_foreach(list, i, one) for (const char *const *name = names; *name != NULL; name++)
        found += strcmp(json_string_value(json_object_get(one, "name")), *name) == 0;
    for (i = 0; names[i] != NULL; i++)
        ;
    lab_assert(lab, found == i, "%zu of %zu names are there", found, i);
}

/* Requests go on until a frame has traced some: at a low rate each one is. */
static json_t *frame_with_hops(lab_process_t *lab, client_t *viewer)
{
    for (;;) {
        json_t *frame;

        for (int i = 0; i < 20; i++)
            lab_check(lab, "/", 200, NULL);
        frame = next_frame(lab, viewer);
        if (json_array_size(json_object_get(frame, "hops")) > 0)
            return frame;
        json_decref(frame);
    }
}

Test(live, a_frame_has_rates_threads_queues_and_hops)
{
    static const char *const threads[LAB_LAST + 1][4] = {
        {NULL},     {"http", "loop"},  {"http", "main-loop", "worker-0"}, {"http"}, {"http"},
        {"http 1"}, {"http", "pool-0"}};
    static const char *const one[] = {"answers for the HTTP thread", NULL};
    static const char *const with_workers[] = {"answers for the HTTP thread", "worker 1", NULL};

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = number == 2 ? lab_start(2, NULL, "--live", "--workers=2", NULL)
                                         : lab_start(number, NULL, "--live", NULL);
        client_t       viewer;
        json_t        *frame, *hop;

        look(lab, &viewer);
        frame = frame_with_hops(lab, &viewer);
        cr_expect(json_real_value(json_object_get(frame, "per_second")) > 0);
        cr_expect_eq(number_of(frame, "viewers"), 1);
        cr_expect_eq(number_of(frame, "in_flight"), 0); /* it doesn't count itself */
        expect_names(lab, json_object_get(frame, "threads"), threads[number]);
        expect_names(lab, json_object_get(frame, "queues"), number == 2 ? with_workers : one);
        hop = json_array_get(json_object_get(frame, "hops"), 0);
        cr_expect_str_eq(json_string_value(json_object_get(hop, "from")), "parsed");
        cr_expect(json_real_value(json_object_get(hop, "p99_us")) > 0);
        json_decref(frame);
        client_close(&viewer);
        lab_finish(lab);
    }
}

/* Whichever of lab 5's workers is asked: rates and what is in flight are of all of them. */
Test(live, of_several_http_threads_adds_them_up)
{
    static const char *const names[] = {"worker 1", "worker 2", NULL};

    lab_process_t *lab = lab_start(5, NULL, "--live", "--workers=2", NULL);
    client_t      *viewers = calloc(SOME, sizeof *viewers);
    json_t        *frame;

    for (int i = 0; i < SOME; i++)
        look(lab, &viewers[i]);
    wait_for(lab, &viewers[0], "viewers", SOME);
    do {
        lab_check(lab, "/", 200, NULL); /* answered by either */
        frame = next_frame(lab, &viewers[0]);
        expect_names(lab, json_object_get(frame, "queues"), names);
        cr_expect_eq(number_of(frame, "in_flight"), 0);
        if (json_real_value(json_object_get(frame, "per_second")) > 0)
            break;
        json_decref(frame);
    } while (true);
    json_decref(frame);
    for (int i = 1; i < SOME; i++)
        client_reset(&viewers[i]);
    wait_for(lab, &viewers[0], "viewers", 1); /* though nobody looks at the other worker any more */
    client_close(&viewers[0]);
    free(viewers);
    lab_finish(lab);
}

Test(live, head_and_http_1_0_are_answered_too)
{
    lab_process_t *lab = lab_start(3, NULL, "--live", NULL);
    client_t       c;
    answer_t       a;

    client_connect(&c, lab->port);
    client_send(&c, "HEAD /_lab/events HTTP/1.1\r\nHost: a\r\n\r\n");
    a = client_read_answer_to(&c, "HEAD");
    lab_assert(lab, a.status == 200, "HEAD: %d", a.status);
    answer_free(&a);
    lab_check(lab, "/", 200, NULL);
    client_close(&c);
    client_connect(&c, lab->port);
    client_send(&c, "GET /_lab/events HTTP/1.0\r\n\r\n");
    skip_past(lab, &c, "\r\n\r\nretry: 1000\n\n");
    json_decref(next_frame(lab, &c));
    client_close(&c);
    lab_finish(lab);
}

/* A --request-timeout is for handlers, and a viewer's answer has begun. */
Test(live, a_request_timeout_is_not_for_viewers)
{
    lab_process_t *lab = lab_start(1, NULL, "--live", "--request-timeout=0.05", NULL);
    client_t       viewer;

    look(lab, &viewer);
    for (int i = 0; i < 3; i++)
        json_decref(next_frame(lab, &viewer));
    client_close(&viewer);
    lab_finish(lab);
}

/* ---- Many viewers, slow ones, those that leave ------------------------------------------------ */

/* On lab 5 each HTTP thread has some of them. */
static void look_with_a_hundred(int number)
{
    lab_process_t *lab = lab_start(number, NULL, "--live", NULL);
    client_t      *viewers = calloc(MANY, sizeof *viewers);

    for (int i = 0; i < MANY; i++)
        look(lab, &viewers[i]);
    for (int i = 0; i < MANY; i++)
        wait_for(lab, &viewers[i], "viewers", MANY);
    lab_check(lab, "/", 200, "Hello, World!");
    for (int i = 1; i < MANY; i++)
        client_reset(&viewers[i]);
    wait_for(lab, &viewers[0], "viewers", 1);
    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    lab_free(lab);
    client_close(&viewers[0]);
    free(viewers);
}

Test(live, a_hundred_viewers_all_get_frames)
{
    look_with_a_hundred(1);
    look_with_a_hundred(5);
}

Test(live, there_is_a_limit_to_viewers)
{
    lab_process_t *lab = lab_start(3, NULL, "--live", NULL);
    client_t      *viewers = calloc(MOST, sizeof *viewers);

    for (int i = 0; i < MOST; i++)
        look(lab, &viewers[i]);
    lab_check(lab, "/_lab/events", 503, NULL);
    lab_check(lab, "/", 200, NULL);
    client_reset(&viewers[0]);
    wait_for(lab, &viewers[1], "viewers", MOST - 1);
    look(lab, &viewers[0]);
    for (int i = 0; i < MOST; i++)
        client_close(&viewers[i]);
    lab_finish(lab);
    free(viewers);
}

/* Its receive buffer is the least that there is, and it never reads. */
static void look_without_reading(lab_process_t *lab, client_t *c)
{
    int least = 1;

    client_connect(c, lab->port);
    cr_assert_eq(setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least), 0);
    lab_send_get(c, "/_lab/events");
}

/* With so many workers FRAMES frames are more than the kernel holds. Others get each of them, and a
 * stop doesn't wait for who is behind. */
Test(live, a_viewer_that_never_reads_costs_nobody_anything)
{
    lab_process_t *lab =
        lab_start(2, NULL, "--live", "--workers=128", "--drain-timeout=3600", NULL);
    client_t sleeper, viewer;

    look_without_reading(lab, &sleeper);
    look(lab, &viewer);
    for (int i = 0; i < FRAMES; i++) {
        json_decref(next_frame(lab, &viewer));
        lab_check(lab, "/", 200, "Hello, World!");
    }
    wait_for(lab, &viewer, "viewers", 2);
    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    lab_assert(lab, strstr(lab->out, "client left 1,") != NULL, "it wasn't behind:\n%s", lab->out);
    lab_free(lab);
    client_close(&sleeper);
    client_close(&viewer);
}

/* ---- The end --------------------------------------------------------------------------------- */

Test(live, a_stop_ends_the_events_and_waits_for_no_viewer)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, "--live", "--drain-timeout=3600", NULL);
        client_t       viewer;

        look(lab, &viewer);
        json_decref(next_frame(lab, &viewer));
        kill(lab->pid, SIGTERM);
        skip_past(lab, &viewer, "\r\n0\r\n\r\n"); /* the last chunk */
        lab_assert(lab, client_at_eof(&viewer), "more after the end");
        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        client_close(&viewer);
        lab_free(lab);
    }
}

/* With --stats every request counts in the breakdown, whoever looks. */
Test(live, with_stats_every_request_is_traced)
{
    lab_process_t *lab = lab_start(1, NULL, "--live", "--stats", NULL);
    client_t       viewer;
    json_t        *frame;

    look(lab, &viewer);
    frame = next_frame(lab, &viewer);
    cr_expect_eq(number_of(frame, "traced_one_in"), 1);
    json_decref(frame);
    for (int i = 0; i < 300; i++)
        lab_check(lab, "/", 200, NULL);
    client_close(&viewer);
    lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
    lab_assert(lab, strstr(lab->out, "300 requests") != NULL, "no breakdown of 300 in:\n%s",
               lab->out);
    lab_free(lab);
}
