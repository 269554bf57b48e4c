/*
 * Many clients at once, well-behaved ones beside rude ones: no answer is lost, doubled or swapped,
 * and every request comes to exactly one end (answered, its client left, cut off).
 *
 * The well-behaved ones send numbered requests and check each answer's number; how many answers
 * they got must be what the app has counted. The rude ones send pieces of requests, pipelines and
 * malformed lines, read some of the answers, and leave in every way there is.
 *
 * Work is bounded by counts, never by a clock. Client threads use no assertion: Criterion's belong
 * to the test's own thread, which judges what they bring back. These tests also run on labs that
 * are built with a thread sanitizer (`make test-tsan`).
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/lab_process.h"

enum {
    GOOD_THREADS = 4,
    CONNECTIONS = 16, /* of each good thread: 64 in all */
    ROUNDS = 20,      /* of each good thread; a request per connection each */
    RUDE_THREADS = 3,
    RUDE_VISITS = 60, /* of each rude thread */
    DEADLINE_MS = 60000,
};

TestSuite(stress, .fini = lab_processes_end, .timeout = 600);

/* What a client thread does, and what it brings back. Its own until it is joined. */
typedef struct {
    int      port;
    unsigned seed;         /* of its random choices */
    bool     until_closed; /* go on until the server closes; a closed connection is no fault */
    sem_t   *under_way;    /* shared: posted after its first round */
    unsigned good;         /* right answers */
    char     wrong[256];   /* the first thing that was not as it should be */
} visitor_t;

/* ---- A quiet client: returns, where client.h would fail the test ------------------------------ */

