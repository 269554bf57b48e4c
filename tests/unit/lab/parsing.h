/* Command lines of labs that are for tests only, and what comes of them. thread: the test's own */
#ifndef LOOPLAB_TESTS_LAB_PARSING_H
#define LOOPLAB_TESTS_LAB_PARSING_H

#include "common/lab/options.h"

/* Labs that have no option of their own, workers, a pool of threads, and isolation. */
extern const lab_info_t plain_lab, pooled_lab, threaded_lab, apart_lab;

/* What came of a command line: the result, the options, and what was printed. */
typedef struct {
    options_result_t result;
    lab_options_t    options;
    char            *out, *err;
} parsed_t;

/*
 * Parse "--a=1 --b"; arguments are separated by one space ("''" stands for an empty one).
 * parsed_free() frees what it returns.
 */
parsed_t parse(const lab_info_t *info, const char *line);
void     parsed_free(parsed_t *parsed);

/* Parse, expecting OPTIONS_RUN and silence. */
lab_options_t parse_good(const lab_info_t *info, const char *line);

/* Parse, expecting OPTIONS_BAD and one line that says `part`. */
void parse_bad(const lab_info_t *info, const char *line, const char *part);

#endif
