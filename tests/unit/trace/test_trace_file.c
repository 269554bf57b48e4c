/* The trace file: valid, bounded, and never half a file. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/capture.h"
#include "tests/support/leaks.h"
#include "tests/unit/trace/fixture.h"

/* A folder of the test's own, and a file in it. */
static char folder[] = "/tmp/looplab-trace-XXXXXX";
static char path[sizeof folder + 16];

static void setup(void)
{
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/trace.json", folder);
}

static void remove_all(void)
{
    char command[sizeof folder + 16];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect_eq(system(command), 0); /* NOLINT(cert-env33-c): the name is mkdtemp's */
}

TestSuite(trace_file, .init = setup, .fini = remove_all);

/* Trace that many requests into `file`. returns what was logged: heap memory */
static char *trace_to(const char *file, int requests, unsigned skip)
{
    gap_plan_t plan[TRACE_HOPS];
    fixture_t  f;
    capture_t  capture;

    fixture_plan(plan);
    plan[TRACE_FINISHED].suspended = 5000;
    plan[TRACE_WOKEN].queue = 700;
    capture_begin(&capture, STDERR_FILENO);
    fixture_open(&f, 7, file);
    for (int i = 0; i < requests; i++)
        fixture_request(&f, plan, skip);
    fixture_close(&f);
    return capture_end(&capture);
}

/* What the checker says of the file; fails the test if it isn't what a viewer can show. */
static void expect_valid(const char *file, int requests)
{
    char   command[256], said[4096];
    FILE  *checker;
    size_t len;

    snprintf(command, sizeof command, "%s tests/support/check_trace.py %s %d 2>&1",
             getenv("PYTHON") != NULL ? getenv("PYTHON") : "/usr/bin/python3", file, requests);
    checker = popen(command, "r"); /* NOLINT(cert-env33-c): a command of our own */
    cr_assert(checker != NULL);
    len = fread(said, 1, sizeof said - 1, checker);
    said[len] = '\0';
    cr_expect_eq(pclose(checker), 0, "%s:\n%s", command, said);
}

static void expect_once(const char *log, const char *part)
{
    const char *first = strstr(log, part);

    cr_assert(first != NULL, "expected \"%s\" in:\n%s", part, log);
    cr_expect_null(strstr(first + 1, part), "twice:\n%s", log);
}

/* The names in the folder but for "." and "..". */
static int files_in_folder(void)
{
    DIR *dir = opendir(folder);
    int  count = -2;

    cr_assert(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static off_t size_of(const char *file)
{
    struct stat info;

    cr_assert_eq(stat(file, &info), 0);
    return info.st_size;
}

Test(trace_file, shows_threads_requests_and_hand_offs)
{
    char *log = trace_to(path, 100, 0);

    expect_valid(path, 100);
    expect_once(log, "the last 100 of 100 requests");
    cr_expect_eq(files_in_folder(), 1);
    free(log);
    expect_no_leaks();
}

Test(trace_file, is_valid_without_requests_and_with_hops_left_out)
{
    char *log = trace_to(path, 0, 0);

    expect_valid(path, 0);
    free(log);
    log = trace_to(path, 20, 1u << TRACE_PARSED | 1u << TRACE_WOKEN_WORKER | 1u << TRACE_WRITTEN);
    expect_valid(path, 20);
    free(log);
}

Test(trace_file, keeps_the_last_requests_of_many)
{
    char *log = trace_to(path, 3 * RECORDS_FOR_FILE, 0);
    off_t size = size_of(path);

    expect_valid(path, RECORDS_FOR_FILE);
    free(log);
    log = trace_to(path, 6 * RECORDS_FOR_FILE, 0);
    expect_once(log, "the last 2048 of 12288 requests");
    cr_expect_lt(size_of(path), size + size / 10, "%lld bytes, then %lld", (long long)size,
                 (long long)size_of(path));
    free(log);
}

Test(trace_file, that_can_not_be_written_is_said_once_and_tracing_goes_on)
{
    static const char *const paths[] = {"/nowhere/trace.json", "/tmp", "/proc/trace.json"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *log = trace_to(paths[i], 3, 0);

        expect_once(log, paths[i]);
        expect_once(log, "cannot write the trace file");
        free(log);
    }
}

Test(trace_file, a_full_device_is_said_once)
{
    char *log = trace_to("/dev/full", 100, 0);

    expect_once(log, "cannot write the trace file /dev/full: No space left on device");
    free(log);
}

Test(trace_file, a_disk_that_fills_leaves_the_file_as_it_was)
{
    struct rlimit limit = {.rlim_cur = 20000, .rlim_max = RLIM_INFINITY};
    char         *log = trace_to(path, 10, 0);
    off_t         size = size_of(path);

    free(log);
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    log = trace_to(path, 1000, 0);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    expect_once(log, "cannot write the trace file");
    expect_valid(path, 10);
    cr_expect_eq(size_of(path), size);
    cr_expect_eq(files_in_folder(), 1, "something is left over");
    free(log);
}
