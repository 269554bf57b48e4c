/*
 * SIGUSR1: what is going on in here, on standard error: each request in flight, then Python's
 * traceback of each thread.
 *
 *   1 request in flight:
 *      12.034 s  GET /wait?ms=60000  in wait (async_app.py:31), last hop: started
 *   Thread 0x00007f58c1ffb6c0 (most recent call first):
 *     File "/usr/lib/python3.11/selectors.py", line 468 in select
 *     ...
 *
 * A coroutine that awaits is on no thread's stack: its request's line names the handler. The last hop
 * is known of requests that are traced (--stats, --trace).
 *
 * Between two turns of the HTTP thread all of it is done attached, so that on a build with a GIL
 * every thread's frames stand still. An HTTP thread that doesn't come round is in a handler or waits
 * for the GIL; it is interrupted by a signal, and reads its own lists where it stands. Then Python's
 * faulthandler reads the frames without the GIL (of a free-threaded Python only that thread's).
 */
#ifndef LOOPLAB_INSPECT_H
#define LOOPLAB_INSPECT_H

#include "common/bridge/bridge.h"
#include "common/http/http.h"

/*
 * `trace` NULL: nothing is traced. `worker`: which of several servers this is, counted from 1; 0: the
 * only one. thread: HTTP, or a signal handler in it; async-signal-safe
 */
void inspect_requests(const http_server_t *server, const trace_t *trace, unsigned worker);

#endif
