/*
 * The ladder without sockets: a rung's dispatcher, linked with this in place of lab_main() and of a
 * server's connections. What is left is the bridge: how a request reaches Python and comes back.
 *
 *     offline_NAME [-n REQUESTS] [-w WORKERS] [-i SECONDS] sync|async|native
 *
 * A closed loop of 100 requests in flight, all in this process. A request that is answered is
 * replaced by a new one, which is handed over with the next turn of the HTTP thread's loop; that is
 * a real libuv loop, as completions need one. http_respond_transfer() is the linker's doing (--wrap):
 * dispatchers call the one that stands here. `sync` and `async` choose the bundled app, `native` the
 * route that is answered in C, without a dispatcher.
 *
 * Prints `requests=N cpu_us=C wall_us=W turns=T bad=B`: the first two and the last in all, the times
 * per request; only what lies between the first request and the last answer is measured.
 *
 * `bench/ladder_offline.py` calls it. Everything here runs on the HTTP thread, the main one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/http/internal.h"
#include "common/lab/lab.h"
#include "common/lab/native.h"

enum { IN_FLIGHT = 100, DEFAULT_REQUESTS = 20000, MAX_REQUESTS = 10000000, MAX_WORKERS = 64 };

/* What answers: an app's handler through the dispatcher, or a route in C. */
typedef enum { KIND_SYNC, KIND_ASYNC, KIND_NATIVE, KINDS } kind_t;

static const char *const kinds[] = {"sync", "async", "native"};

typedef struct {
    http_server_t server; /* first: all that a request knows of us. Only some of it is used */

    kind_t   kind;
    long     requests;
    unsigned workers;
    double   switch_interval_s; /* 0: Python's own */

    uv_loop_t       loop;
    bridge_t       *bridge;
    bridge_thread_t python;
    bridge_app_t   *app;
    http_router_t  *router;
    completions_t   completions;
    lab_t          *lab;

    long issued, answered, bad, turns;
} offline_t;

void __wrap_http_respond_transfer(http_request_t *req, http_response_t *resp);

static void on_idle(uv_idle_t *idle);
static void on_check(uv_check_t *check);
static void on_completions(void *owner);

/* ---- The closed loop ------------------------------------------------------------------------- */

/* Out of memory, or the program is broken: no figure is worth having. */
static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "offline: %s\n", what);
    exit(1);
}

/* What the parser makes of "GET / HTTP/1.1" (or of /native). */
static void issue(offline_t *self)
{
    const char     *path = self->kind == KIND_NATIVE ? "/native" : "/";
    http_request_t *req = http_pool_take(self->server.pool);
    bool            path_known;
    int             err = UV_ENOMEM;

    if (req == NULL || http_request_head_append(req, path, strlen(path)) != 0)
        fail("out of memory");
    req->server = &self->server;
    req->method = HTTP_METHOD_GET;
    req->version_minor = 1;
    req->target_len = req->path_len = req->query_at = req->head_len;
    req->route = http_router_match(self->router, req, &path_known, &err);
    if (req->route == NULL)
        fail("no route");
    req->route_arg = req->route->arg;
    self->issued++;
    http_request_list_push(&self->server.ready, req);
}

/* Takes both, as the server's does; the next request takes this one's place. */
void __wrap_http_respond_transfer(http_request_t *req, http_response_t *resp)
{
    offline_t *self = (offline_t *)req->server;

    self->bad += resp == NULL || http_response_status(resp) != 200;
    http_response_free(resp);
    http_request_unref(req);
    self->answered++;
    if (self->issued < self->requests)
        issue(self);
    if (self->answered == self->requests)
        uv_stop(&self->loop);
}

/* While it is active the loop doesn't block: requests are waiting to be handed over. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

/* A turn: hand over what has arrived. */
static void on_check(uv_check_t *check)
{
    offline_t          *self = check->data;
    http_request_list_t ready = self->server.ready;
    http_request_t     *req;

    self->server.ready = (http_request_list_t){0};
    self->turns += ready.count > 0;
    while (self->lab != NULL && ready.count > 0) /* it may leave some for another call */
        lab_on_ready(self->lab, &ready);
    while ((req = http_request_list_pop(&ready)) != NULL)
        req->route->native(req->route->arg, req);
    if (self->server.ready.count > 0)
        uv_idle_start(&self->server.idle, on_idle);
    else
        uv_idle_stop(&self->server.idle);
}

static void on_completions(void *owner)
{
    lab_on_completions(((offline_t *)owner)->lab);
}

/* ---- Start and end --------------------------------------------------------------------------- */

