/*
 * ../CONFORMANCE.md, made from the cases themselves; a test sees to it that the two agree.
 * CONFORMANCE_WRITE=1 makes the same test write the file (`make conformance-table`).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/conformance/case.h"

#define TABLE "tests/CONFORMANCE.md"

static const conformance_section_t *const sections[] = {
    &conformance_request_line, &conformance_targets, &conformance_hosts,       &conformance_fields,
    &conformance_framing,      &conformance_chunks,  &conformance_connections, &conformance_methods,
};

enum { SECTIONS = sizeof sections / sizeof sections[0], PROMISED = 300 };

static const char *const fates[] = {
    [OPEN] = "stays open",
    [CLOSE] = "closes",
    [WAITS] = "waits for more",
    [FIN] = "closes, as the client has",
};

static size_t case_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < SECTIONS; i++)
        count += sections[i]->count;
    return count;
}

/* `text` as it is, but for what Markdown would make something else of. */
static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("*_|<>[]\\", *text) != NULL)
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void put_section(FILE *out, const conformance_section_t *section)
{
    fprintf(out, "\n## %s\n\n| what is sent | RFC, section | answers | the connection |\n",
            section->title);
    fprintf(out, "|---|---|---|---|\n");
    for (size_t i = 0; i < section->count; i++) {
        const conformance_case_t *it = &section->cases[i];

        fputs("| ", out);
        put_text(out, it->name);
        fprintf(out, " | %s | %s | %s |\n", it->rule, it->answers[0] == '\0' ? "none" : it->answers,
                fates[it->fate]);
    }
}

static void put_table(FILE *out)
{
    fprintf(
        out,
        "# What the labs' HTTP server does, rule by rule\n\n"
        "Made by `make conformance-table` from the cases in `tests/conformance/`, which say\n"
        "byte by byte what is sent; `make test` runs all %zu of them against every lab, in one\n"
        "piece and in pieces, and fails if this file doesn't agree with them.\n\n"
        "\"HEAD:200\" is a 200 without a body. A section of \"-\" is a rule of this server's own.\n"
        "Whatever a case is about, each of its answers must have a Date, one length or coding\n"
        "(none for 204), `Connection: close` if and only if it is the last, Allow with 405, and\n"
        "no field that has no reason to be there.\n",
        case_count());
    for (size_t i = 0; i < SECTIONS; i++)
        put_section(out, sections[i]);
}

static char *table(void)
{
    char  *text = NULL;
    size_t len;
    FILE  *out = open_memstream(&text, &len);

    cr_assert_not_null(out, "no memory");
    put_table(out);
    fclose(out);
    return text;
}

/* All of a file; the caller frees it. */
static char *content_of(const char *path)
{
    enum { MOST = 1 << 20 };
    char *text = calloc(1, MOST);
    FILE *file = fopen(path, "re");

    cr_assert_not_null(text, "no memory");
    if (file == NULL)
        return text;
    text[fread(text, 1, MOST - 1, file)] = '\0';
    fclose(file);
    return text;
}

Test(conformance, the_table_agrees_with_the_cases)
{
    char *made = table(), *stored;

    if (getenv("CONFORMANCE_WRITE") != NULL) {
        FILE *file = fopen(TABLE, "we");

        cr_assert(file != NULL && fputs(made, file) >= 0 && fclose(file) == 0, "%s", TABLE);
    }
    stored = content_of(TABLE);
    cr_expect(strcmp(made, stored) == 0, "%s is out of date: `make conformance-table`", TABLE);
    free(stored);
    free(made);
}

Test(conformance, there_are_as_many_cases_as_promised_and_no_two_of_a_name)
{
    cr_expect(case_count() >= PROMISED, "%zu cases, expected %d or more", case_count(), PROMISED);
    for (size_t i = 0; i < SECTIONS; i++)
        for (size_t j = 0; j < sections[i]->count; j++)
            for (size_t k = j + 1; k < sections[i]->count; k++)
                cr_expect(strcmp(sections[i]->cases[j].name, sections[i]->cases[k].name) != 0,
                          "%s: two cases \"%s\"", sections[i]->title, sections[i]->cases[j].name);
    fprintf(stderr, "conformance: %zu cases in all\n", case_count());
}
