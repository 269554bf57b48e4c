/* Requests to a lab: see lab_client.h. */
#include "tests/support/lab_client.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void send_get(client_t *client, const char *format, va_list args)
{
    char    target[512], request[600];
    va_list copy;

    va_copy(copy, args);
    vsnprintf(target, sizeof target, format, copy);
    va_end(copy);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", target);
    client_send(client, request);
}

void lab_send_get(client_t *client, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    send_get(client, format, args);
    va_end(args);
}

void lab_connect_get(lab_process_t *lab, client_t *client, const char *format, ...)
{
    va_list args;

    client_connect(client, lab->port);
    va_start(args, format);
    send_get(client, format, args);
    va_end(args);
}

/* returns whether it says `Connection: close` */
static bool expect(lab_process_t *lab, client_t *client, int status, const char *part)
{
    answer_t answer = client_read_answer(client);
    bool     close = answer.close;

    lab_assert(lab, answer.status == status, "status %d, expected %d; body '%s'", answer.status,
               status, answer.body);
    lab_assert(lab, part == NULL || strstr(answer.body, part) != NULL,
               "body '%s', expected it to have '%s'", answer.body, part == NULL ? "" : part);
    answer_free(&answer);
    return close;
}

void lab_expect_answer(lab_process_t *lab, client_t *client, int status, const char *part)
{
    expect(lab, client, status, part);
}

void lab_expect_last_answer(lab_process_t *lab, client_t *client, int status, const char *part)
{
    bool close = expect(lab, client, status, part);

    lab_assert(lab, close, "the last answer doesn't say Connection: close");
    lab_assert(lab, client_at_eof(client), "more than an answer came, and no end");
    client_close(client);
}

void lab_check(lab_process_t *lab, const char *target, int status, const char *part)
{
    client_t client;

    lab_connect_get(lab, &client, "%s", target);
    expect(lab, &client, status, part);
    client_close(&client);
}

int client_port(const client_t *client)
{
    struct sockaddr_in address = {0};
    socklen_t          len = sizeof address;

    cr_assert(getsockname(client->fd, (struct sockaddr *)&address, &len) == 0, "getsockname");
    return ntohs(address.sin_port);
}
