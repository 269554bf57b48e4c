/*
 * common/log: what a line looks like, what can't be forged, that lines of several threads stay
 * whole, and that nobody waits for their reader. Each test sends standard error to a file or into a
 * pipe and reads it back.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log/log.h"

enum { PREFIX_LEN = sizeof "2026-01-31T12:00:00.123Z " - 1 };

static int   saved = -1;
static FILE *captured;

static void capture(void)
{
    captured = tmpfile();
    cr_assert(captured != NULL);
    saved = dup(STDERR_FILENO);
    dup2(fileno(captured), STDERR_FILENO);
}

/* All that was logged since capture(): heap memory, terminated. */
static char *release(void)
{
    long  len;
    char *text;

    dup2(saved, STDERR_FILENO);
    close(saved);
    fseek(captured, 0, SEEK_END);
    len = ftell(captured);
    rewind(captured);
    text = malloc((size_t)len + 1);
    cr_assert(text != NULL && fread(text, 1, (size_t)len, captured) == (size_t)len);
    text[len] = '\0';
    fclose(captured);
    return text;
}

/* What follows the time; fails if that isn't one. */
static const char *after_time(const char *line)
{
    struct tm tm;

    cr_assert(strlen(line) > PREFIX_LEN && strptime(line, "%Y-%m-%dT%H:%M:%S", &tm) == line + 19 &&
                  line[19] == '.' && strspn(line + 20, "0123456789") == 3 && line[23] == 'Z' &&
                  line[24] == ' ',
              "no time at the start of \"%s\"", line);
    return line + PREFIX_LEN;
}

Test(log, a_line_has_time_level_and_message)
{
    static const struct {
        log_level_t level;
        const char *line;
    } cases[] = {{LOG_DEBUG, "debug message 7\n"},
                 {LOG_INFO, "info message 7\n"},
                 {LOG_WARNING, "warning message 7\n"},
                 {LOG_ERROR, "error message 7\n"}};

    log_set_level(LOG_DEBUG);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        capture();
        log_message(cases[i].level, "message %d", 7);
        char *text = release();
        cr_expect(strcmp(after_time(text), cases[i].line) == 0, "expected \"%s\", seen \"%s\"",
                  cases[i].line, text);
        free(text);
    }
}

Test(log, the_time_is_now_in_utc)
{
    time_t    before = time(NULL);
    struct tm tm = {0};

    capture();
    log_message(LOG_ERROR, "x");
    char *text = release();
    strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    time_t then = timegm(&tm);
    cr_expect(then >= before && then <= time(NULL) + 1, "seen \"%s\"", text);
    free(text);
}

Test(log, drops_what_is_below_the_level)
{
    static const struct {
        log_level_t least;
        unsigned    lines;
    } cases[] = {{LOG_DEBUG, 8}, {LOG_INFO, 6}, {LOG_WARNING, 4}, {LOG_ERROR, 2}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned lines = 0;

        log_set_level(cases[i].least);
        capture();
        for (log_level_t level = LOG_DEBUG; level <= LOG_ERROR; level++) {
            log_message(level, "x");
            log_text(level, "", "x");
        }
        char *text = release();
        for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
            lines++;
        cr_expect(lines == cases[i].lines, "level %d: expected %u lines, seen:\n%s",
                  (int)cases[i].least, cases[i].lines, text);
        free(text);
    }
}

Test(log, info_is_the_default_level)
{
    capture();
    log_message(LOG_DEBUG, "no");
    log_message(LOG_INFO, "yes");
    char *text = release();
    cr_expect(strcmp(after_time(text), "info yes\n") == 0, "seen \"%s\"", text);
    free(text);
}

