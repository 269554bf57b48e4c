/* Text that tests look into, or show. thread: any, unless said */
#ifndef LOOPLAB_TESTS_TEXT_H
#define LOOPLAB_TESTS_TEXT_H

#include <stddef.h>

/* How often `part`, which isn't empty, occurs in `text`. */
int count_of(const char *text, const char *part);

/*
 * Bytes on one line, as they would stand in a C string; "..." where they go on. In a static buffer,
 * valid until the next call. thread: the test's own
 */
const char *text_readable(const char *bytes, size_t len);

#endif
