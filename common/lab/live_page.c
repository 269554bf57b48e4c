/* The Makefile makes an .inc of each file in common/lab/live/. */
#include "common/lab/live_page.h"

static const char html[] = {
#include "live/page.html.inc"
};
static const char css[] = {
#include "live/page.css.inc"
};
static const char js[] = {
#include "live/page.js.inc"
};

const live_file_t live_files[LIVE_FILES] = {
    {"/_lab", "text/html; charset=utf-8", html, sizeof html},
    {"/_lab/page.css", "text/css; charset=utf-8", css, sizeof css},
    {"/_lab/page.js", "text/javascript; charset=utf-8", js, sizeof js},
};
