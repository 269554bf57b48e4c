/*
 * The access log: what its lines look like, that nothing a client sends can forge one, when they are
 * written, and what becomes of them when they can't be.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/lab/access_log.h"
#include "tests/support/capture.h"
#include "tests/support/text.h"

TestSuite(access_log, .timeout = 60);

enum { TEXT_BYTES = 1 << 20 };

static uv_loop_t     loop;
static access_log_t *access_log;
static char          path[] = "/tmp/looplab-test-XXXXXX";

static void open_log(const char *file, access_log_format_t format)
{
    int err;

    signal(SIGPIPE, SIG_IGN); /* as lab_main() has it */
    cr_assert(uv_loop_init(&loop) == 0);
    err = access_log_open(&access_log, &loop, file, format);
    cr_assert(err == 0, "%s: %s", file, uv_strerror(err));
}

/* A file of its own, removed by close_log(). */
static void open_file_log(access_log_format_t format)
{
    close(mkstemp(path));
    open_log(path, format);
}

static void end_turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* returns the lines that were lost */
static uint64_t close_log(void)
{
    uint64_t lost = access_log_close(access_log);

    end_turn();
    cr_expect(uv_loop_close(&loop) == 0, "something is left on the loop");
    unlink(path);
    return lost;
}

static http_request_t request(http_method_t method, const char *target)
{
    return (http_request_t){.method = method,
                            .version_minor = 1,
                            .head = (char *)(uintptr_t)target,
                            .target_len = (uint32_t)strlen(target)};
}

static http_outcome_t outcome(http_end_t end, int status, uint64_t bytes)
{
    return (http_outcome_t){
        .end = end, .status = status, .bytes = bytes, .duration_ns = 1234567, .peer = "192.0.2.1"};
}

static void add(const char *target)
{
    const http_request_t req = request(HTTP_METHOD_GET, target);
    const http_outcome_t end = outcome(HTTP_END_ANSWERED, 200, 13);

    access_log_add(access_log, &req, &end);
}

