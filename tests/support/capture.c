/* Captures a stream in an unlinked file: no reader is needed while it is written to. */
#include "tests/support/capture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void capture_begin(capture_t *capture, int fd)
{
    char path[] = "/tmp/looplab-capture-XXXXXX";

    fflush(NULL);
    capture->fd = fd;
    capture->saved = dup(fd);
    capture->file = mkstemp(path);
    cr_assert(capture->saved >= 0 && capture->file >= 0, "cannot capture file descriptor %d", fd);
    unlink(path);
    dup2(capture->file, fd);
}

char *capture_end(capture_t *capture)
{
    off_t   size;
    char   *text;
    ssize_t len;

    fflush(NULL);
    dup2(capture->saved, capture->fd);
    close(capture->saved);
    size = lseek(capture->file, 0, SEEK_END);
    text = malloc((size_t)size + 1);
    cr_assert_not_null(text);
    len = pread(capture->file, text, (size_t)size, 0);
    text[len < 0 ? 0 : len] = '\0';
    close(capture->file);
    return text;
}
