/*
 * The command line and the start: what is wrong ends with the right exit status and a message that
 * says what, and where; the environment that the user happens to have changes nothing.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lab_client.h"
#include "tests/support/text.h"

TestSuite(startup, .fini = lab_processes_end, .timeout = 150);

/* ---- --help and --version -------------------------------------------------------------------- */

static const char *const options[] = {
    "host",
    "port",
    "backlog",
    "app",
    "debug",
    "log-level",
    "access-log",
    "access-log-format",
    "metrics",
    "max-connections",
    "max-in-flight",
    "pipeline-window",
    "max-request-line",
    "max-header-bytes",
    "max-headers",
    "max-body",
    "header-timeout",
    "body-timeout",
    "keepalive-timeout",
    "write-timeout",
    "request-timeout",
    "drain-timeout",
    "bench",
    "pin",
    "version",
    "help",
};

Test(startup, help_lists_every_option)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_spawn(number, NULL, "--help", NULL);

        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
            lab_assert(lab, strstr(lab->out, lab_message("--%s", options[i])) != NULL,
                       "no --%s in:\n%s", options[i], lab->out);
        lab_assert(lab, (strstr(lab->out, "--workers") != NULL) == (number == 2 || number == 5),
                   "--workers is for labs 2 and 5:\n%s", lab->out);
        lab_assert(lab, *lab_stderr(lab) == '\0', "complains");
        lab_free(lab);
    }
}

Test(startup, version_names_the_parts)
{
    static const char *const parts[] = {"lab", "\nPython 3.", "\nlibuv 1.", "\nllhttp "};

    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_spawn(number, NULL, "--version", NULL);

        lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            lab_assert(lab, strstr(lab->out, parts[i]) != NULL, "no '%s' in:\n%s", parts[i],
                       lab->out);
        lab_assert(lab,
                   (strstr(lab->out, " GIL, ") != NULL) !=
                       (strstr(lab->out, " free-threaded, ") != NULL),
                   "a Python either has a GIL or is free-threaded:\n%s", lab->out);
        lab_free(lab);
    }
}

/* ---- Bad usage ------------------------------------------------------------------------------- */

typedef struct {
    const char *option;
    const char *complaint; /* on standard error, beside the option's name */
} usage_case_t;

static const usage_case_t usage_cases[] = {
    {"--nonsense", "--nonsense"},
    {"stray", "unexpected argument: stray"},
    {"-x", "-x"},
    {"--port", "--port"},
    {"--port=x", "--port"},
    {"--port=70000", "--port: 70000 is not in 0..65535"},
    {"--port=-1", "--port: -1 is not in 0..65535"},
    {"--port=99999999999", "--port"},
    {"--backlog=0", "--backlog: 0 is not in 1..65535"},
    {"--max-connections=0", "--max-connections: 0 is not in 1..1000000"},
    {"--max-in-flight=0", "--max-in-flight: 0 is not in 1..1000000"},
    {"--pipeline-window=0", "--pipeline-window: 0 is not in 1..1024"},
    {"--max-request-line=63", "--max-request-line: 63 is not in 64..1048576"},
    {"--max-header-bytes=1", "--max-header-bytes: 1 is not in 64..1048576"},
    {"--max-headers=0", "--max-headers: 0 is not in 1..10000"},
    {"--max-body=-1", "--max-body: -1 is not in 0..1073741824"},
    {"--header-timeout=0", "--header-timeout: 0 is not in 0.01..86400 seconds"},
    {"--body-timeout=nan", "--body-timeout: nan is not in 0.01..86400 seconds"},
    {"--keepalive-timeout=1e9", "--keepalive-timeout: 1e+09 is not in 0.01..86400 seconds"},
    {"--write-timeout=inf", "--write-timeout: inf is not in 0.01..86400 seconds"},
    {"--request-timeout=-1", "--request-timeout: -1 is not in 0..86400 seconds"},
    {"--drain-timeout=soon", "--drain-timeout"},
    {"--log-level=loud", "--log-level: loud is none of debug, info, warning, error"},
    {"--bench=x", "--bench: x is no whole number of seconds"},
    {"--bench=0", "--bench: 0 is not in 1..3600"},
    {"--pin=x", "--pin: x: expected CPUs such as 0 or 0,2-3"},
    {"--pin=100000", "--pin: 100000: expected CPUs such as 0 or 0,2-3"},
    {"--pin=3-1", "--pin: 3-1: expected CPUs such as 0 or 0,2-3"},
    {"--pin=0,", "--pin: 0,: expected CPUs such as 0 or 0,2-3"},
    {"--host=1234567890123456789012345678901234567890123456789012345678901234", "--host: longer"},
};

static void check_usage(lab_process_t *lab, const char *option, const char *complaint)
{
    const char *err;

    lab_assert(lab, lab_wait(lab) == 2, "%s: exit status %d, expected 2", option, lab->status);
    err = lab_stderr(lab);
    lab_assert(lab, strstr(err, complaint) != NULL, "%s: doesn't say '%s'", option, complaint);
    lab_assert(lab, count_of(err, "\n") == 1, "%s: one line is enough", option);
    lab_assert(lab, *lab->out == '\0', "%s: says on standard output: %s", option, lab->out);
    lab_free(lab);
}

