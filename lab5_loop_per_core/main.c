/*
 * Lab 5: an HTTP loop on each core, and nothing shared between them. What a worker is: worker.c; how
 * a request reaches Python there: lab 4's dispatch.c, unchanged, since each worker is alone.
 *
 * In the write-up: WRITEUP.md, "10. Lab 5: an HTTP loop on each core".
 */
#include "lab5_loop_per_core/supervisor.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "lab5_loop_per_core",
        .summary = "an HTTP loop on each core, with a Python thread of its own; nothing is shared",
        .handlers = BRIDGE_EITHER,
        .default_app = "async_app:app",
        .options = LAB_ASKS_FOR_TASKS | LAB_HAS_ISOLATION,
    };

    return supervisor_main(argc, argv, &info);
}
