/*
 * The ceiling over a pool of threads: some threads that compute, share nothing, and wait for nobody.
 * What two of them do more than one is what the machine's cores can give, whatever the program:
 * virtual cores may be two halves of one.
 *
 *     spin THREADS MILLISECONDS      prints `threads=N steps_per_us=S cpus=C`, all threads together
 *
 * `make scaling` runs it with one thread and with several.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 256, MAX_MS = 60000, STEPS_AT_ONCE = 10000 };

/* Written by the main thread, read by all. */
static atomic_bool stopped;

/* One for each thread, a cache line of its own; `steps` is read once the thread has ended. */
typedef struct {
    _Alignas(64) uint64_t steps;
    pthread_t thread;
} spinner_t;

static void *spin(void *arg)
{
    spinner_t        *self = arg;
    volatile uint32_t x = 1;

    while (!atomic_load_explicit(&stopped, memory_order_relaxed)) {
        for (int i = 0; i < STEPS_AT_ONCE; i++)
            x = x * 1664525U + 1013904223U; /* any work that can't be left out */
        self->steps += STEPS_AT_ONCE;
    }
    return NULL;
}

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* The number in `text`, or -1 if it isn't one of 1..most. */
static int number(const char *text, int most)
{
    char *end;
    long  value = strtol(text, &end, 10);

    return end == text || *end != '\0' || value < 1 || value > most ? -1 : (int)value;
}

int main(int argc, char **argv)
{
    static spinner_t spinners[MAX_THREADS];
    const int        threads = argc == 3 ? number(argv[1], MAX_THREADS) : -1;
    const int        ms = argc == 3 ? number(argv[2], MAX_MS) : -1;
    const double     start_us = now_us(), start_cpu_us = cpu_us();
    double           us, steps = 0;

    if (threads < 0 || ms < 0) {
        fprintf(stderr, "usage: spin THREADS MILLISECONDS: numbers in 1..%d and 1..%d\n",
                MAX_THREADS, MAX_MS);
        return 2;
    }
    for (int i = 0; i < threads; i++)
        if (pthread_create(&spinners[i].thread, NULL, spin, &spinners[i]) != 0) {
            fprintf(stderr, "spin: can't start %d threads\n", threads);
            return 1;
        }
    usleep((useconds_t)ms * 1000U);
    atomic_store(&stopped, true);
    for (int i = 0; i < threads; i++) {
        pthread_join(spinners[i].thread, NULL);
        steps += (double)spinners[i].steps;
    }
    us = now_us() - start_us;
    printf("threads=%d steps_per_us=%.3f cpus=%.3f\n", threads, steps / us,
           (cpu_us() - start_cpu_us) / us);
    return 0;
}
