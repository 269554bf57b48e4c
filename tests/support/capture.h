/*
 * What a test's own process writes to standard output or standard error, as text: messages for
 * users are part of the contract, so tests read them.
 */
#ifndef LOOPLAB_TESTS_CAPTURE_H
#define LOOPLAB_TESTS_CAPTURE_H

typedef struct {
    int fd;    /* the stream that is captured: 1 or 2 */
    int saved; /* where it went before */
    int file;  /* where it goes now */
} capture_t;

/* Send what is written to `fd` to a file from here on. Fails the test if that can't be done. */
void capture_begin(capture_t *capture, int fd);

/* Restore the stream. returns what was written meanwhile, terminated; the caller frees it */
char *capture_end(capture_t *capture);

#endif