Test(startup, bad_usage_exits_with_2_and_one_line)
{
    for (size_t i = 0; i < sizeof usage_cases / sizeof usage_cases[0]; i++)
        check_usage(lab_spawn(1, NULL, usage_cases[i].option, NULL), usage_cases[i].option,
                    usage_cases[i].complaint);
    for (int number = 2; number <= LAB_LAST; number++)
        check_usage(lab_spawn(number, NULL, "--port=x", NULL), "--port=x", "--port");
    check_usage(lab_spawn(2, NULL, "--workers=0", NULL), "--workers=0",
                "--workers: 0 is not in 1..256");
    check_usage(lab_spawn(1, NULL, "--workers=2", NULL), "--workers=2", "--workers");
    for (int number = 3; number <= 4; number++)
        check_usage(lab_spawn(number, NULL, "--workers=2", NULL), "--workers=2", "--workers");
    check_usage(lab_spawn(5, NULL, "--workers=0", NULL), "--workers=0",
                "--workers: 0 is not in 1..256");
    check_usage(lab_spawn(5, NULL, "--isolation=none", NULL), "--isolation=none",
                "--isolation: none is none of threads, interpreters, processes");
    check_usage(lab_spawn(5, NULL, "--worker=9", NULL), "--worker=9", "--worker");
}

/* ---- Failed starts --------------------------------------------------------------------------- */

typedef struct {
    const char *async_app, *sync_app; /* NULL: not for those labs */
    const char *complaints[3];
} start_case_t;

static const start_case_t start_cases[] = {
    {"nowhere:app",
     "nowhere:app",
     {"ModuleNotFoundError: No module named 'nowhere'", "--app nowhere:app: importing nowhere"}},
    {"raises:app",
     "raises:app",
     {"Traceback (most recent call last):", "raises.py\", line 12, in <module>",
      "ZeroDivisionError: division by zero"}},
    {"exits:app", "exits:app", {"SystemExit: 5", "importing exits failed"}},
    {"park", "park", {"--app park: expected MODULE:OBJECT"}},
    {"park:", ":app", {"expected MODULE:OBJECT"}},
    {"park:missing", "park:missing", {"park.missing doesn't exist", "app = App()"}},
    {"park:asyncio", "park:asyncio", {"park.asyncio is something else"}},
    {"refused:async_wrong",
     NULL,
     {"wrong_without_async (", "refused.py:63) is a `def` handler", "`async def`"}},
    {NULL,
     "refused:sync_wrong",
     {"wrong_for_lab3 (", "refused.py:59) is an `async def` handler", "make it `def`"}},
    {NULL, "refused:async_hook_in_sync", {"connect (", "is an `async def` hook"}},
    {"refused:async_native",
     "refused:sync_native",
     {"/native/mine is the lab's own", "refused.py:", "another path"}},
    {"refused:async_metrics", "refused:sync_metrics", {"/metrics is the lab's own"}},
    {"refused:async_pattern", "refused:sync_pattern", {"GET /users/{id}x is no path such as"}},
    {"refused:async_slash", "refused:sync_slash", {"GET users is no path such as"}},
    {"refused:async_duplicate", "refused:sync_duplicate", {"GET /same has a handler already"}},
    {"refused:async_method", "refused:sync_method", {"BREW is no method"}},
    {"refused:async_hook",
     "refused:sync_hook",
     {"in fails", "LookupError: no database", "cannot start"}},
};

static void check_start(int number, const start_case_t *start)
{
    const char    *app = number == 3 ? start->sync_app : start->async_app;
    lab_process_t *lab;

    if (app == NULL || (number == 5 && start->sync_app == NULL))
        return; /* lab 5 has handlers of both kinds */
    lab = lab_spawn(number, NULL, "--port=0", lab_message("--app=%s", app), NULL);
    lab_assert(lab, lab_wait(lab) == 1, "%s: exit status %d, expected 1", app, lab->status);
    for (size_t i = 0; i < 3 && start->complaints[i] != NULL; i++)
        lab_assert(lab, strstr(lab_stderr(lab), start->complaints[i]) != NULL,
                   "%s: doesn't say '%s'", app, start->complaints[i]);
    lab_assert(lab, strstr(lab->out, "listening") == NULL, "%s: says: %s", app, lab->out);
    lab_free(lab);
}

Test(startup, an_app_that_can_not_be_served_exits_with_1_and_the_reason_lab1)
{
    for (size_t i = 0; i < sizeof start_cases / sizeof start_cases[0]; i++)
        check_start(1, &start_cases[i]);
}

Test(startup, an_app_that_can_not_be_served_exits_with_1_and_the_reason_lab2)
{
    for (size_t i = 0; i < sizeof start_cases / sizeof start_cases[0]; i++)
        check_start(2, &start_cases[i]);
}

Test(startup, an_app_that_can_not_be_served_exits_with_1_and_the_reason_lab3)
{
    for (size_t i = 0; i < sizeof start_cases / sizeof start_cases[0]; i++)
        check_start(3, &start_cases[i]);
}