/* What the file holds; valid until the next call. */
static const char *contents(const char *file)
{
    static char text[TEXT_BYTES];
    FILE       *stream = fopen(file, "r");

    cr_assert(stream != NULL, "%s isn't there", file);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    return text;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* Check the time that follows `before`, and put TIME in its place. */
static void mask_time(char *line, const char *before, const char *format)
{
    struct tm tm = {0};
    char     *start = strstr(line, before), *end;
    time_t    now = time(NULL);

    cr_assert(start != NULL, "no time in \"%s\"", line);
    start += strlen(before);
    end = strptime(start, format, &tm);
    cr_assert(end != NULL, "no time in \"%s\"", line);
    cr_expect(timegm(&tm) <= now && timegm(&tm) > now - 60, "not now: \"%s\"", line);
    memmove(start + 4, end, strlen(end) + 1);
    memcpy(start, "TIME", 4);
}

typedef struct {
    http_method_t method;
    const char   *target;
    http_end_t    end;
    int           status;
    uint64_t      bytes;
    const char   *common, *json; /* from the request line on */
} line_t;

static const line_t lines[] = {
    {HTTP_METHOD_GET, "/", HTTP_END_ANSWERED, 200, 13, "\"GET / HTTP/1.1\" 200 13 0.001234",
     "\"method\":\"GET\",\"target\":\"/\",\"version\":\"HTTP/1.1\",\"status\":200,\"bytes\":13,"
     "\"seconds\":0.001234,\"end\":\"answered\"}"},
    {HTTP_METHOD_HEAD, "/x?a=b&c", HTTP_END_ANSWERED, 304, 0,
     "\"HEAD /x?a=b&c HTTP/1.1\" 304 - 0.001234",
     "\"method\":\"HEAD\",\"target\":\"/x?a=b&c\",\"version\":\"HTTP/1.1\",\"status\":304,"
     "\"bytes\":0,\"seconds\":0.001234,\"end\":\"answered\"}"},
    {HTTP_METHOD_POST, "/slow", HTTP_END_ABANDONED, 0, 0, "\"POST /slow HTTP/1.1\" 499 - 0.001234",
     "\"method\":\"POST\",\"target\":\"/slow\",\"version\":\"HTTP/1.1\",\"status\":499,\"bytes\":0,"
     "\"seconds\":0.001234,\"end\":\"abandoned\"}"},
    {HTTP_METHOD_GET, "/slow", HTTP_END_CUT_OFF, 200, 7, "\"GET /slow HTTP/1.1\" 444 7 0.001234",
     "\"method\":\"GET\",\"target\":\"/slow\",\"version\":\"HTTP/1.1\",\"status\":444,\"bytes\":7,"
     "\"seconds\":0.001234,\"end\":\"cut off\"}"},
    /* Nothing ends the line, or the string in it. */
    {HTTP_METHOD_GET, "/\r\n127.0.0.1 - - \"\\\x01\x7f\xc3\xa9\x1b[31m", HTTP_END_ANSWERED, 404, 14,
     "\"GET /\\x0D\\x0A127.0.0.1 - - \\x22\\x5C\\x01\\x7F\\xC3\\xA9\\x1B[31m HTTP/1.1\" 404 14 "
     "0.001234",
     "\"method\":\"GET\",\"target\":\"/\\u000D\\u000A127.0.0.1 - - "
     "\\u0022\\u005C\\u0001\\u007F\\u00C3\\u00A9\\u001B[31m\",\"version\":\"HTTP/1.1\",\"status\":"
     "404,\"bytes\":14,\"seconds\":0.001234,\"end\":\"answered\"}"},
};

static void check_lines(access_log_format_t format)
{
    bool json = format == ACCESS_LOG_JSON;

    open_file_log(format);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const http_request_t req = request(lines[i].method, lines[i].target);
        const http_outcome_t end = outcome(lines[i].end, lines[i].status, lines[i].bytes);
        char                 seen[1024], expected[1024];

        access_log_add(access_log, &req, &end);
        end_turn();
        snprintf(seen, sizeof seen, "%s", contents(path));
        cr_assert(truncate(path, 0) == 0);
        if (json)
            mask_time(seen, "{\"time\":\"", "%Y-%m-%dT%H:%M:%SZ");
        else
            mask_time(seen, " - - [", "%d/%b/%Y:%H:%M:%S +0000");
        snprintf(expected, sizeof expected,
                 json ? "{\"time\":\"TIME\",\"peer\":\"192.0.2.1\",%s\n"
                      : "192.0.2.1 - - [TIME] %s\n",
                 json ? lines[i].json : lines[i].common);
        cr_expect(strcmp(seen, expected) == 0, "expected %sseen     %s", expected, seen);
    }
    cr_expect(close_log() == 0);
}

Test(access_log, lines_in_the_common_log_format)
{
    check_lines(ACCESS_LOG_COMMON);
}

Test(access_log, lines_as_json)
{
    check_lines(ACCESS_LOG_JSON);
}

/* The end of what was logged last, behind the time. */
static const char *last_line(const char *behind)
{
    const char *text;

    end_turn();
    text = strstr(contents(path), behind);
    cr_assert(text != NULL, "no \"%s\" in \"%s\"", behind, contents(path));
    return text;
}

/* What was refused is logged as far as it was understood. */
Test(access_log, of_a_refused_request_only_what_is_known)
{
    const http_outcome_t end = outcome(HTTP_END_ANSWERED, 400, 16);
    http_request_t       req = request(HTTP_METHOD_GET, "");

    open_file_log(ACCESS_LOG_COMMON);
    req.refused = true;
    access_log_add(access_log, &req, &end);
    cr_expect_str_eq(last_line("] "), "] \"-\" 400 16 0.001234\n");
    cr_assert(truncate(path, 0) == 0);
    req = request(HTTP_METHOD_GET, "/a");
    req.refused = true;
    req.refused_method = 4; /* llhttp's number of PUT */
    access_log_add(access_log, &req, &end);
    cr_expect_str_eq(last_line("] "), "] \"PUT /a\" 400 16 0.001234\n");
    close_log();
}

Test(access_log, unknown_parts_are_null_in_json)
{
    const http_outcome_t end = outcome(HTTP_END_ANSWERED, 400, 16);
    http_request_t       req = request(HTTP_METHOD_GET, "");

    open_file_log(ACCESS_LOG_JSON);
    req.refused = true;
    access_log_add(access_log, &req, &end);
    cr_expect_str_eq(last_line("\"method\""),
                     "\"method\":null,\"target\":null,\"version\":null,\"status\":400,\"bytes\":16,"
                     "\"seconds\":0.001234,\"end\":\"answered\"}\n");
    close_log();
}

