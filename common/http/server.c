/*
 * The server: listens, says when a turn is due, keeps the one coarse timer, drains.
 */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/http/internal.h"

enum {
    MIN_TICK_MS = 20,
    MAX_TICK_MS = 1000,
};

static void on_connection(uv_stream_t *listener, int status);
static void on_check(uv_check_t *check);
static void on_prepare(uv_prepare_t *prepare);
static void on_tick(uv_timer_t *timer);
static void on_drain_timeout(uv_timer_t *timer);
static void on_listener_closed(uv_handle_t *handle);
static void on_handle_closed(uv_handle_t *handle);

void http_options_default(http_options_t *options)
{
    *options = (http_options_t){
        .backlog = 1024,
        .max_connections = 10000,
        .max_in_flight = 10000,
        .pipeline_window = 32,
        .max_request_line = 8192,
        .max_header_bytes = 16384,
        .max_headers = 100,
        .max_body = 1024 * 1024,
        .header_timeout_ms = 10 * 1000,
        .body_timeout_ms = 30 * 1000,
        .keepalive_timeout_ms = 60 * 1000,
        .write_timeout_ms = 30 * 1000,
        .request_timeout_ms = 0,
    };
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Fine enough that the shortest time-out is at most a quarter late. */
static uint32_t tick_ms(const http_options_t *options)
{
    uint32_t limits[] = {options->header_timeout_ms, options->body_timeout_ms,
                         options->keepalive_timeout_ms, options->write_timeout_ms,
                         options->request_timeout_ms};
    uint32_t tick = 4 * MAX_TICK_MS;

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i] != 0 && limits[i] < tick)
            tick = limits[i];
    tick /= 4;
    return tick < MIN_TICK_MS ? MIN_TICK_MS : tick;
}

int http_server_open(http_server_t **out, uv_loop_t *loop, const http_options_t *options,
                     const http_router_t *router, const http_events_t *events, void *owner)
{
    http_server_t *server = calloc(1, sizeof *server);

    if (server == NULL)
        return UV_ENOMEM;
    server->pool = http_pool_new();
    if (server->pool == NULL || http_response_pool_open() != 0) {
        free(server->pool);
        free(server);
        return UV_ENOMEM;
    }
    server->loop = loop;
    server->pause_ns = HTTP_PAUSE_NS;
    server->options = *options;
    server->events = *events;
    server->owner = owner;
    server->router = router;
    server->pool->trace = options->trace;
    server->lane = options->trace == NULL ? NULL : trace_lane_here();
    server->trace_every = options->trace != NULL;
    uv_tcp_init(loop, &server->listener);
    uv_check_init(loop, &server->check);
    uv_prepare_init(loop, &server->prepare);
    uv_idle_init(loop, &server->idle);
    uv_timer_init(loop, &server->tick);
    uv_timer_init(loop, &server->drain_timer);
    server->listener.data = server->check.data = server->prepare.data = server->idle.data = server;
    server->tick.data = server->drain_timer.data = server;
    *out = server;
    return 0;
}

static int bound_port(const uv_tcp_t *tcp)
{
    struct sockaddr_storage address;
    int                     len = sizeof address;

    if (uv_tcp_getsockname(tcp, (struct sockaddr *)&address, &len) != 0)
        return 0;
    return http_port_of(&address);
}

/* Descriptors may be opened up to this number before they are scarce. */
static unsigned fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    return limit.rlim_cur <= HTTP_SPARE_FDS ? 0 : (unsigned)limit.rlim_cur - HTTP_SPARE_FDS;
}

int http_server_listen(http_server_t *server, const char *host, int port, bool reuse_port)
{
    struct sockaddr_storage address;
    int                     err;

    if (http_parse_address(host, port, &address) != 0)
        return UV_EINVAL;
    if (reuse_port && (err = http_open_shared(&server->listener, address.ss_family)) != 0)
        return err;
    err = uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0);
    if (err == 0)
        err = uv_listen((uv_stream_t *)&server->listener, server->options.backlog, on_connection);
    if (err != 0)
        return err;
    server->fd_limit = fd_limit();
    server->port = bound_port(&server->listener);
    server->listening = true;
    uv_check_start(&server->check, on_check);
    uv_prepare_start(&server->prepare, on_prepare);
    uv_timer_start(&server->tick, on_tick, tick_ms(&server->options), tick_ms(&server->options));
    return 0;
}

void http_server_trace(http_server_t *server, unsigned every)
{
    server->trace_every = server->options.trace != NULL ? every : 0;
    server->untraced = 0;
}

int http_server_port(const http_server_t *server)
{
    return server->port;
}

const http_stats_t *http_server_stats(const http_server_t *server)
{
    return &server->stats;
}

unsigned http_server_in_flight(const http_server_t *server)
{
    return server->in_flight;
}

unsigned http_server_connections(const http_server_t *server)
{
    return server->conn_count;
}

static http_stage_t stage_of(const http_request_t *req)
{
    if (req->answered)
        return HTTP_STAGE_ANSWERED;
    if (req->stream != NULL)
        return HTTP_STAGE_STREAMED;
    if (req->lent && (req->dispatched || req->route->native != NULL))
        return HTTP_STAGE_HANDLED;
    return HTTP_STAGE_WAITING;
}

