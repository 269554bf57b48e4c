/* Lab 0's own route in C. */
#ifndef LOOPLAB_LAB0_ROUTES_H
#define LOOPLAB_LAB0_ROUTES_H

#include "common/http/http.h"

/* Add it to the table. thread: the HTTP thread, before the server listens     0 or a UV_ error */
int routes_add(http_router_t *router);

#endif
