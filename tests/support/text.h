/* Text that tests look into. thread: any */
#ifndef LOOPLAB_TESTS_TEXT_H
#define LOOPLAB_TESTS_TEXT_H

/* How often `part`, which isn't empty, occurs in `text`. */
int count_of(const char *text, const char *part);

#endif
