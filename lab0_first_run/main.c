/* Lab 0: your first run. The server is given (dispatch.c); you write in app.py and routes.c. */
#include "common/lab/lab.h"
#include "lab0_first_run/routes.h"

int main(int argc, char **argv)
{
    static const lab_info_t info = {
        .name = "lab0_first_run",
        .summary = "sync handlers on one Python thread, beside the HTTP thread",
        .handlers = BRIDGE_SYNC,
        .default_app = "sync_app:app",
        .add_routes = routes_add,
    };

    return lab_main(argc, argv, &info);
}
