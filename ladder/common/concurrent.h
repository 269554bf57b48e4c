/*
 * A concurrent.futures.Future's result as a response, for the rungs that have no asyncio future
 * around it.
 *
 * When such a future is cancelled it raises an error of its own module, not asyncio's, which is the
 * one that bridge_response() knows. Here both mean the same: nobody wants the answer, 503.
 */
#ifndef LOOPLAB_LADDER_CONCURRENT_H
#define LOOPLAB_LADDER_CONCURRENT_H

#include "common/bridge/bridge.h"

/* Read-only between open and close: any thread, attached. */
typedef struct {
    PyObject *result;    /* owned: the method's name */
    PyObject *cancelled; /* owned: concurrent.futures.CancelledError */
} concurrent_t;

/* Both attach by themselves, as `thread`, the caller's state. 0, or -1 (said on stderr) */
int  concurrent_open(concurrent_t *self, bridge_thread_t *thread);
void concurrent_close(concurrent_t *self, bridge_thread_t *thread); /* zeroed is allowed */

/*
 * Ask `future` for its result; it blocks, detached, until there is one, which is marked: converted.
 * One that was cancelled is no longer traced. Borrows all it is given, of the caller's own request.
 * attached           returns what bridge_response() does, which the caller owns
 */
http_response_t *concurrent_response(const concurrent_t *self, http_request_t *req,
                                     PyObject *future);

#endif
