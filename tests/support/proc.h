/*
 * What /proc says of processes and of connections. Linux only; what can't be read fails the test.
 */
#ifndef LOOPLAB_TESTS_PROC_H
#define LOOPLAB_TESTS_PROC_H

#include <stdbool.h>
#include <sys/types.h>

/* The processes that `pid` has begun, at most `room` of them. returns how many */
int proc_children(pid_t pid, pid_t *children, int room);

/* Whether all its threads sleep now. false too if it has ended meanwhile: look again */
bool proc_asleep(pid_t pid);

/*
 * Bytes of the connection from `client_port` that the one who listens on `port`, on this machine,
 * hasn't read, or -1 if it has closed its side.
 */
long proc_unread(int port, int client_port);

#endif
