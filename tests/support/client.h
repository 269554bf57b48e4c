/*
 * A small blocking HTTP client over a raw socket: sends exactly the bytes it is given and reads one
 * answer at a time, strictly. Used by unit tests and integration tests.
 *
 * Every read and every write has a deadline of CLIENT_DEADLINE_MS. It exists only to turn a hang
 * into a failure: nothing here may be used to measure time. Whatever goes wrong fails the test
 * with what was expected and what has been received so far.
 *
 * thread: the test's own; a client_t belongs to one thread.
 */
#ifndef LOOPLAB_TESTS_CLIENT_H
#define LOOPLAB_TESTS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    CLIENT_BUFFER_BYTES = 65536, /* a head must fit; bodies may be larger */
    CLIENT_DEADLINE_MS = 20000,
};

/* A connection; `buf` holds what was received but not consumed yet. */
typedef struct {
    int    fd;
    char   buf[CLIENT_BUFFER_BYTES];
    size_t len;
} client_t;

/* One answer. `head` is everything up to the empty line, `body` the decoded content; both are heap
 * memory, terminated by NUL. `close`: the answer says `Connection: close`. */
typedef struct {
    int    status;
    char  *head;
    char  *body;
    size_t body_len;
    bool   close;
} answer_t;

/* Connect to 127.0.0.1:`port`, with TCP_NODELAY: what is sent apart travels apart. */
void client_connect(client_t *c, int port);

/*
 * Send all of it. A server that has closed meanwhile is no failure here (it may have refused the
 * request early): what it has to say is found by reading.
 */
void client_send(client_t *c, const char *bytes);
void client_send_bytes(client_t *c, const void *data, size_t len);

/*
 * Read one answer; a 100 is an answer of its own. The body is delimited by Content-Length, chunks,
 * or the end of the connection, in the way that RFC 9112, 6.3 says; `method` is that of the request
 * (the answer to HEAD has no body). Free the answer with answer_free().
 */
answer_t client_read_answer(client_t *c);
answer_t client_read_answer_to(client_t *c, const char *method);
void     answer_free(answer_t *a);

/*
 * The value of the first field called `name` (any case), or NULL. The text stands in a static
 * buffer that the next call overwrites.
 */
const char *answer_field(const answer_t *a, const char *name);

/* Send a GET for `target` with a Host field and read the answer. */
answer_t client_get(client_t *c, const char *target);

/* Read an answer, which has this status and, unless it is NULL, this body; else the test fails. */
void client_expect_answer(client_t *c, int status, const char *body);

/*
 * Wait until the server has closed (true) or sent a byte that no answer accounts for (false, the
 * byte stays unread). A reset counts as closed.
 */
bool client_at_eof(client_t *c);

void client_half_close(client_t *c); /* FIN: nothing more will be sent; answers can still be read */
void client_reset(client_t *c);      /* RST: closes as a process that was killed may */
void client_close(client_t *c);      /* an ordinary close; harmless on one that is closed */

#endif