Test(startup, an_app_that_can_not_be_served_exits_with_1_and_the_reason_lab4)
{
    for (size_t i = 0; i < sizeof start_cases / sizeof start_cases[0]; i++)
        check_start(4, &start_cases[i]);
}

Test(startup, an_app_that_can_not_be_served_exits_with_1_and_the_reason_lab5)
{
    for (size_t i = 0; i < sizeof start_cases / sizeof start_cases[0]; i++)
        check_start(5, &start_cases[i]);
}

Test(startup, a_busy_port_exits_with_1_and_says_what_to_do)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *first = lab_start(number, NULL, NULL);
        lab_process_t *second =
            lab_spawn(number, NULL, lab_message("--port=%d", first->port), NULL);

        lab_assert(second, lab_wait(second) == 1, "exit status %d, expected 1", second->status);
        lab_assert(second,
                   strstr(lab_stderr(second),
                          lab_message("port %d of 127.0.0.1 is in use", first->port)) != NULL,
                   "doesn't name the port");
        lab_assert(second, strstr(lab_stderr(second), "--port") != NULL, "doesn't say what to do");
        lab_free(second);
        lab_check(first, "/", 200, "Hello, World!");
        lab_finish(first);
    }
}

/* A port is free again at once, although connections of its last user are in TIME_WAIT. */
Test(startup, a_port_can_be_used_again_at_once)
{
    lab_process_t *lab = lab_start(3, NULL, NULL);
    int            port = lab->port;
    client_t       client;

    lab_connect_get(lab, &client, "/");
    lab_expect_answer(lab, &client, 200, "Hello, World!");
    lab_finish(lab); /* the server closes first: TIME_WAIT is its own */
    client_close(&client);
    lab = lab_spawn(3, NULL, lab_message("--port=%d", port), NULL);
    lab_wait_listening(lab);
    lab_check(lab, "/", 200, "Hello, World!");
    lab_finish(lab);
}

/* ---- What may surround a start --------------------------------------------------------------- */

Test(startup, python_variables_of_the_environment_change_nothing)
{
    setenv("PYTHONHOME", "/nonexistent", 1);
    setenv("PYTHONPATH", "/nonexistent", 1);
    setenv("PYTHONSTARTUP", "/nonexistent.py", 1);
    setenv("PYTHONWARNINGS", "error", 1);
    setenv("PYTHONHASHSEED", "nonsense", 1);
    setenv("PYTHONASYNCIODEBUG", "1", 1);
    setenv("LC_ALL", "C", 1);
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = lab_start(number, NULL, NULL);

        lab_check(lab, "/users/%C3%A4", 200, "\"\xC3\xA4\"");
        lab_assert(lab, *lab_stderr(lab) == '\0', "complains");
        lab_finish(lab);
    }
}

Test(startup, debug_pin_and_log_level_are_accepted)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab =
            lab_start(number, "values", "--debug", "--pin=0", "--log-level=error", NULL);

        lab_check(lab, "/where", 200, "thread");
        lab_check(lab, "/value/none", 500, "500");
        lab_assert(lab, strstr(lab_stderr(lab), "NoneType") != NULL, "errors aren't logged");
        lab_finish(lab);
    }
}

Test(startup, the_banner_names_app_and_python)
{
    for (int number = LAB_FIRST; number <= LAB_LAST; number++) {
        lab_process_t *lab = number == 2 || number == 5
                                 ? lab_start(number, NULL, "--workers=5", NULL)
                                 : lab_start(number, NULL, NULL);

        lab_assert(lab,
                   strstr(lab->out, lab_is_sync(number) ? "app sync_app:app" : "app async_app:app"),
                   "banner:\n%s", lab->out);
        lab_assert(lab, strstr(lab->out, "Python 3.") != NULL, "banner:\n%s", lab->out);
        lab_assert(lab, (strstr(lab->out, "5 workers") != NULL) == (number == 2 || number == 5),
                   "banner:\n%s", lab->out);
        lab_finish(lab);
    }
}

/* The default is the loopback; anything else is one's own wish, and said once. */
Test(startup, an_address_that_others_can_reach_is_warned_of)
{
    static const struct {
        const char *option;
        bool        warned;
    } cases[] = {
        {"--host=127.0.0.1", false}, {"--host=127.1.2.3", false}, {"--host=0.0.0.0", true}};

    for (int number = LAB_FIRST; number <= LAB_LAST; number++)
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            lab_process_t *lab = lab_spawn(number, NULL, cases[i].option, "--port=0", NULL);

            lab_wait_stdout(lab, "listening on http://");
            if (cases[i].warned)
                lab_wait_stderr(lab, "can be reached from other machines");
            lab_assert(lab, lab_stop(lab, SIGTERM) == 0, "exit status %d", lab->status);
            lab_assert(lab,
                       (strstr(lab_stderr(lab), "can be reached from other machines") != NULL) ==
                           cases[i].warned,
                       "%s: the warning is %s", cases[i].option,
                       cases[i].warned ? "missing" : "there");
            lab_free(lab);
        }
}
