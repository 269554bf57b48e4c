/* Leaks as failures of the test that has them. */
#ifndef LOOPLAB_TESTS_LEAKS_H
#define LOOPLAB_TESTS_LEAKS_H

/*
 * Fail the test if memory of its process has leaked so far. Says nothing unless built with
 * SAN=address. LeakSanitizer looks at the end of a test's process too, but by then Criterion has
 * its verdict, and the exit status doesn't change it.
 */
void expect_no_leaks(void);

#endif