static void open_handles(offline_t *self)
{
    self->server.pool = http_pool_new();
    self->router = http_router_new();
    if (self->server.pool == NULL || self->router == NULL || http_response_pool_open() != 0 ||
        uv_loop_init(&self->loop) != 0 ||
        completions_open(&self->completions, &self->loop, on_completions, self) != 0)
        fail("out of memory");
    uv_check_init(&self->loop, &self->server.check);
    uv_idle_init(&self->loop, &self->server.idle);
    self->server.check.data = self;
    uv_check_start(&self->server.check, on_check);
    uv_idle_start(&self->server.idle, on_idle);
}

static int set_switch_interval(double seconds)
{
    PyObject *sys = PyImport_ImportModule("sys"); /* new */
    PyObject *none =
        sys == NULL ? NULL : PyObject_CallMethod(sys, "setswitchinterval", "d", seconds);

    Py_XDECREF(none);
    Py_XDECREF(sys);
    return none == NULL ? -1 : 0;
}

static void open_app(offline_t *self)
{
    const bridge_options_t options = {.debug = false};
    bool                   sync = self->kind == KIND_SYNC;
    int                    err;

    if (bridge_open(&self->bridge, &options, &self->python) != 0)
        fail("no Python");
    bridge_attach(&self->python);
    err = bridge_app_load(self->bridge, sync ? "sync_app:app" : "async_app:app",
                          sync ? BRIDGE_SYNC : BRIDGE_ASYNC, &self->app);
    if (err == 0 && self->switch_interval_s > 0)
        err = set_switch_interval(self->switch_interval_s);
    bridge_detach(&self->python);
    if (err != 0 || bridge_app_add_routes(self->app, self->router) != 0)
        fail("no app");
}

static void open_lab(offline_t *self)
{
    const lab_context_t context = {
        .loop = &self->loop,
        .bridge = self->bridge,
        .app = self->app,
        .http_thread = &self->python,
        .completions = &self->completions,
        .workers = self->workers,
        .worker_queue = 1000000,
    };

    if (lab_open(&self->lab, &context) != 0)
        fail("the dispatcher can't start");
}

static void open_all(offline_t *self)
{
    open_handles(self);
    if (self->kind == KIND_NATIVE) {
        if (native_add_routes(self->router, &self->loop) != 0)
            fail("out of memory");
        return;
    }
    open_app(self);
    open_lab(self);
}

static void close_all(offline_t *self)
{
    if (self->lab != NULL)
        lab_close(self->lab);
    completions_close(&self->completions);
    uv_close((uv_handle_t *)&self->server.check, NULL);
    uv_close((uv_handle_t *)&self->server.idle, NULL);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    uv_loop_close(&self->loop);
    http_router_free(self->router);
    if (self->bridge != NULL) {
        bridge_attach(&self->python);
        bridge_app_free(self->app);
        bridge_detach(&self->python);
        bridge_close(self->bridge, &self->python);
    }
    http_response_pool_close();
    http_pool_close(self->server.pool);
}

/* ---- Measuring ------------------------------------------------------------------------------- */

static double microseconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void measure(offline_t *self)
{
    double wall = microseconds(CLOCK_MONOTONIC), cpu = microseconds(CLOCK_PROCESS_CPUTIME_ID);

    while (self->issued < self->requests && self->issued < IN_FLIGHT)
        issue(self);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    cpu = microseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    wall = microseconds(CLOCK_MONOTONIC) - wall;
    printf("requests=%ld cpu_us=%.3f wall_us=%.3f turns=%ld bad=%ld\n", self->answered,
           cpu / (double)self->answered, wall / (double)self->answered, self->turns, self->bad);
}

/* returns whether the whole text is a number of that range */
static bool read_number(const char *text, double min, double max, double *value)
{
    char *end;

    *value = strtod(text, &end);
    return end != text && *end == '\0' && *value >= min && *value <= max;
}

static bool parse(offline_t *self, int argc, char **argv)
{
    double value;
    int    option;
    bool   good = true;

    while (good && (option = getopt(argc, argv, "n:w:i:")) != -1) {
        if (option == 'n' && (good = read_number(optarg, 1, MAX_REQUESTS, &value)))
            self->requests = (long)value;
        else if (option == 'w' && (good = read_number(optarg, 1, MAX_WORKERS, &value)))
            self->workers = (unsigned)value;
        else if (option == 'i' && (good = read_number(optarg, 1e-6, 100, &value)))
            self->switch_interval_s = value;
        else
            good = false;
    }
    for (self->kind = 0; good && self->kind < KINDS; self->kind++)
        if (optind + 1 == argc && strcmp(argv[optind], kinds[self->kind]) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    static offline_t self = {.requests = DEFAULT_REQUESTS, .workers = 1};

    if (!parse(&self, argc, argv)) {
        fprintf(stderr, "usage: %s [-n REQUESTS] [-w WORKERS] [-i SECONDS] sync|async|native\n",
                argv[0]);
        return 2;
    }
    open_all(&self);
    measure(&self);
    close_all(&self);
    return self.bad == 0 ? 0 : 1;
}
