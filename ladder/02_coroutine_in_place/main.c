/* Rung 2 of the ladder. What it adds to its parent: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "02_coroutine_in_place",
        .summary = "coroutines, each run to its end on the HTTP thread",
        .handlers = BRIDGE_ASYNC,
        .default_app = "async_app:app",
    };

    return lab_main(argc, argv, &info);
}
