/*
 * Requests to a lab: client.h with the lab's name and its standard error in every message.
 */
#ifndef LOOPLAB_TESTS_LAB_CLIENT_H
#define LOOPLAB_TESTS_LAB_CLIENT_H

#include "tests/support/client.h"
#include "tests/support/lab_process.h"

/* Send a GET whose target printf() makes; read nothing. */
__attribute__((format(printf, 2, 3))) void lab_send_get(client_t *client, const char *format, ...);

/* Connect, and send such a GET. */
__attribute__((format(printf, 3, 4))) void lab_connect_get(lab_process_t *lab, client_t *client,
                                                           const char *format, ...);

/* The next answer has this status, and `part` (NULL: whatever) is in its body. */
void lab_expect_answer(lab_process_t *lab, client_t *client, int status, const char *part);

/* The same, and `Connection: close` is there and the connection ends. Closes the client's side. */
void lab_expect_last_answer(lab_process_t *lab, client_t *client, int status, const char *part);

/* GET `target` on a connection of its own, and expect that answer. */
void lab_check(lab_process_t *lab, const char *target, int status, const char *part);

/* The client's port, for lab_unread(). */
int client_port(const client_t *client);

#endif
