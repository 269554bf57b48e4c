/* Lab 2: async handlers on a pool of asyncio loops. How a request gets there and back: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "lab2_threadpool",
        .summary = "async handlers on a pool of asyncio loops, a thread each",
        .handlers = BRIDGE_ASYNC,
        .default_app = "async_app:app",
        .options = LAB_HAS_WORKERS,
    };

    return lab_main(argc, argv, &info);
}
