/*
 * Lab 5 with two workers, for the tests of what they do to each other: each isolation that its Python
 * has, and a connection to each worker. thread: the test's own
 */
#ifndef LOOPLAB_TESTS_CORES_H
#define LOOPLAB_TESTS_CORES_H

#include "tests/support/lab_client.h"

enum {
    THREADS,
    INTERPRETERS,
    PROCESSES,
    ISOLATIONS,
};

/* --isolation=... */
extern const char *const cores_option[ISOLATIONS];

/* Has its Python sub-interpreters with a GIL each? Else it refuses INTERPRETERS. */
bool cores_have_own_gils(void);

/* For loops over the isolations of this Python. */
int cores_next(int isolation);

/* Lab 5 with two workers that serve tests/apps/cores.py. */
lab_process_t *cores_start(int isolation);

typedef struct {
    int worker, process;
} cores_who_t;

/* The worker whose connection this is; the lab serves cores.py. */
cores_who_t cores_ask(lab_process_t *lab, client_t *client);

typedef struct {
    client_t    clients[2];
    cores_who_t who[2];
} cores_t;

/* A connection to each of two workers. */
void cores_connect(lab_process_t *lab, cores_t *pair);

/* The same once the hooks have run on both workers. */
void cores_connect_started(lab_process_t *lab, cores_t *pair);

void cores_close(cores_t *pair);

#endif
