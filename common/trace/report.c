#include <errno.h>

#include "common/trace/internal.h"

int trace_report_text(const trace_t *trace, const trace_run_t *run, FILE *out)
{
    (void)run;
    fprintf(out, "%llu requests\n", (unsigned long long)trace->end_to_end.count);
    return 0;
}

int trace_report_json(const trace_t *trace, const trace_run_t *run, FILE *out)
{
    (void)trace, (void)run, (void)out;
    return -ENOSYS;
}
