/* Rung 6 of the ladder. What it adds to its parent: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "06_concurrent_future",
        .summary = "one asyncio loop, a concurrent.futures.Future per request",
        .handlers = BRIDGE_ASYNC,
        .default_app = "async_app:app",
    };

    return lab_main(argc, argv, &info);
}
