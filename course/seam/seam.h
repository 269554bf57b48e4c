/*
 * What the seam tests share. A seam test calls one gap of a lab, with neighbours that are fakes and
 * only record what reaches them; so it can go green before any other step is written.
 *
 * Each program is a table of tests and seam_main(); `build/.../bin/seam_lab1 start_makes_a_task` runs
 * one. course/kit/seams.py runs them for `make check` and `make grade`, and shows what failed.
 *
 * thread: main, but for what says otherwise.
 */
#ifndef LOOPLAB_COURSE_SEAM_H
#define LOOPLAB_COURSE_SEAM_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *name;
    void (*run)(void);
} seam_test_t;

/* Run the test that argv names. returns the exit status: 0 if it came to its end */
int seam_main(int argc, char **argv, const seam_test_t *tests, size_t count);

/* End the program: what was expected, what was seen, and why that may be. Each is printf()'s. */
_Noreturn void seam_fail(const char *expected, const char *seen, const char *cause);

/*
 * End the program: the code under test has called what waits, or what begins a thread. (They return
 * nothing; int, so that they can stand in an expression.)
 */
_Noreturn int seam_waits(const char *call);
_Noreturn int seam_begins_thread(const char *call);

/* printf() into one of a few static buffers, for seam_fail(). */
__attribute__((format(printf, 1, 2))) const char *seam_text(const char *format, ...);

/* Unless the condition holds, fail: `seen` is a format with arguments. */
#define SEAM_EXPECT(condition, expected, cause, ...)                \
    do {                                                            \
        if (!(condition))                                           \
            seam_fail((expected), seam_text(__VA_ARGS__), (cause)); \
    } while (0)

#define SEAM_COUNT(array) (sizeof(array) / sizeof(array)[0])

#endif
