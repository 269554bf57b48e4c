/* Rung 3 of the ladder. What it adds to its parent: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "03_loop_same_thread",
        .summary = "one asyncio loop, run by the HTTP thread inside its own",
        .handlers = BRIDGE_ASYNC,
        .default_app = "async_app:app",
    };

    return lab_main(argc, argv, &info);
}
