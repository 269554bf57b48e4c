#include "common/trace/internal.h"

trace_file_t *trace_file_open(const char *path)
{
    (void)path;
    return NULL;
}

void trace_file_keep(trace_file_t *file, const trace_record_t *record)
{
    (void)file, (void)record;
}

void trace_file_close(trace_file_t *file, const trace_t *trace)
{
    (void)file, (void)trace;
}
