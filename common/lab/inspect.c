/*
 * May run in a signal handler, so it allocates nothing, takes no lock and formats by itself: it
 * fills a buffer on the stack, which leaves by write(2).
 */
#include "common/lab/inspect.h"

#include <string.h>
#include <unistd.h>

enum {
    BUFFER = 4096,
    TARGET_MAX_BYTES = 200, /* of a target; the rest isn't shown */
};

typedef struct {
    const trace_t *trace;       /* borrowed; NULL: nothing is traced */
    unsigned       shown, lent; /* requests; those of them that a handler works on */
    size_t         len;
    char           buf[BUFFER];
} report_t;

static void flush(report_t *report)
{
    for (size_t at = 0; at < report->len;) {
        ssize_t n = write(STDERR_FILENO, report->buf + at, report->len - at);

        if (n <= 0)
            break; /* nowhere to complain */
        at += (size_t)n;
    }
    report->len = 0;
}

static void put(report_t *report, const char *text, size_t len)
{
    if (len > BUFFER - report->len)
        flush(report);
    if (len > BUFFER)
        len = BUFFER;
    memcpy(report->buf + report->len, text, len);
    report->len += len;
}

static void put_text(report_t *report, const char *text)
{
    put(report, text, strlen(text));
}

/* With zeros before it up to `width` digits. */
static void put_number(report_t *report, uint64_t number, int width)
{
    char  digits[24];
    char *first = digits + sizeof digits;

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
        width--;
    } while (number > 0 || width > 0);
    put(report, first, (size_t)(digits + sizeof digits - first));
}

/* What isn't printable ASCII as \xHH: a target is the client's. */
static void put_target(report_t *report, http_slice_t target)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < target.len && i < TARGET_MAX_BYTES; i++) {
        unsigned char c = (unsigned char)target.data[i];
        char          escaped[] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

        if (c >= 0x20 && c < 0x7f)
            put(report, target.data + i, 1);
        else
            put(report, escaped, sizeof escaped);
    }
    if (target.len > TARGET_MAX_BYTES)
        put_text(report, "...");
}

static void put_stage(report_t *report, const http_request_t *req, http_stage_t stage)
{
    switch (stage) {
    case HTTP_STAGE_WAITING:
        put_text(report, "waits for those before it");
        break;
    case HTTP_STAGE_HANDLED:
        put_text(report, "in ");
        put_text(report, http_request_is_native(req) ? "C" : bridge_handler_where(req));
        break;
    case HTTP_STAGE_STREAMED:
        put_text(report, "its answer is being sent");
        break;
    case HTTP_STAGE_ANSWERED:
        put_text(report, "answered, waits for its turn on the connection");
        break;
    }
}

/* How far it has come, if it is traced: by its record, since the request itself may be another's. */
static void put_last_hop(report_t *report, const http_request_t *req)
{
    const char *hop = trace_last_hop(report->trace, req->trace_record);

    if (hop == NULL)
        return;
    put_text(report, ", last hop: ");
    put_text(report, hop);
}

static void on_visit(void *arg, const http_request_t *req, http_stage_t stage, uint64_t age_ms)
{
    report_t   *report = arg;
    const char *method = http_request_method_sent(req);

    report->shown++;
    report->lent += req->lent;
    put_text(report, "  ");
    put_number(report, age_ms / 1000, 1);
    put_text(report, ".");
    put_number(report, age_ms % 1000, 3);
    put_text(report, " s  ");
    put_text(report, method == NULL ? "-" : method);
    put_text(report, " ");
    put_target(report, http_request_target(req));
    put_text(report, "  ");
    put_stage(report, req, stage);
    put_last_hop(report, req);
    put_text(report, "\n");
}

void inspect_requests(const http_server_t *server, const trace_t *trace, unsigned worker)
{
    report_t report;
    unsigned in_flight = http_server_in_flight(server);

    report.trace = trace;
    report.shown = report.lent = 0;
    report.len = 0;
    put_text(&report, "SIGUSR1");
    if (worker > 0) {
        put_text(&report, ", worker ");
        put_number(&report, worker, 1);
    }
    put_text(&report, ": ");
    put_number(&report, in_flight, 1);
    put_text(&report, in_flight == 1 ? " request in flight\n" : " requests in flight\n");
    http_server_visit(server, on_visit, &report);
    if (in_flight > report.lent) {
        put_text(&report, "  and ");
        put_number(&report, in_flight - report.lent, 1);
        put_text(&report, " whose client has left or was told 504\n");
    }
    if (report.shown > 0 && trace == NULL)
        put_text(&report, "  (with --stats or --trace also the last hop of each)\n");
    flush(&report);
}
