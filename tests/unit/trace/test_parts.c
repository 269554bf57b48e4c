/* Several traces that become one: as if all requests had been its own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/leaks.h"
#include "tests/unit/trace/fixture.h"

TestSuite(trace_parts, .fini = expect_no_leaks);

enum { FIRST = 10, SECOND = 15 }; /* requests of each part */

/* A trace of so many requests, each with `extra_ns` in its handler; saved, and closed. */
static void save_part(FILE *out, int requests, uint64_t extra_ns)
{
    gap_plan_t plan[TRACE_HOPS];
    fixture_t  f;

    fixture_plan(plan);
    plan[TRACE_FINISHED].running += extra_ns;
    fixture_open(&f, 1, NULL);
    for (int i = 0; i < requests; i++)
        fixture_request(&f, plan, 0);
    cr_assert_eq(trace_save(f.trace, out), 0);
    fixture_close(&f);
}

static trace_t *open_whole(void)
{
    static const trace_options_t options = {.sample_every = 1, .with_workers = true};
    trace_t                     *whole;

    cr_assert_eq(trace_open(&whole, &options), 0);
    return whole;
}

static const trace_gap_t *handler_of(const trace_t *trace)
{
    const trace_gap_t *gap = trace->gaps[TRACE_STARTED][TRACE_FINISHED];

    cr_assert_not_null(gap);
    return gap;
}

Test(trace_parts, counts_and_splits_add_up)
{
    FILE       *file = tmpfile();
    trace_t    *whole = open_whole();
    gap_plan_t  plan[TRACE_HOPS];
    uint64_t    expected;
    breakdown_t breakdown;

    fixture_plan(plan);
    save_part(file, FIRST, 0);
    save_part(file, SECOND, 1000);
    rewind(file);
    cr_assert_eq(trace_take(whole, file), 0);
    cr_assert_eq(trace_take(whole, file), 0);
    expected = (FIRST + SECOND) * plan[TRACE_FINISHED].running + SECOND * 1000;
    cr_expect_eq(handler_of(whole)->all.count, FIRST + SECOND);
    cr_expect_eq(handler_of(whole)->sampled, FIRST + SECOND);
    cr_expect_eq(handler_of(whole)->split.running, expected, "expected %ju ns, seen %ju",
                 (uintmax_t)expected, (uintmax_t)handler_of(whole)->split.running);
    cr_expect_eq(whole->end_to_end.count, FIRST + SECOND);
    cr_expect_eq(whole->last_id, FIRST + SECOND);
    cr_assert_eq(breakdown_make(&breakdown, whole), 0);
    cr_expect_eq(breakdown.lane_count, 2 * LANES, "%zu threads", breakdown.lane_count);
    breakdown_free(&breakdown);
    trace_close(whole);
    fclose(file);
}

/* A lane's history is about requests by their numbers: those of the second part have moved on. */
Test(trace_parts, requests_and_lanes_get_numbers_of_their_own)
{
    FILE               *file = tmpfile();
    trace_t            *whole = open_whole();
    const trace_lane_t *lane;
    uint32_t            least = UINT32_MAX, most = 0;
    bool                seen[2 * LANES] = {false};

    save_part(file, FIRST, 0);
    save_part(file, SECOND, 0);
    rewind(file);
    cr_assert_eq(trace_take(whole, file), 0);
    cr_assert_eq(trace_take(whole, file), 0);
    for (lane = whole->lanes; lane != NULL; lane = lane->next) {
        cr_assert(lane->index < 2 * LANES && !seen[lane->index], "lane %u", lane->index);
        seen[lane->index] = true;
        for (uint64_t i = 0; lane->index >= LANES && i < lane->entries; i++) {
            uint32_t doing = lane->history[i & lane->mask].doing;

            if (doing == LANE_NOTHING || doing > LANE_LAST_ID)
                continue;
            least = doing < least ? doing : least;
            most = doing > most ? doing : most;
        }
    }
    cr_expect(least == FIRST + 1 && most == FIRST + SECOND, "requests %u to %u", least, most);
    trace_close(whole);
    fclose(file);
}

Test(trace_parts, a_file_that_ends_early_is_an_error_wherever_it_ends)
{
    FILE *file = tmpfile();
    long  size;

    save_part(file, 2, 0);
    size = ftell(file);
    for (long cut = 0; cut < size; cut += size / 97 + 1) {
        trace_t *whole = open_whole();
        FILE    *part = tmpfile();

        rewind(file);
        for (long i = 0; i < cut; i++)
            fputc(fgetc(file), part);
        rewind(part);
        cr_expect_eq(trace_take(whole, part), -EIO, "cut off after %ld of %ld bytes", cut, size);
        fclose(part);
        trace_close(whole);
    }
    fclose(file);
}

Test(trace_parts, a_part_that_nothing_happened_in_changes_nothing)
{
    FILE    *file = tmpfile();
    trace_t *whole = open_whole(), *part = open_whole();

    cr_assert_eq(trace_save(part, file), 0);
    trace_close(part);
    rewind(file);
    cr_assert_eq(trace_take(whole, file), 0);
    cr_expect(whole->end_to_end.count == 0 && whole->lanes == NULL && whole->first_ns == 0);
    trace_close(whole);
    fclose(file);
}

Test(trace_parts, a_full_disk_is_an_error)
{
    FILE    *full = fopen("/dev/full", "w");
    trace_t *part = open_whole();

    cr_assert_not_null(full);
    cr_expect_eq(trace_save(part, full), -EIO);
    trace_close(part);
    fclose(full);
}
