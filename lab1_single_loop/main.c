/* Lab 1: async handlers on one asyncio loop. How a request gets there and back: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "lab1_single_loop",
        .summary = "async handlers on one asyncio loop, in a thread of its own",
        .handlers = BRIDGE_ASYNC,
        .default_app = "async_app:app",
    };

    return lab_main(argc, argv, &info);
}
