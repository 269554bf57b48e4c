/*
 * Runs a section's cases on every lab, each on a connection of its own: once in one piece, once byte
 * by byte, so that no rule depends on how TCP cuts the input up. Whatever a case is about, every
 * answer in it is held to RFC 9110 and 9112 as well (judge_answer()).
 *
 * thread: the test's own
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/conformance/case.h"
#include "tests/support/lab_client.h"
#include "tests/support/text.h"

enum { LONG_CASE = 2000, LONG_PIECE = 997 };

/* One run of one case. */
typedef struct {
    const conformance_case_t *it;
    lab_process_t            *lab;
    bool                      cut; /* sent in pieces */
    client_t                  client;
} run_t;

/* ---- Saying what went wrong ------------------------------------------------------------------ */

/* cr_expect() with the case in its message. */
#define expect_case(r, condition, ...)                                                       \
    cr_expect((condition), "%s: %s (RFC %s)%s: %s\nsent: \"%s\"\nexpected: \"%s\", then %d", \
              (r)->lab->name, (r)->it->name, (r)->it->rule, (r)->cut ? ", in pieces" : "",   \
              lab_message(__VA_ARGS__), text_readable((r)->it->sent, (r)->it->sent_len),     \
              (r)->it->answers, (int)(r)->it->fate)

/* ---- One answer ------------------------------------------------------------------------------ */

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7) */
static bool is_date(const char *text)
{
    static const char form[] = "Aaa, 00 Aaa 0000 00:00:00 GMT";

    if (text == NULL || strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 4; i++) {
        unsigned char c = (unsigned char)text[i];

        if (isdigit((unsigned char)form[i])   ? !isdigit(c)
            : isalpha((unsigned char)form[i]) ? !isalpha(c)
                                              : c != (unsigned char)form[i])
            return false;
    }
    return strcmp(text + sizeof form - 4, "GMT") == 0;
}

/* How many fields are called `name`. */
static int fields_called(const answer_t *answer, const char *name)
{
    size_t len = strlen(name);
    int    count = 0;

    for (const char *at = strstr(answer->head, "\r\n"); at != NULL; at = strstr(at + 2, "\r\n"))
        if (strncasecmp(at + 2, name, len) == 0 && at[2 + len] == ':')
            count++;
    return count;
}

/* The fields that these routes have reason to send, and no others. */
static int known_fields(const answer_t *answer)
{
    static const char *const names[] = {
        "Date",       "Content-Type", "Content-Length",   "Connection",
        "Connection", "Allow",        "Transfer-Encoding"};
    int known = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            known += fields_called(answer, names[i]);
    return known;
}

/* Rules that hold for every answer. */
static void judge_answer(run_t *r, const answer_t *answer, bool last)
{
    int  lengths = fields_called(answer, "Content-Length");
    int  codings = fields_called(answer, "Transfer-Encoding");
    int  lines = count_of(answer->head, "\r\n") - 2; /* but the status line and the empty one */
    bool empty = answer->status == 204 || answer->status == 304;

    if (answer->status < 200) {
        expect_case(r, lines == 0, "a field in an interim answer:\n%s", answer->head);
        return;
    }
    expect_case(r, fields_called(answer, "Date") == 1 && is_date(answer_field(answer, "Date")),
                "no Date, or none as in RFC 9110, 5.6.7:\n%s", answer->head);
    expect_case(r, lengths + codings == (empty ? 0 : 1) || (answer->close && lengths == 0),
                "%d lengths and %d codings:\n%s", lengths, codings, answer->head);
    expect_case(r, answer->status != 405 || fields_called(answer, "Allow") == 1,
                "405 without Allow:\n%s", answer->head);
    expect_case(r, answer->close == last || (last && r->it->fate == FIN),
                "Connection: close is %s:\n%s", answer->close ? "there" : "missing", answer->head);
    expect_case(r, known_fields(answer) == lines, "a field that has no reason to be there:\n%s",
                answer->head);
}

