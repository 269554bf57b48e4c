/* See proc.h. */
#include "tests/support/proc.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The state of one thread: the letter behind "PID (name) ". '\0': it has ended meanwhile */
static char thread_state(pid_t pid, const char *thread)
{
    char  path[300], line[512] = "";
    FILE *file;
    char *paren;

    snprintf(path, sizeof path, "/proc/%d/task/%s/stat", (int)pid, thread);
    file = fopen(path, "re");
    if (file == NULL)
        return '\0';
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    paren = strrchr(line, ')');
    if (paren == NULL)
        return '\0';
    return paren[2];
}

int proc_children(pid_t pid, pid_t *children, int room)
{
    char  path[64];
    FILE *file;
    int   count = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    file = fopen(path, "re");
    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    while (count < room && fscanf(file, "%d", &children[count]) == 1)
        count++;
    fclose(file);
    return count;
}

bool proc_asleep(pid_t pid)
{
    char           path[64];
    DIR           *folder;
    struct dirent *entry;
    bool           asleep = true;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    folder = opendir(path);
    if (folder == NULL && errno == ENOENT)
        return false;
    cr_assert_not_null(folder, "%s: %s", path, strerror(errno));
    while ((entry = readdir(folder)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]))
            asleep &= thread_state(pid, entry->d_name) == 'S';
    closedir(folder);
    return asleep;
}

/* Its own side hasn't closed it: ESTABLISHED, CLOSE_WAIT (include/net/tcp_states.h). */
static bool is_open(unsigned state)
{
    return state == 1 || state == 8;
}

long proc_unread(int port, int client_port)
{
    FILE    *file = fopen("/proc/net/tcp", "re");
    char     line[512];
    unsigned local, remote, state, sent, unread;
    long     found = -1;

    cr_assert_not_null(file, "/proc/net/tcp: %s", strerror(errno));
    while (found < 0 && fgets(line, sizeof line, file) != NULL)
        /* "sl: address:port address:port state tx_queue:rx_queue ...", all in hex */
        if (sscanf(line, " %*d: %*x:%x %*x:%x %x %x:%x", &local, &remote, &state, &sent, &unread) ==
                5 &&
            (int)local == port && (int)remote == client_port && is_open(state))
            found = (long)unread;
    fclose(file);
    return found;
}
