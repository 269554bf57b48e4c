/*
 * The floor under a hop: two threads that wake each other through a pair of eventfds, nothing else.
 * What a round trip takes is what the machine asks for two wake-ups, whatever the language.
 *
 *     pingpong [ROUND_TRIPS]      prints `round_trips=N us=T cpu_us=C switches=S`, each per round trip
 *
 * Where it runs is the caller's choice: on one CPU (taskset) a wake-up is a switch of threads, on
 * several it is the waking of another core. `make ladder` runs it both ways.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_ROUND_TRIPS = 10000, MAX_ROUND_TRIPS = 10000000, WARM_UP = 500 };

/* Both threads; nothing changes once they run. */
typedef struct {
    int  ping, pong; /* eventfds: the main thread writes ping and reads pong */
    long round_trips;
} pingpong_t;

/* What the process has used so far. */
typedef struct {
    double us, cpu_us, switches;
} usage_t;

static void wake(int fd)
{
    const uint64_t one = 1;

    if (write(fd, &one, sizeof one) != sizeof one)
        abort();
}

static void wait_for(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof count) != sizeof count)
        abort();
}

static void *answer_all(void *arg)
{
    const pingpong_t *self = arg;

    for (long i = 0; i < self->round_trips + WARM_UP; i++) {
        wait_for(self->ping);
        wake(self->pong);
    }
    return NULL;
}

static void round_trips(const pingpong_t *self, long count)
{
    for (long i = 0; i < count; i++) {
        wake(self->ping);
        wait_for(self->pong);
    }
}

static double microseconds(struct timeval time)
{
    return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

static usage_t used(void)
{
    struct timespec now;
    struct rusage   usage;

    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_SELF, &usage);
    return (usage_t){
        .us = (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3,
        .cpu_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime),
        .switches = (double)(usage.ru_nvcsw + usage.ru_nivcsw),
    };
}

static void print_difference(usage_t before, usage_t after, long count)
{
    printf("round_trips=%ld us=%.3f cpu_us=%.3f switches=%.2f\n", count,
           (after.us - before.us) / (double)count, (after.cpu_us - before.cpu_us) / (double)count,
           (after.switches - before.switches) / (double)count);
}

int main(int argc, char **argv)
{
    pingpong_t self = {.round_trips = DEFAULT_ROUND_TRIPS};
    char      *end = "";
    pthread_t  thread;
    usage_t    before;

    if (argc == 2)
        self.round_trips = strtol(argv[1], &end, 10);
    if (argc > 2 || *end != '\0' || self.round_trips < 1 || self.round_trips > MAX_ROUND_TRIPS) {
        fprintf(stderr, "usage: pingpong [ROUND_TRIPS]: a number in 1..%d\n", MAX_ROUND_TRIPS);
        return 2;
    }
    self.ping = eventfd(0, EFD_CLOEXEC);
    self.pong = eventfd(0, EFD_CLOEXEC);
    if (self.ping < 0 || self.pong < 0 || pthread_create(&thread, NULL, answer_all, &self) != 0) {
        perror("pingpong");
        return 1;
    }
    round_trips(&self, WARM_UP);
    before = used();
    round_trips(&self, self.round_trips);
    print_difference(before, used(), self.round_trips);
    pthread_join(thread, NULL);
    return 0;
}