/* Even if each of its bytes is escaped: the longest line fits its room, which ASan watches. */
Test(access_log, cuts_a_target_that_is_too_long)
{
    enum { LONG = 100000, KEPT = 4096 };
    char       *target = malloc(LONG + 1);
    const char *line;

    cr_assert(target != NULL);
    memset(target, '\n', LONG);
    target[LONG] = '\0';
    open_file_log(ACCESS_LOG_JSON);
    for (int i = 0; i < 10; i++)
        add(target);
    line = last_line("\"target\":\"");
    cr_expect(count_of(line, "\\u000A") == 10 * KEPT && count_of(line, "\\u000A...\",") == 10 &&
                  count_of(line, "}\n") == 10,
              "%d bytes, %d cut, %d lines", count_of(line, "\\u000A"),
              count_of(line, "\\u000A...\","), count_of(line, "}\n"));
    cr_expect(close_log() == 0);
    free(target);
}

/* ---- When they are written ------------------------------------------------------------------- */

Test(access_log, lines_of_a_turn_leave_at_its_end)
{
    open_file_log(ACCESS_LOG_COMMON);
    add("/a");
    add("/b");
    cr_expect_str_eq(contents(path), "", "before the turn has ended: %s", contents(path));
    end_turn();
    cr_expect(count_of(contents(path), "\n") == 2, "seen: %s", contents(path));
    add("/c");
    close_log();
}

Test(access_log, the_end_writes_what_is_left)
{
    open_file_log(ACCESS_LOG_COMMON);
    add("/last");
    access_log_close(access_log);
    cr_expect(count_of(contents(path), "/last") == 1, "seen: %s", contents(path));
    unlink(path);
}

Test(access_log, goes_on_where_the_file_ends)
{
    FILE *file;

    close(mkstemp(path));
    file = fopen(path, "w");
    cr_assert(file != NULL && fputs("earlier\n", file) >= 0 && fclose(file) == 0);
    open_log(path, ACCESS_LOG_COMMON);
    add("/a");
    end_turn();
    cr_expect(strncmp(contents(path), "earlier\n192.0.2.1", 17) == 0, "seen: %s", contents(path));
    close_log();
}

Test(access_log, reopens_a_file_that_was_moved_away)
{
    char moved[sizeof path + 2];

    open_file_log(ACCESS_LOG_COMMON);
    snprintf(moved, sizeof moved, "%s.1", path);
    add("/before");
    cr_assert(rename(path, moved) == 0);
    access_log_reopen(access_log);
    add("/after");
    end_turn();
    cr_expect(count_of(contents(moved), "/before") == 1 && count_of(contents(moved), "\n") == 1);
    cr_expect(count_of(contents(path), "/after") == 1 && count_of(contents(path), "\n") == 1);
    unlink(moved);
    close_log();
}

Test(access_log, keeps_the_file_that_it_has_if_there_is_no_other)
{
    char     *said, folder[] = "/tmp/looplab-test-XXXXXX", moved[48], file[64];
    capture_t err;

    cr_assert(mkdtemp(folder) != NULL);
    snprintf(file, sizeof file, "%s/log", folder);
    snprintf(moved, sizeof moved, "%s.moved", folder);
    open_log(file, ACCESS_LOG_COMMON);
    cr_assert(rename(folder, moved) == 0);
    capture_begin(&err, 2);
    access_log_reopen(access_log);
    said = capture_end(&err);
    cr_expect(count_of(said, "the old file stays in use") == 1, "said: %s", said);
    add("/after");
    cr_expect(close_log() == 0);
    snprintf(file, sizeof file, "%s/log", moved);
    cr_expect(count_of(contents(file), "/after") == 1);
    unlink(file);
    rmdir(moved);
    free(said);
}

Test(access_log, a_file_that_can_not_be_opened_is_an_error)
{
    static const struct {
        const char *file;
        int         err;
    } cases[] = {{"/nonexistent/log", UV_ENOENT}, {"/tmp", UV_EISDIR}};

    cr_assert(uv_loop_init(&loop) == 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int err = access_log_open(&access_log, &loop, cases[i].file, ACCESS_LOG_COMMON);

        cr_expect(err == cases[i].err, "%s: expected %s, seen %s", cases[i].file,
                  uv_err_name(cases[i].err), err == 0 ? "success" : uv_err_name(err));
    }
    cr_expect(uv_loop_close(&loop) == 0);
}

