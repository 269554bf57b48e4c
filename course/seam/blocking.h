/*
 * What code between fakes must not call: it would wait for a thread that isn't there, or begin one
 * of its own. Include this behind all other headers, and before the file under test. A test that
 * has threads itself writes (uv_sem_wait)(...), which is no macro.
 */
#ifndef LOOPLAB_COURSE_SEAM_BLOCKING_H
#define LOOPLAB_COURSE_SEAM_BLOCKING_H

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "course/seam/seam.h"

#define clock_nanosleep(...)        seam_waits("clock_nanosleep()")
#define nanosleep(...)              seam_waits("nanosleep()")
#define poll(...)                   seam_waits("poll()")
#define pthread_cond_timedwait(...) seam_waits("pthread_cond_timedwait()")
#define pthread_cond_wait(...)      seam_waits("pthread_cond_wait()")
#define pthread_join(...)           seam_waits("pthread_join()")
#define sched_yield(...)            seam_waits("sched_yield()")
#define select(...)                 seam_waits("select()")
#define sem_timedwait(...)          seam_waits("sem_timedwait()")
#define sem_wait(...)               seam_waits("sem_wait()")
#define sleep(...)                  seam_waits("sleep()")
#define usleep(...)                 seam_waits("usleep()")
#define uv_cond_timedwait(...)      seam_waits("uv_cond_timedwait()")
#define uv_cond_wait(...)           seam_waits("uv_cond_wait()")
#define uv_sem_wait(...)            seam_waits("uv_sem_wait()")
#define uv_sleep(...)               seam_waits("uv_sleep()")
#define uv_thread_join(...)         seam_waits("uv_thread_join()")

#define pthread_create(...)      seam_begins_thread("pthread_create()")
#define uv_queue_work(...)       seam_begins_thread("uv_queue_work()")
#define uv_thread_create(...)    seam_begins_thread("uv_thread_create()")
#define uv_thread_create_ex(...) seam_begins_thread("uv_thread_create_ex()")

#endif
