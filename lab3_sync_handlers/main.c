/* Lab 3: sync handlers, called on the HTTP thread. How a request gets there and back: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "lab3_sync_handlers",
        .summary = "sync handlers, called straight from the HTTP thread",
        .handlers = BRIDGE_SYNC,
        .default_app = "sync_app:app",
        .options = LAB_HAS_POOL,
    };

    return lab_main(argc, argv, &info);
}