/* The loop's own time stands still while a handler runs, hence the look at the clock. */
void http_server_visit(const http_server_t *server,
                       void (*visit)(void *arg, const http_request_t *req, http_stage_t stage,
                                     uint64_t age_ms),
                       void *arg)
{
    uint32_t now_ms = (uint32_t)(uv_hrtime() / 1000000);

    for (const http_conn_t *conn = server->conns; conn != NULL; conn = conn->next)
        for (const http_request_t *req = conn->pipeline_head; req != NULL; req = req->pipeline_next)
            visit(arg, req, stage_of(req), now_ms - req->parsed_at_ms);
}

/* ---- Connections come and go ----------------------------------------------------------------- */

/*
 * Out of descriptors libuv would accept connections and close them at once. So accepting stops a few
 * descriptors earlier, which are left to Python. The kernel hands out the lowest number that is free:
 * a high one says that nearly all are taken.
 */
void http_server_watch_fds(http_server_t *server, const uv_tcp_t *accepted)
{
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)accepted, &fd) == 0 && (unsigned)fd >= server->fd_limit)
        server->fds_watched = true;
}

/* Asks the kernel what number it would give, from the time on when they have once been scarce. */
static bool fds_scarce(http_server_t *server)
{
    uv_os_fd_t listener;
    int        lowest;

    if (!server->fds_watched)
        return false;
    if (uv_fileno((uv_handle_t *)&server->listener, &listener) != 0)
        return true;
    lowest = fcntl(listener, F_DUPFD_CLOEXEC, 0);
    if (lowest >= 0)
        close(lowest);
    return lowest < 0 || (unsigned)lowest >= server->fd_limit;
}

static bool may_accept(http_server_t *server)
{
    return server->conn_count < server->options.max_connections && !fds_scarce(server);
}

/* A connection that isn't accepted stays in the backlog, and libuv asks for no further one. */
static void on_connection(uv_stream_t *listener, int status)
{
    http_server_t *server = listener->data;

    http_server_awake(server);
    if (status != 0 || server->draining)
        return;
    server->accept_paused = !may_accept(server);
    if (!server->accept_paused)
        http_conn_accept(server);
}

/* Take the connection that waits in the backlog, if there is room for it by now. */
static void resume_accepting(http_server_t *server)
{
    if (!server->accept_paused || server->draining || !may_accept(server))
        return;
    server->accept_paused = false;
    http_conn_accept(server);
}

static void check_drained(http_server_t *server)
{
    if (!server->draining || server->listening || server->conn_count > 0 || server->drained)
        return;
    server->drained = true;
    uv_timer_stop(&server->drain_timer);
    server->events.on_drained(server->owner);
}

void http_server_conn_closed(http_server_t *server)
{
    resume_accepting(server);
    check_drained(server);
}

/* ---- The turn -------------------------------------------------------------------------------- */

static void on_check(uv_check_t *check)
{
    http_server_awake(check->data);
    http_server_turn(check->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    http_server_t *server = prepare->data;

    http_server_turn(server);
    trace_lane_state(server->lane, TRACE_POLLING);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *timer)
{
    http_server_t *server = timer->data;
    uint32_t       now = http_now(server);

    for (http_conn_t *conn = server->conns; conn != NULL; conn = conn->next)
        http_conn_check_time(conn, now);
    resume_accepting(server); /* descriptors or memory may have become free elsewhere */
}

void http_server_drain(http_server_t *server, uint32_t timeout_ms)
{
    if (server->drained ||
        (server->draining && uv_timer_get_due_in(&server->drain_timer) <= timeout_ms))
        return;
    uv_timer_start(&server->drain_timer, on_drain_timeout, timeout_ms, 0);
    if (server->draining)
        return;
    server->draining = true;
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
    for (http_conn_t *conn = server->conns; conn != NULL; conn = conn->next) {
        if (conn->state == HTTP_CONN_READING && conn->in_flight == 0 && conn->parsing == NULL &&
            conn->stash == NULL && conn->output == NULL)
            http_conn_gone(conn); /* idle */
        else
            http_conn_settle(conn);
    }
}

static void on_listener_closed(uv_handle_t *handle)
{
    http_server_t *server = handle->data;

    server->listening = false;
    check_drained(server);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    http_server_t *server = timer->data;

    for (http_conn_t *conn = server->conns; conn != NULL; conn = conn->next)
        http_conn_cut_off(conn);
}

/* ---- Closing --------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    http_server_t *server = handle->data;

    if (--server->handles_open == 0)
        free(server);
}

void http_server_close(http_server_t *server)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&server->check,       (uv_handle_t *)&server->prepare,
        (uv_handle_t *)&server->idle,        (uv_handle_t *)&server->tick,
        (uv_handle_t *)&server->drain_timer, (uv_handle_t *)&server->listener};

    assert(server->conn_count == 0);
    http_pool_close(server->pool);
    http_response_pool_close();
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++) {
        if (uv_is_closing(handles[i]))
            continue;
        server->handles_open++;
        uv_close(handles[i], on_handle_closed);
    }
}
