/* Command lines of labs that are for tests only: parsing.h says what for. */
#include "tests/unit/lab/parsing.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/capture.h"
#include "tests/support/text.h"

enum { MAX_ARGS = 16 };

const lab_info_t plain_lab = {.name = "lab_x",
                              .summary = "a lab for tests",
                              .handlers = BRIDGE_SYNC,
                              .default_app = "sync_app:app"};
const lab_info_t pooled_lab = {.name = "lab_y",
                               .summary = "a lab with workers",
                               .handlers = BRIDGE_ASYNC,
                               .default_app = "async_app:app",
                               .options = LAB_HAS_WORKERS};
const lab_info_t threaded_lab = {.name = "lab_z",
                                 .summary = "a lab with threads for handlers",
                                 .handlers = BRIDGE_SYNC,
                                 .default_app = "sync_app:app",
                                 .options = LAB_HAS_POOL};
const lab_info_t apart_lab = {.name = "lab_w",
                              .summary = "a lab with workers that share nothing",
                              .handlers = BRIDGE_EITHER,
                              .default_app = "async_app:app",
                              .options = LAB_HAS_ISOLATION};

parsed_t parse(const lab_info_t *info, const char *line)
{
    parsed_t    parsed;
    char       *copy = strdup(line), *rest = copy, *word;
    const char *argv[MAX_ARGS] = {info->name};
    int         argc = 1;
    capture_t   out, err;

    cr_assert_not_null(copy);
    while ((word = strsep(&rest, " ")) != NULL && argc < MAX_ARGS - 1)
        if (*word != '\0')
            argv[argc++] = strcmp(word, "''") == 0 ? "" : word;
    capture_begin(&out, 1);
    capture_begin(&err, 2);
    parsed.result = options_parse(&parsed.options, argc, argv, info);
    parsed.err = capture_end(&err);
    parsed.out = capture_end(&out);
    free(copy);
    return parsed;
}

void parsed_free(parsed_t *parsed)
{
    free(parsed->out);
    free(parsed->err);
}

lab_options_t parse_good(const lab_info_t *info, const char *line)
{
    parsed_t parsed = parse(info, line);

    cr_expect(parsed.result == OPTIONS_RUN && *parsed.err == '\0' && *parsed.out == '\0',
              "%s: expected OPTIONS_RUN without a word, seen %d and %s%s", line, parsed.result,
              parsed.err, parsed.out);
    parsed_free(&parsed);
    return parsed.options;
}

void parse_bad(const lab_info_t *info, const char *line, const char *part)
{
    parsed_t parsed = parse(info, line);

    cr_expect(parsed.result == OPTIONS_BAD, "%s: expected OPTIONS_BAD, seen %d", line,
              parsed.result);
    cr_expect(strstr(parsed.err, part) != NULL && count_of(parsed.err, "\n") == 1 &&
                  strncmp(parsed.err, info->name, strlen(info->name)) == 0,
              "%s\n  expected one line of %s: ...%s\n  seen %s", line, info->name, part,
              parsed.err);
    parsed_free(&parsed);
}