Test(log, a_message_cannot_forge_a_line)
{
    static const struct {
        const char *message, *line;
    } cases[] = {
        {"a\nb", "error a\\x0ab\n"},
        {"a\r\nb\n", "error a\\x0d\\x0ab\\x0a\n"},
        {"\x1b[31mred", "error \\x1b[31mred\n"},
        {"\x01\x1f\x7f", "error \\x01\\x1f\\x7f\n"},
        {"a\tb", "error a\tb\n"},
        {"caf\xc3\xa9", "error caf\xc3\xa9\n"},
        {"\xe2\x82\xac \xf0\x9f\x90\x8d", "error \xe2\x82\xac \xf0\x9f\x90\x8d\n"},
        /* U+009B is CSI to a terminal, and so may bytes be that are no UTF-8. */
        {"\xc2\x9b"
         "31m \xc2\xa0",
         "error \\xc2\\x9b31m \xc2\xa0\n"},
        {"\x9b"
         "31m \xff",
         "error \\x9b31m \\xff\n"},
        {"\xe0\x82\x9b \xf0\x80\x82\x9b", "error \\xe0\\x82\\x9b \\xf0\\x80\\x82\\x9b\n"},
        {"cut \xe2\x82", "error cut \\xe2\\x82\n"},
        {"100 % of %s", "error 100 % of %s\n"},
        {"", "error \n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        capture();
        log_message(LOG_ERROR, "%s", cases[i].message);
        char *text = release();
        cr_expect(strcmp(after_time(text), cases[i].line) == 0, "expected \"%s\", seen \"%s\"",
                  cases[i].line, text);
        free(text);
    }
}

Test(log, a_text_is_indented_below_its_message)
{
    static const struct {
        const char *text, *line;
    } cases[] = {
        {"one", "error what\n  one\n"},
        {"one\n  two\nthree", "error what\n  one\n    two\n  three\n"},
        {"one\n", "error what\n  one\n"},
        {"one\n\n\n", "error what\n  one\n"},
        {"one\n\ntwo", "error what\n  one\n  \n  two\n"},
        {"\x1b[31m\r\nx", "error what\n  \\x1b[31m\\x0d\n  x\n"},
        {"2026-01-31T12:00:00.123Z error forged",
         "error what\n  2026-01-31T12:00:00.123Z error forged\n"},
        {"", "error what\n"},
        {NULL, "error what\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        capture();
        log_text(LOG_ERROR, cases[i].text, "what");
        char *text = release();
        cr_expect(strcmp(after_time(text), cases[i].line) == 0, "expected \"%s\", seen \"%s\"",
                  cases[i].line, text);
        free(text);
    }
}

Test(log, a_long_text_is_logged_whole)
{
    enum { LONG = 200000 };
    char *long_text = malloc(LONG + 1);

    memset(long_text, '\x01', LONG); /* each becomes four characters */
    long_text[LONG] = '\0';
    capture();
    log_text(LOG_ERROR, long_text, "%.2000s", long_text);
    char *text = release();
    cr_expect(text[strlen(text) - 1] == '\n');
    const char *indented = strstr(text, "\n  \\x01");
    cr_expect(indented != NULL && strlen(indented) == 3 + 4 * LONG + 1, "seen %zu bytes",
              indented == NULL ? 0 : strlen(indented));
    free(text);
    free(long_text);
}

/* ---- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, LINES = 500, WIDTH = 300 };

static void *log_lines(void *arg)
{
    char line[WIDTH + 1];

    memset(line, *(const char *)arg, WIDTH);
    line[WIDTH] = '\0';
    for (int i = 0; i < LINES; i++)
        log_message(LOG_ERROR, "%s", line);
    return NULL;
}

Test(log, lines_of_several_threads_do_not_mix)
{
    pthread_t threads[THREADS];
    unsigned  lines[THREADS] = {0};

    capture();
    for (int i = 0; i < THREADS; i++)
        cr_assert(pthread_create(&threads[i], NULL, log_lines, &"ABCD"[i]) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    char *text = release();
    for (char *line = text; *line != '\0';) {
        const char *message = after_time(line) + strlen("error ");
        char        letter[] = {message[0], '\0'};

        cr_assert(message[0] >= 'A' && message[0] < 'A' + THREADS &&
                      strspn(message, letter) == WIDTH && message[WIDTH] == '\n',
                  "a line is not whole: \"%.400s\"", line);
        lines[message[0] - 'A']++;
        line = strchr(line, '\n') + 1;
    }
    for (int i = 0; i < THREADS; i++)
        cr_expect(lines[i] == LINES, "thread %d: expected %d lines, seen %u", i, LINES, lines[i]);
    free(text);
}

/* ---- A reader that doesn't read -------------------------------------------------------------- */

/* Send standard error into a pipe. returns the end that nobody reads yet */
static int capture_in_pipe(void)
{
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    return fds[0];
}

/* All that is in the pipe: heap memory, terminated. */
static char *read_all(int fd)
{
    enum { ENOUGH = 1 << 20 };
    char   *text = malloc(ENOUGH);
    size_t  len = 0;
    ssize_t n;

    cr_assert_not_null(text);
    while ((n = read(fd, text + len, ENOUGH - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

/* Checks that `text` is whole lines, and the numbers in them 0, 1, 2, ... returns their number */
static unsigned count_lines(const char *text)
{
    unsigned count = 0, number;

    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        cr_assert_not_null(strchr(at, '\n'), "a line is cut: \"%s\"", at);
        cr_assert_eq(sscanf(after_time(at), "info line %u ", &number), 1, "seen %.80s", at);
        cr_assert_eq(number, count, "expected line %u, seen line %u", count, number);
        count++;
    }
    return count;
}

Test(log, a_pipe_that_nobody_reads_loses_messages_and_their_number_is_said)
{
    enum { MANY = 2000 };
    int      fd = capture_in_pipe();
    char    *text, expected[80];
    unsigned kept;

    for (int i = 0; i < MANY; i++)
        log_message(LOG_INFO, "line %d %0100d", i, 0); /* 270 KB, and a pipe takes 64 */
    text = read_all(fd);
    kept = count_lines(text);
    free(text);
    log_message(LOG_INFO, "read again");
    text = read_all(fd);
    dup2(saved, STDERR_FILENO);
    cr_expect(kept > 0 && kept < MANY, "%u of %d lines were kept", kept, MANY);
    snprintf(expected, sizeof expected, "warning %u messages are lost here: nobody read them\n",
             MANY - kept);
    cr_expect(strncmp(after_time(text), expected, strlen(expected)) == 0, "expected %s, seen %s",
              expected, text);
    cr_expect_str_eq(after_time(text + PREFIX_LEN + strlen(expected)), "info read again\n");
    free(text);
}

/* A text larger than the pipe is torn; what follows begins on a line of its own. */
Test(log, after_a_torn_message_the_next_one_has_a_line_of_its_own)
{
    enum { LARGE = 100000 };
    static char large[LARGE + 1];
    int         fd = capture_in_pipe();
    char       *text, *end;

    memset(large, 'x', LARGE);
    log_text(LOG_ERROR, large, "large");
    free(read_all(fd));
    log_plain("plain\n");
    text = read_all(fd);
    dup2(saved, STDERR_FILENO);
    cr_assert(text[0] == '\n', "seen %.80s", text);
    end = strchr(text + 1, '\n');
    cr_assert_not_null(end);
    cr_expect(strstr(text, "1 messages are lost here") != NULL, "seen %s", text);
    cr_expect_str_eq(end + 1, "plain\n");
    free(text);
}
