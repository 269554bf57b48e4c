/* Nothing of Python, no thread, no descriptor is there yet when this runs. */
#include "common/lab/command_line.h"

#include <stdio.h>

#include "common/lab/console.h"
#include "common/lab/platform.h"

/* Open files beside the connections: the app's, and those of loops and libraries. */
enum { OTHER_DESCRIPTORS = 1024 };

static int pin(const lab_options_t *options, const lab_info_t *info)
{
    int err = options->pin[0] == '\0' ? 0 : platform_pin(options->pin);

    if (err != 0)
        fprintf(stderr, "%s: --pin: %s: %s\n", info->name, options->pin,
                err == UV_EINVAL ? "expected CPUs such as 0 or 0,2-3 that this machine has"
                                 : uv_strerror(err));
    return err;
}

/* That one process may have: workers that are threads of it have so many each. */
static unsigned connections(const lab_options_t *options, const lab_info_t *info)
{
    bool shared = info->options & LAB_HAS_ISOLATION && options->isolation != ISOLATION_PROCESSES;

    return options->http.max_connections * (shared ? options->workers : 1);
}

bool command_line_read(lab_options_t *options, int argc, char **argv, const lab_info_t *info,
                       int *status)
{
    *status = 0;
    switch (options_parse(options, argc, (const char **)argv, info)) {
    case OPTIONS_HELP:
        return false;
    case OPTIONS_VERSION:
        console_version(info);
        return false;
    case OPTIONS_BAD:
        *status = 2;
        return false;
    case OPTIONS_RUN:
        break;
    }
    log_set_level(options->log_level);
    if (pin(options, info) != 0) {
        *status = 2;
        return false;
    }
    platform_allow_descriptors(connections(options, info) + OTHER_DESCRIPTORS);
    return true;
}
