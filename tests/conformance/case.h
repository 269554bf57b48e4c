/*
 * A conformance case: bytes that a client sends on a connection of its own to a running lab, and
 * what must come of them. The tables of cases, one file a subject, are all there is to read; run.c
 * runs them, table.c makes ../CONFORMANCE.md of them.
 */
#ifndef LOOPLAB_TESTS_CONFORMANCE_CASE_H
#define LOOPLAB_TESTS_CONFORMANCE_CASE_H

#include <stddef.h>

/* What becomes of the connection behind the answers. */
typedef enum {
    OPEN,  /* it goes on: one more request is answered */
    CLOSE, /* the last answer says `Connection: close`, and nothing follows but the end */
    WAITS, /* more of the request is awaited; when the client ends instead, so does the server */
    FIN,   /* the client sends FIN at once, and gets its answers; then the server closes too */
} conformance_fate_t;

typedef struct {
    const char        *name;
    const char        *rule; /* "9112 3.2": RFC and section; "-": this server's own */
    const char        *sent;
    size_t             sent_len; /* there may be NULs in it */
    const char        *answers;  /* statuses, "200 404"; "HEAD:200" for the answer to a HEAD */
    conformance_fate_t fate;
    const char        *body; /* of the last answer; NULL: whatever */
} conformance_case_t;

typedef struct {
    const char               *title;
    const conformance_case_t *cases;
    size_t                    count;
} conformance_section_t;

#define CASE(name, rule, sent, answers, fate)                   \
    {                                                           \
        name, rule, sent, sizeof(sent) - 1, answers, fate, NULL \
    }
/* The same, and the body of the last answer is exactly `body`. */
#define CASE_BODY(name, rule, sent, answers, fate, body)        \
    {                                                           \
        name, rule, sent, sizeof(sent) - 1, answers, fate, body \
    }
#define SECTION(title, cases)                          \
    {                                                  \
        title, cases, sizeof(cases) / sizeof(cases)[0] \
    }

/* What many cases are made of. */
#define HOST          "Host: a\r\n"
#define NEXT          "GET / HTTP/1.1\r\n" HOST "\r\n"
#define GET(fields)   "GET / HTTP/1.1\r\n" HOST fields "\r\n"
#define POST(fields)  "POST /echo HTTP/1.1\r\n" HOST fields "\r\n"
#define CHUNKED       POST("Transfer-Encoding: chunked\r\n")
#define LINE(line)    line "\r\n" HOST "\r\n"
#define TARGET(path)  LINE("GET " path " HTTP/1.1")
#define HOST_IS(text) "GET / HTTP/1.1\r\nHost:" text "\r\n\r\n"

/* Each in the file of its name. */
extern const conformance_section_t conformance_request_line;
extern const conformance_section_t conformance_targets;
extern const conformance_section_t conformance_hosts;
extern const conformance_section_t conformance_fields;
extern const conformance_section_t conformance_framing;
extern const conformance_section_t conformance_chunks;
extern const conformance_section_t conformance_connections;
extern const conformance_section_t conformance_methods;

/* run.c: all cases of a section, on every lab, in one piece and byte by byte. */
void conformance_run(const conformance_section_t *section);

/* The suite's .fini. */
void conformance_end(void);

#endif
