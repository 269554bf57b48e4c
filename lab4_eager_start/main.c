/* Lab 4: async handlers, started on the HTTP thread. How a request gets there: dispatch.c. */
#include "common/lab/lab.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "lab4_eager_start",
        .summary = "async handlers, started where their requests are read",
        .handlers = BRIDGE_ASYNC,
        .default_app = "async_app:app",
        .options = LAB_ASKS_FOR_TASKS,
    };

    return lab_main(argc, argv, &info);
}
