/*
 * common/lab/platform.c: --pin's list of CPUs, the limit of open files; and native_count_primes() of
 * native.c, which must agree with the apps' function of the same name. Linux only, as the code is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity */
#endif
#include <criterion/criterion.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <uv.h>

#include "common/lab/native.h"
#include "common/lab/platform.h"

/* ---- platform_pin ---------------------------------------------------------------------------- */

/* The first and the last CPU that this process may use. */
static void allowed(cpu_set_t *set, int *first, int *last)
{
    cr_assert_eq(sched_getaffinity(0, sizeof *set, set), 0);
    *first = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, set)) {
            *first = *first < 0 ? cpu : *first;
            *last = cpu;
        }
}

static void check_pin(const char *list, const cpu_set_t *expected)
{
    cpu_set_t seen;
    int       err = platform_pin(list);

    cr_expect_eq(err, 0, "--pin=%s: expected 0, seen %d", list, err);
    cr_assert_eq(sched_getaffinity(0, sizeof seen, &seen), 0);
    cr_expect(CPU_EQUAL(&seen, expected), "--pin=%s: on %d CPUs, expected %d", list,
              CPU_COUNT(&seen), CPU_COUNT(expected));
}

Test(lab_platform, pins_to_single_cpus_lists_and_ranges)
{
    cpu_set_t all, one, two;
    int       first, last = 0;
    char      list[64];

    allowed(&all, &first, &last);
    CPU_ZERO(&one);
    CPU_SET((size_t)last, &one);
    two = one;
    CPU_SET((size_t)first, &two);
    snprintf(list, sizeof list, "%d,%d", last, first);
    check_pin(list, &two);
    snprintf(list, sizeof list, "%d-%d,%d", first, first, last);
    check_pin(list, &two);
    snprintf(list, sizeof list, "%d-%d", first, last); /* those between are allowed or not there */
    check_pin(list, &all);
    snprintf(list, sizeof list, "%d", last);
    check_pin(list, &one);
    snprintf(list, sizeof list, "%d,%d,%d-%d", last, last, last, last);
    check_pin(list, &one);
}

Test(lab_platform, refuses_what_is_no_list_and_changes_nothing)
{
    static const char *const lists[] = {"",    "a",         "-",      "-1",
                                        "0-",  "0--1",      "1-0",    "0,",
                                        ",0",  "0,,0",      " 0",     "0 ",
                                        "+0",  "0x0",       "0;1",    "0-0-0",
                                        "0.0", "1024",      "0-1024", "99999999999999999999",
                                        "0\n", "4294967296"};
    cpu_set_t                before, after;

    cr_assert_eq(sched_getaffinity(0, sizeof before, &before), 0);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        int err = platform_pin(lists[i]);

        cr_expect_eq(err, UV_EINVAL, "--pin='%s': expected UV_EINVAL, seen %d", lists[i], err);
    }
    cr_assert_eq(sched_getaffinity(0, sizeof after, &after), 0);
    cr_expect(CPU_EQUAL(&before, &after));
}

Test(lab_platform, refuses_a_cpu_that_is_not_there)
{
    cr_expect_eq(platform_pin("1023"), UV_EINVAL); /* the kernel's own EINVAL */
}

/* ---- platform_allow_descriptors -------------------------------------------------------------- */

Test(lab_platform, raises_the_soft_limit_of_descriptors_within_the_hard_one)
{
    static const struct {
        unsigned soft, wanted, expected;
    } cases[] = {{100, 150, 150}, {100, 100, 100}, {100, 50, 100},
                 {100, 200, 200}, {100, 201, 200}, {200, 4000000000u, 200}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rlimit limit = {cases[i].soft, 200};

        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        platform_allow_descriptors(cases[i].wanted);
        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
        cr_expect(limit.rlim_cur == cases[i].expected && limit.rlim_max == 200,
                  "soft %u, hard 200, wanted %u: expected %u, seen %ju of %ju", cases[i].soft,
                  cases[i].wanted, cases[i].expected, (uintmax_t)limit.rlim_cur,
                  (uintmax_t)limit.rlim_max);
    }
}

/* ---- native_count_primes --------------------------------------------------------------------- */

Test(lab_native, counts_primes_below_n)
{
    static const struct {
        long n, primes;
    } cases[] = {{-1, 0},  {0, 0},   {1, 0},  {2, 0},       {3, 1},
                 {4, 2},   {5, 2},   {10, 4}, {100, 25},    {1000, 168},
                 {49, 15}, {50, 15}, {26, 9}, {7920, 1000}, {100000, 9592}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(native_count_primes(cases[i].n), cases[i].primes,
                     "primes below %ld: expected %ld, seen %ld", cases[i].n, cases[i].primes,
                     native_count_primes(cases[i].n));
}
