/*
 * Allocations of our own that fail when a test says so. A program that links alloc.c and is linked
 * with -Wl,--wrap for malloc(), calloc(), realloc() and strdup() (ALLOC_WRAP in the Makefile) asks
 * here first. Only its own objects do: what libuv, libc and the interpreter allocate never fails,
 * and isn't counted.
 *
 * A test either calls these functions, in its own process, or shares the struct with a lab that is
 * linked in this way: the environment's TEST_ALLOC names a file that both map.
 */
#ifndef LOOPLAB_TESTS_ALLOC_H
#define LOOPLAB_TESTS_ALLOC_H

#include <stdatomic.h>
#include <stdbool.h>

/* Any process that has it mapped, any thread; relaxed, since a test and a lab agree by sockets. */
typedef struct {
    atomic_uint calls;    /* since the last alloc_fail_at() */
    atomic_uint fail_at;  /* the number of the call that fails; 0: none */
    atomic_uint for_good; /* the calls after it fail too */
} alloc_control_t;

/* From now on: let the n-th allocation fail, or from the n-th on all of them. 0: none. */
static inline void alloc_fail_at(alloc_control_t *control, unsigned n, bool for_good)
{
    atomic_store_explicit(&control->fail_at, 0, memory_order_relaxed);
    atomic_store_explicit(&control->calls, 0, memory_order_relaxed);
    atomic_store_explicit(&control->for_good, for_good, memory_order_relaxed);
    atomic_store_explicit(&control->fail_at, n, memory_order_relaxed);
}

/* Has one failed since? */
static inline bool alloc_has_failed(const alloc_control_t *control)
{
    unsigned fail_at = atomic_load_explicit(&control->fail_at, memory_order_relaxed);

    return fail_at != 0 && atomic_load_explicit(&control->calls, memory_order_relaxed) >= fail_at;
}

/* This process's own. */
alloc_control_t *alloc_control(void);

#endif
