/*
 * Linux has a CPU clock per thread (pthread_getcpuclockid) and, in the second field of
 * /proc/self/task/TID/schedstat, the time that it stood in a run queue. The file stays open:
 * reading it anew costs a seek and a read, opening it several times as much. A kernel without
 * CONFIG_SCHED_INFO, or a container that hides /proc, has no such file or one that says 0.
 *
 * Elsewhere a thread can read only its own CPU time, so has_cpu is false and the tables that need
 * other threads' leave a gap.
 */
#include "common/trace/thread_clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t own_cpu_ns(void)
{
    struct timespec time;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0)
        return 0;
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#ifdef __linux__

/* "cpu_ns delay_ns slices"; returns false if that isn't what stands there. */
static bool read_schedstat(int fd, uint64_t *delay_ns)
{
    char    text[96], *end;
    ssize_t len = pread(fd, text, sizeof text - 1, 0);

    if (len <= 0)
        return false;
    text[len] = '\0';
    if (strtoull(text, &end, 10) == 0 || *end != ' ')
        return false; /* this thread has run, so 0 means that nobody counts */
    *delay_ns = strtoull(end, NULL, 10);
    return true;
}

void thread_clock_open(thread_clock_t *self)
{
    char     path[64];
    uint64_t ignored;

    *self = (thread_clock_t){.schedstat_fd = -1};
    self->has_cpu = pthread_getcpuclockid(pthread_self(), &self->cpu_clock) == 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", (int)gettid());
    self->schedstat_fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)own_cpu_ns(); /* has the kernel account for a thread in its very first time slice */
    self->has_delay = self->schedstat_fd >= 0 && read_schedstat(self->schedstat_fd, &ignored);
}

void thread_clock_close(thread_clock_t *self)
{
    if (self->schedstat_fd >= 0)
        close(self->schedstat_fd);
    self->schedstat_fd = -1;
}

#else

static bool read_schedstat(int fd, uint64_t *delay_ns)
{
    (void)fd;
    (void)delay_ns;
    return false;
}

void thread_clock_open(thread_clock_t *self)
{
    *self = (thread_clock_t){.schedstat_fd = -1};
}

void thread_clock_close(thread_clock_t *self)
{
    (void)self;
}

#endif

bool thread_clock_cpu(const thread_clock_t *self, uint64_t *cpu_ns)
{
    struct timespec time;

    if (!self->has_cpu || clock_gettime(self->cpu_clock, &time) != 0)
        return false;
    *cpu_ns = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    return true;
}

void thread_clock_read(const thread_clock_t *self, thread_times_t *times)
{
    *times = (thread_times_t){0};
    if (self->has_delay)
        read_schedstat(self->schedstat_fd, &times->delay_ns);
    times->cpu_ns = own_cpu_ns();
}
