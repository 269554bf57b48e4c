#include "tests/integration/cores.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { MANY = 200 }; /* connections, of which not all land on the same worker */

const char *const cores_option[] = {"--isolation=threads", "--isolation=interpreters",
                                    "--isolation=processes"};

bool cores_have_own_gils(void)
{
    lab_process_t *lab = lab_spawn(5, NULL, "--version", NULL);
    const char    *version;
    bool           free_threaded;
    int            minor = 0;

    lab_assert(lab, lab_wait(lab) == 0, "exit status %d", lab->status);
    version = strstr(lab->out, "\nPython 3.");
    lab_assert(lab, version != NULL && sscanf(version, "\nPython 3.%d", &minor) == 1, "says: %s",
               lab->out);
    free_threaded = strstr(lab->out, " free-threaded, ") != NULL;
    lab_free(lab);
    return minor >= 12 && !free_threaded;
}

int cores_next(int isolation)
{
    return isolation + 1 == INTERPRETERS && !cores_have_own_gils() ? PROCESSES : isolation + 1;
}

lab_process_t *cores_start(int isolation)
{
    return lab_start(5, "cores", cores_option[isolation], "--workers=2", NULL);
}

cores_who_t cores_ask(lab_process_t *lab, client_t *client)
{
    answer_t    answer = client_get(client, "/who");
    cores_who_t who;

    lab_assert(
        lab, sscanf(answer.body, "{\"worker\":%d,\"process\":%d}", &who.worker, &who.process) == 2,
        "body '%s'", answer.body);
    answer_free(&answer);
    return who;
}

/* Connect until a worker other than `known` has the connection: the kernel spreads them. */
static cores_who_t connect_elsewhere(lab_process_t *lab, client_t *client, int known)
{
    cores_who_t who = {0, 0};
    int         tries = 0;

    do {
        lab_assert(lab, tries++ < MANY, "%d connections, and all landed on one worker", MANY);
        if (who.worker != 0)
            client_close(client);
        client_connect(client, lab->port);
        who = cores_ask(lab, client);
    } while (who.worker == known);
    return who;
}

void cores_connect(lab_process_t *lab, cores_t *pair)
{
    pair->who[0] = connect_elsewhere(lab, &pair->clients[0], 0);
    pair->who[1] = connect_elsewhere(lab, &pair->clients[1], pair->who[0].worker);
}

void cores_connect_started(lab_process_t *lab, cores_t *pair)
{
    cores_connect(lab, pair);
    lab_expect_events(lab, (const char *[]){"start", "start"}, 2);
}

void cores_close(cores_t *pair)
{
    client_close(&pair->clients[0]);
    client_close(&pair->clients[1]);
}
