/* Allocations that fail when a test says so: see alloc.h. */
#include "tests/faults/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static alloc_control_t  own;
static alloc_control_t *control = &own;

/* In a lab: the control is its test's. */
__attribute__((constructor)) static void share_control(void)
{
    const char *path = getenv("TEST_ALLOC");
    int         fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void       *shared;

    if (fd < 0)
        return;
    shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared == MAP_FAILED)
        abort();
    control = shared;
}

alloc_control_t *alloc_control(void)
{
    return control;
}

static bool fails(void)
{
    unsigned fail_at = atomic_load_explicit(&control->fail_at, memory_order_relaxed), call;

    if (fail_at == 0)
        return false;
    call = atomic_fetch_add_explicit(&control->calls, 1, memory_order_relaxed) + 1;
    if (call != fail_at && (call < fail_at || !control->for_good))
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}
