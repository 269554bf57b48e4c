/* What only some systems have, in one place: the rest builds wherever libuv and CPython do. */
#ifndef LOOPLAB_PLATFORM_H
#define LOOPLAB_PLATFORM_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Keep this process, and threads that it starts, on the CPUs of a list such as "0,2-3".
 * returns 0; UV_EINVAL: not a list; UV_ENOTSUP: not on this system; or what the system says
 * thread: the main one, before any other
 */
int platform_pin(const char *cpus);

/* This process is killed when `parent`, which has just forked it, ends. thread: the only one */
void platform_end_with_parent(pid_t parent);

/* CPU time of this process so far in seconds, start included; its largest resident memory in KiB. */
double platform_cpu_seconds(void);
long   platform_max_rss_kib(void);

/*
 * Have room for `count` open files: raises the process's soft limit as far as that, or as the hard
 * limit allows; never lowers it. Commands that handlers start inherit it.
 * thread: any
 */
void platform_allow_descriptors(unsigned count);

#endif
