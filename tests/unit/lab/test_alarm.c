/* common/lab/alarm.c, on a loop that has nothing else. Which of two comes first is no matter of luck:
 * libuv's loop goes on until a test has what it waits for. */
#include <criterion/criterion.h>

#include "common/lab/alarm.h"

TestSuite(lab_alarm, .timeout = 60);

/* An alarm that counts, and ends the loop's run when it comes. */
typedef struct {
    alarm_timer_t alarm;
    int           comes;
} counted_t;

static void on_due(alarm_timer_t *alarm)
{
    counted_t *counted = alarm->uv.handle.data;

    counted->comes++;
    uv_stop(alarm->uv.handle.loop);
}

static void counted_open(counted_t *counted, uv_loop_t *loop)
{
    counted->comes = 0;
    counted->alarm.uv.handle.data = counted;
    cr_assert_eq(alarm_open(&counted->alarm, loop, on_due), 0);
}

static void close_all(uv_loop_t *loop, counted_t *first, counted_t *second)
{
    alarm_close(&first->alarm, NULL);
    if (second != NULL)
        alarm_close(&second->alarm, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(loop), 0, "a handle is open still");
}

Test(lab_alarm, comes_once_and_never_early)
{
    uv_loop_t loop;
    counted_t counted;
    uint64_t  start;

    uv_loop_init(&loop);
    counted_open(&counted, &loop);
    for (int us = 1; us <= 2000; us *= 3) {
        int before = counted.comes;

        start = uv_hrtime();
        alarm_set(&counted.alarm, us / 1e6);
        uv_run(&loop, UV_RUN_DEFAULT);
        cr_expect_geq(uv_hrtime() - start, us * 1000ul, "%d us: it came early", us);
        cr_expect_eq(counted.comes, before + 1);
    }
    uv_run(&loop, UV_RUN_NOWAIT);
    cr_expect_eq(counted.comes, 7, "it came again unasked");
    close_all(&loop, &counted, NULL);
}

Test(lab_alarm, is_due_at_once_for_what_is_past)
{
    static const double past[] = {0, -0.0, -1, -1e300};
    uv_loop_t           loop;
    counted_t           counted;

    uv_loop_init(&loop);
    counted_open(&counted, &loop);
    for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
        alarm_set(&counted.alarm, past[i]);
        uv_run(&loop, UV_RUN_DEFAULT);
        cr_expect_eq(counted.comes, (int)i + 1, "%g s", past[i]);
    }
    close_all(&loop, &counted, NULL);
}

/* The one that is waited for is set last and for later, so that the other would have come before. */
Test(lab_alarm, set_anew_forgets_what_it_was_set_to)
{
    uv_loop_t loop;
    counted_t moved, waited_for;

    uv_loop_init(&loop);
    counted_open(&moved, &loop);
    counted_open(&waited_for, &loop);
    alarm_set(&moved.alarm, 0.001);
    alarm_set(&moved.alarm, 1e300); /* as long as an alarm can be */
    alarm_set(&waited_for.alarm, 0.01);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(moved.comes, 0);
    cr_expect_eq(waited_for.comes, 1);
    close_all(&loop, &moved, &waited_for);
}

Test(lab_alarm, stopped_does_not_come)
{
    uv_loop_t loop;
    counted_t stopped, waited_for;

    uv_loop_init(&loop);
    counted_open(&stopped, &loop);
    counted_open(&waited_for, &loop);
    alarm_set(&stopped.alarm, 0.001);
    alarm_stop(&stopped.alarm);
    alarm_set(&waited_for.alarm, 0.01);
    uv_run(&loop, UV_RUN_DEFAULT);
    cr_expect_eq(stopped.comes, 0);
    cr_expect_eq(waited_for.comes, 1);
    close_all(&loop, &stopped, &waited_for);
}
