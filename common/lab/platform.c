#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_setaffinity */
#endif
#include "common/lab/platform.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <uv.h>

void platform_allow_descriptors(unsigned count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count)
        return;
    limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
    setrlimit(RLIMIT_NOFILE, &limit); /* if not, accepting pauses earlier */
}

double platform_cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

long platform_max_rss_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

#ifdef __linux__
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A CPU's number; moves `*at` behind it. -1: there is none. */
static long cpu_number(const char **at)
{
    char *end;
    long  number = strtol(*at, &end, 10);

    if (end == *at || **at < '0' || **at > '9' || number >= CPU_SETSIZE)
        return -1;
    *at = end;
    return number;
}

static int parse_list(const char *at, cpu_set_t *set)
{
    CPU_ZERO(set);
    do {
        long first = cpu_number(&at), last = first;

        if (first >= 0 && *at == '-') {
            at++;
            last = cpu_number(&at);
        }
        if (first < 0 || last < first)
            return UV_EINVAL;
        for (long cpu = first; cpu <= last; cpu++)
            CPU_SET((size_t)cpu, set);
    } while (*at++ == ',');
    return at[-1] == '\0' ? 0 : UV_EINVAL;
}

int platform_pin(const char *cpus)
{
    cpu_set_t set;
    int       err = parse_list(cpus, &set);

    if (err != 0)
        return err;
    return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : uv_translate_sys_error(errno);
}

void platform_end_with_parent(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it has ended already */
}

#else

void platform_end_with_parent(pid_t parent)
{
    (void)parent; /* it notices at its next command */
}

int platform_pin(const char *cpus)
{
    (void)cpus;
    return UV_ENOTSUP;
}

#endif
