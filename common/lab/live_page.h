/* The files of the live page, which the build puts into the program. thread: any */
#ifndef LOOPLAB_LIVE_PAGE_H
#define LOOPLAB_LIVE_PAGE_H

#include <stddef.h>

typedef struct {
    const char *path, *content_type; /* as served */
    const char *data;                /* not terminated */
    size_t      len;
} live_file_t;

enum { LIVE_FILES = 3 };

extern const live_file_t live_files[LIVE_FILES];

#endif