static int open_connection(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool send_text(int fd, const char *text, size_t len)
{
    return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Read one answer with a Content-Length into `buf`. returns its bytes, 0 at the end, -1: trouble */
static int read_answer(int fd, char *buf, size_t cap)
{
    size_t len = 0, need = 0;

    while (need == 0 || len < need) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        const char   *end, *length;
        ssize_t       got;

        if (poll(&poll_fd, 1, DEADLINE_MS) != 1)
            return -1;
        got = recv(fd, buf + len, need == 0 ? 1 : need - len, 0); /* never into the next answer */
        if (got <= 0)
            return len == 0 ? 0 : -1;
        len += (size_t)got;
        buf[len] = '\0';
        end = need == 0 ? strstr(buf, "\r\n\r\n") : NULL;
        length = end == NULL ? NULL : strstr(buf, "Content-Length: ");
        if (end != NULL && length == NULL)
            return -1;
        if (end != NULL)
            need = (size_t)(end + 4 - buf) + strtoul(length + 16, NULL, 10);
        if (need >= cap || len + 1 >= cap)
            return -1;
    }
    return (int)len;
}

/* ---- Well-behaved clients -------------------------------------------------------------------- */

/* Does the answer say 200 and carry this number? */
static bool is_answer_to(const char *answer, unsigned number)
{
    char        expected[16];
    const char *body = strstr(answer, "\r\n\r\n");

    snprintf(expected, sizeof expected, "%u", number);
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0 && body != NULL &&
           strcmp(body + 4, expected) == 0;
}

/* Ask for `number` on every open connection, then read all the answers. returns what is still open */
static int visit_all(visitor_t *self, int *fds, unsigned number)
{
    char text[128], answer[1024];
    int  open = 0;

    for (int i = 0; i < CONNECTIONS; i++) {
        int len = snprintf(text, sizeof text, "GET /good/%u HTTP/1.1\r\nHost: t\r\n\r\n",
                           number * CONNECTIONS + (unsigned)i);

        if (fds[i] >= 0)
            send_text(fds[i], text, (size_t)len); /* a failure shows when the answer is read */
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        int len = fds[i] < 0 ? 0 : read_answer(fds[i], answer, sizeof answer);

        if (len > 0 && is_answer_to(answer, number * CONNECTIONS + (unsigned)i)) {
            self->good++;
            open++;
            continue;
        }
        if ((len != 0 || !self->until_closed) && fds[i] >= 0 && self->wrong[0] == '\0')
            snprintf(self->wrong, sizeof self->wrong, "request %u got %d bytes: %.160s", number,
                     len, len > 0 ? answer : "");
        if (fds[i] >= 0)
            close(fds[i]);
        fds[i] = -1;
    }
    return open;
}

static void *good_main(void *arg)
{
    visitor_t *self = arg;
    int        fds[CONNECTIONS];

    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = open_connection(self->port);
    for (unsigned round = 0; self->until_closed || round < ROUNDS; round++) {
        int open = visit_all(self, fds, round);

        if (round == 0)
            sem_post(self->under_way);
        if (open == 0)
            break;
    }
    for (int i = 0; i < CONNECTIONS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return NULL;
}

/* ---- Rude clients ---------------------------------------------------------------------------- */

#define GET(target) "GET " target " HTTP/1.1\r\nHost: t\r\n\r\n"

static const char *const rude_requests[] = {
    GET("/slow/1"),
    GET("/slow/1") GET("/slow/2") GET("/raise") GET("/native"),
    GET("/raise"),
    "GET /slow/3 HT",
    "POST /slow/4 HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\nhello",
    GET("/native/stream?chunks=50&size=4000"),
    GET("/native/cpu?n=300"),
    GET("/nowhere"),
    "no request at all\r\n\r\n",
};

/* Leave: by RST, by half-closing and reading on for a moment, or by an ordinary close. */
static void leave(visitor_t *self, int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    char          buf[256];

    switch (rand_r(&self->seed) % 4) {
    case 0:
    case 1:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        break;
    case 2:
        shutdown(fd, SHUT_WR);
        if (recv(fd, buf, sizeof buf, 0) < 0)
            break; /* whatever: it was rude anyway */
        break;
    default:
        break;
    }
    close(fd);
}

static void *rude_main(void *arg)
{
    visitor_t *self = arg;
    char       buf[512];

    for (int visit = 0; visit < RUDE_VISITS; visit++) {
        int fd = open_connection(self->port);

        for (int i = rand_r(&self->seed) % 3; fd >= 0 && i >= 0; i--) {
            const char *text = rude_requests[(size_t)rand_r(&self->seed) %
                                             (sizeof rude_requests / sizeof rude_requests[0])];

            send_text(fd, text, strlen(text));
            if (rand_r(&self->seed) % 3 == 0)
                recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        }
        if (fd >= 0)
            leave(self, fd);
    }
    return NULL;
}

/* ---- The tests ------------------------------------------------------------------------------- */

typedef struct {
    pthread_t threads[GOOD_THREADS + RUDE_THREADS];
    visitor_t visitors[GOOD_THREADS + RUDE_THREADS];
    sem_t     under_way;
} crowd_t;

/* Returns once every good client has its first answers. */
static void crowd_start(crowd_t *crowd, int port, bool until_closed)
{
    *crowd = (crowd_t){0};
    sem_init(&crowd->under_way, 0, 0);
    for (unsigned i = 0; i < GOOD_THREADS + RUDE_THREADS; i++) {
        crowd->visitors[i] = (visitor_t){.port = port,
                                         .seed = i + 1,
                                         .under_way = &crowd->under_way,
                                         .until_closed = until_closed};
        pthread_create(&crowd->threads[i], NULL, i < GOOD_THREADS ? good_main : rude_main,
                       &crowd->visitors[i]);
    }
    for (int i = 0; i < GOOD_THREADS; i++)
        sem_wait(&crowd->under_way);
}

/* Wait for all of them. returns how many right answers the good ones got */
static unsigned crowd_join(crowd_t *crowd, lab_process_t *lab)
{
    unsigned good = 0;

    for (unsigned i = 0; i < GOOD_THREADS + RUDE_THREADS; i++)
        pthread_join(crowd->threads[i], NULL);
    for (unsigned i = 0; i < GOOD_THREADS; i++) {
        lab_assert(lab, crowd->visitors[i].wrong[0] == '\0', "well-behaved client %u: %s", i,
                   crowd->visitors[i].wrong);
        good += crowd->visitors[i].good;
    }
    return good;
}

/* Its last words: the app's count is the clients' count, and the ends add up to what was parsed. */
static void judge(lab_process_t *lab, unsigned good)
{
    const char        *served = strstr(lab->out, "served for"), *ends, *counts;
    unsigned long long parsed = 0, answered = 0, left = 0, cut_off = 0;
    unsigned           counted = 0, cancelled = 0, raised = 0;

    lab_assert(lab, served != NULL, "no summary in: %s", lab->out);
    ends = strstr(served, "client left");
    counts = strstr(lab_stderr(lab), "counts good");
    lab_assert(lab, ends != NULL && counts != NULL, "no counts");
    sscanf(served, "served for %*f s: %*u connections, %llu requests\n answered %llu", &parsed,
           &answered);
    sscanf(ends, "client left %llu, cut off %llu", &left, &cut_off);
    sscanf(counts, "counts good %u cancelled %u raised %u", &counted, &cancelled, &raised);
    lab_assert(lab, parsed == answered + left + cut_off,
               "%llu requests, but %llu answered + %llu left + %llu cut off", parsed, answered,
               left, cut_off);
    lab_assert(lab, counted == good, "handlers ran %u times, clients got %u answers", counted,
               good);
    lab_assert(lab, cut_off == 0, "%llu requests cut off", cut_off);
    lab_assert(lab, answered >= good && raised > 0, "answered %llu, raised %u", answered, raised);
}

/* `traced`: all that tracing does is done, and thrown away. */
static lab_process_t *start(int number, bool traced)
{
    const char *trace = traced ? "--trace=/dev/null" : NULL; /* NULL ends the arguments */
    const char *stats = traced ? "--stats=/dev/null" : NULL;

    return number == 2
               ? lab_start(number, "stress", "--log-level=error", "--workers=8", trace, stats, NULL)
               : lab_start(number, "stress", "--log-level=error", trace, stats, NULL);
}

static void check_crowd(bool traced)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = start(number, traced);
        crowd_t        crowd;
        unsigned       good;
        int            status;

        crowd_start(&crowd, lab->port, false);
        if (traced)
            kill(lab->pid, SIGUSR1); /* looks at the records while their owners write */
        good = crowd_join(&crowd, lab);
        status = lab_stop(lab, SIGTERM);
        lab_assert(lab, status == 0, "exit status %d", status);
        lab_assert(lab, good == GOOD_THREADS * CONNECTIONS * ROUNDS, "only %u answers", good);
        judge(lab, good);
        lab_free(lab);
    }
}

Test(stress, well_behaved_clients_get_every_answer_beside_rude_ones)
{
    check_crowd(false);
}

Test(stress, tracing_loses_nothing_either)
{
    check_crowd(true);
}

Test(stress, a_drain_under_load_answers_what_was_read_and_loses_nothing)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = start(number, false);
        crowd_t        crowd;
        unsigned       good;
        int            status;

        crowd_start(&crowd, lab->port, true);
        status = lab_stop(lab, SIGTERM);
        good = crowd_join(&crowd, lab);
        lab_assert(lab, status == 0, "exit status %d", status);
        judge(lab, good);
        lab_free(lab);
    }
}
