/* See stats.h. Runs in the test's process. */
#include "tests/integration/stats.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *stats_load(lab_process_t *lab, const char *path)
{
    json_error_t error;
    json_t      *root = json_load_file(path, 0, &error);

    lab_assert(lab, root != NULL, "%s, line %d: %s", path, error.line, error.text);
    return root;
}

double stats_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    cr_assert(json_is_number(value), "no number called %s", key);
    return json_number_value(value);
}

json_t *stats_gap_from(const json_t *root, const char *hop)
{
    json_t *row;
    size_t  i;

    json_array_foreach(json_object_get(root, "hops"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "from")), hop) == 0)
            return row;
    }
    return NULL;
}

static void expect_row(const json_t *row, const char *name, const char *const *hops, int count)
{
    const char *from = json_string_value(json_object_get(row, "from"));
    const char *to = json_string_value(json_object_get(row, "to"));

    cr_assert(row != NULL, "%s: no gap %s > %s", name, hops[0], hops[1]);
    cr_expect(strcmp(from, hops[0]) == 0 && strcmp(to, hops[1]) == 0,
              "%s: expected %s > %s, seen %s > %s", name, hops[0], hops[1], from, to);
    cr_expect(stats_number(row, "count") == count, "%s: %s > %s: expected %d, counted %g", name,
              from, to, count, stats_number(row, "count"));
}

void stats_expect_hops(const json_t *root, const char *name, const char *const *hops, int count)
{
    const json_t *rows = json_object_get(root, "hops");
    size_t        expected = 0;

    for (; hops[expected + 1] != NULL; expected++)
        expect_row(json_array_get(rows, expected), name, hops + expected, count);
    cr_expect(json_array_size(rows) == expected, "%s: %zu gaps, expected %zu", name,
              json_array_size(rows), expected);
}

void stats_expect_sums(const json_t *root, const char *name)
{
    double sum = stats_number(root, "gaps_sum_us");
    double end_to_end = stats_number(json_object_get(root, "end_to_end_us"), "mean");

    cr_expect(sum > 0.98 * end_to_end && sum < 1.02 * end_to_end,
              "%s: the gaps' sum is %g us, end to end %g us", name, sum, end_to_end);
}

void stats_expect_trace(const char *path, const char *name, int requests)
{
    char   command[256], said[4096], count[32];
    FILE  *checker;
    size_t len;

    snprintf(command, sizeof command, "%s tests/support/check_trace.py %s 2>&1",
             getenv("PYTHON") != NULL ? getenv("PYTHON") : "/usr/bin/python3", path);
    snprintf(count, sizeof count, ", %d requests, ", requests);
    checker = popen(command, "r"); /* NOLINT(cert-env33-c): a command of our own */
    cr_assert(checker != NULL);
    len = fread(said, 1, sizeof said - 1, checker);
    said[len] = '\0';
    cr_expect(pclose(checker) == 0 && strstr(said, count) != NULL,
              "%s: %s: expected %d requests, seen:\n%s", name, command, requests, said);
}