/* ---- A case ---------------------------------------------------------------------------------- */

/* The next status that is expected; false at the end. */
static bool next_expected(const char **at, const char **method, int *status)
{
    char *end;

    *at += strspn(*at, " ");
    if (**at == '\0')
        return false;
    *method = strncmp(*at, "HEAD:", 5) == 0 ? "HEAD" : "GET";
    *status = (int)strtol(*at + (**method == 'H' ? 5 : 0), &end, 10);
    *at = end;
    return true;
}

static answer_t read_answer(run_t *r, const char *method, int status)
{
    answer_t answer = client_read_answer_to(&r->client, method);

    if (answer.status != 100 || status == 100 || !r->cut)
        return answer;
    answer_free(&answer); /* asked for in one piece, sent in another */
    return client_read_answer_to(&r->client, method);
}

/* returns false if nothing more can be expected */
static bool read_answers(run_t *r)
{
    const char *at = r->it->answers, *method;
    bool        closes = r->it->fate == CLOSE || r->it->fate == FIN;
    int         status;

    while (next_expected(&at, &method, &status)) {
        answer_t answer = read_answer(r, method, status);
        bool     last = closes && *at == '\0', right = answer.status == status;

        expect_case(r, right, "status %d, expected %d", answer.status, status);
        if (right)
            judge_answer(r, &answer, last);
        if (right && *at == '\0' && r->it->body != NULL)
            expect_case(r, strcmp(answer.body, r->it->body) == 0, "body \"%s\", expected \"%s\"",
                        answer.body, r->it->body);
        answer_free(&answer);
        if (!right)
            return false;
    }
    return true;
}

static void expect_fate(run_t *r)
{
    answer_t answer;

    if (r->it->fate == WAITS)
        client_half_close(&r->client);
    if (r->it->fate != OPEN) {
        expect_case(r, client_at_eof(&r->client), "more came, where the end was expected: %.*s",
                    (int)r->client.len, r->client.buf);
        return;
    }
    answer = client_get(&r->client, "/users/the-next-one");
    expect_case(r, answer.status == 200 && strstr(answer.body, "the-next-one") != NULL,
                "then it doesn't go on, but says:\n%s%s", answer.head, answer.body);
    answer_free(&answer);
}

static void run_case(run_t *r)
{
    size_t len = r->it->sent_len;
    size_t piece = !r->cut ? len : len > LONG_CASE ? LONG_PIECE : 1;

    client_connect(&r->client, r->lab->port);
    for (size_t at = 0; at < len; at += piece)
        client_send_bytes(&r->client, r->it->sent + at, len - at < piece ? len - at : piece);
    if (r->it->fate == FIN)
        client_half_close(&r->client);
    if (read_answers(r))
        expect_fate(r);
    client_close(&r->client);
}

static run_t run;

/* A test that ended within a case, for want of an answer or an end, hasn't said which. */
void conformance_end(void)
{
    if (run.it != NULL)
        fprintf(stderr, "conformance: it ended within: %s (RFC %s)%s\nsent: \"%s\"\n", run.it->name,
                run.it->rule, run.cut ? ", in pieces" : "",
                text_readable(run.it->sent, run.it->sent_len));
    lab_processes_end();
}

void conformance_run(const conformance_section_t *section)
{
    for (int number = LAB_FIRST; number < LAB_POOL; number++) {
        run.lab = lab_start(number, NULL, NULL);
        for (size_t i = 0; i < 2 * section->count; i++) {
            run.it = &section->cases[i / 2];
            run.cut = i % 2 == 1;
            run_case(&run);
        }
        run.it = NULL;
        lab_finish(run.lab);
    }
    fprintf(stderr, "conformance: %s: %zu cases on labs %d to %d, whole and in pieces\n",
            section->title, section->count, LAB_FIRST, LAB_POOL - 1);
}
