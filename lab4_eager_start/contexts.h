/*
 * A context for each request, as asyncio makes one for each task: a copy, so that no request sees
 * what another one has set.
 *
 * Most handlers set nothing. A copy that comes back as it was made, with no variable in it and
 * nobody else who knows it, can't be told from a new one, and is the next request's.
 *
 * Everything here runs on the HTTP thread, attached.
 */
#ifndef LOOPLAB_LAB4_CONTEXTS_H
#define LOOPLAB_LAB4_CONTEXTS_H

#include "common/lab/lab.h"

typedef struct {
    PyObject *original; /* owned: what all are copies of */
    PyObject *spare;    /* owned: a copy that came back as it was made; NULL: there is none */
} contexts_t;

/*
 * The original is what the calling thread's context is now. `self` is zeroed; contexts_close() is due
 * in any case. returns 0, or -1 with an exception set
 */
int  contexts_open(contexts_t *self);
void contexts_close(contexts_t *self);

/* A request's context; new. NULL with an exception set: no memory */
PyObject *contexts_take(contexts_t *self);

/* The caller is through with it: releases its reference. NULL: nothing */
void contexts_give_back(contexts_t *self, PyObject *context);

#endif
