/* Rung 4 of the ladder. What it adds to its parent: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "04_hop_batched",
        .summary = "one asyncio loop in a thread of its own, woken once per batch",
        .handlers = BRIDGE_ASYNC,
        .default_app = "async_app:app",
    };

    return lab_main(argc, argv, &info);
}