/* ---- When they can't be ---------------------------------------------------------------------- */

enum { MANY = 5000 }; /* lines: more than the log's buffer and a pipe's take */

/* Add many lines, in turns of ten. returns what was said meanwhile: heap memory */
static char *add_many(void)
{
    capture_t err;

    capture_begin(&err, 2);
    for (int i = 0; i < MANY; i++) {
        add("/a");
        if (i % 10 == 9)
            end_turn();
    }
    return capture_end(&err);
}

Test(access_log, a_full_disk_is_said_once_and_lines_are_counted)
{
    char    *said;
    uint64_t lost;

    open_log("/dev/full", ACCESS_LOG_COMMON);
    said = add_many();
    lost = close_log();
    cr_expect(count_of(said, "\n") == 1 &&
                  count_of(said, "/dev/full: No space left on device; lines may be lost") == 1,
              "said: %s", said);
    cr_expect(lost == MANY, "%ju lines of %d are lost", (uintmax_t)lost, MANY);
    free(said);
}

/* A pipe in the place of standard output; returns the end to read from. */
static int open_pipe_log(void)
{
    int ends[2];

    cr_assert(pipe(ends) == 0 && dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    close(ends[1]);
    open_log("", ACCESS_LOG_COMMON);
    return ends[0];
}

/* All that the pipe holds until its other end is closed. */
static const char *drain_pipe(int fd)
{
    static char text[TEXT_BYTES];
    size_t      len = 0;
    ssize_t     n;

    close(STDOUT_FILENO);
    while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return text;
}

Test(access_log, a_pipe_that_nobody_reads_does_not_stop_the_loop)
{
    int         fd = open_pipe_log();
    char       *said = add_many();
    uint64_t    lost = close_log();
    const char *text = drain_pipe(fd);
    int         whole = count_of(text, "\"GET /a HTTP/1.1\" 200 13 0.001234\n");
    const char *rest = strrchr(text, '\n');

    cr_expect(count_of(said, "standard output: takes lines slower than they come") == 1 &&
                  count_of(said, "\n") == 1,
              "said: %s", said);
    /* The pipe is full at some byte: the line there counts as lost, though half of it is there. */
    cr_expect(whole > 0 && lost > 0 && (uint64_t)whole + lost == MANY,
              "%d lines in the pipe, %ju lost, of %d", whole, (uintmax_t)lost, MANY);
    cr_expect(rest != NULL && count_of(text, "192.0.2.1 - - [") <= whole + 1, "a line is torn");
    free(said);
}

Test(access_log, a_slow_reader_gets_whole_lines)
{
    int         fd = open_pipe_log(), flags = fcntl(fd, F_GETFL);
    static char text[TEXT_BYTES];
    size_t      len = 0;
    ssize_t     n;
    uint64_t    lost;

    free(add_many());
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (int i = 0; i < 100; i++) {
        while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
            len += (size_t)n;
        add("/later");
        end_turn();
    }
    fcntl(fd, F_SETFL, flags);
    lost = close_log();
    snprintf(text + len, sizeof text - len, "%s", drain_pipe(fd));
    cr_expect((uint64_t)count_of(text, "\n") + lost == MANY + 100 &&
                  count_of(text, " 0.001234\n") == count_of(text, "\n") &&
                  count_of(text, "\"GET /later HTTP/1.1\"") == 100,
              "%d lines read, %d whole, %d of the later ones, %ju lost", count_of(text, "\n"),
              count_of(text, " 0.001234\n"), count_of(text, "\"GET /later HTTP/1.1\""),
              (uintmax_t)lost);
}

Test(access_log, a_pipe_that_is_closed_is_said_once)
{
    char    *said;
    uint64_t lost;

    close(open_pipe_log());
    said = add_many();
    lost = close_log();
    cr_expect(count_of(said, "\n") == 1 && count_of(said, "standard output: Broken pipe") == 1,
              "said: %s", said);
    cr_expect(lost == MANY, "%ju lines of %d are lost", (uintmax_t)lost, MANY);
    free(said);
}
