/*
 * common/http/parser.c: which requests are served, which are refused and how. Every case of the
 * tables is fed at once and once more byte by byte: the answers must be the same.
 *
 * Section numbers are those of RFC 9112 unless said.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/http/internal.h"
#include "tests/support/client.h"
#include "tests/support/text.h"
#include "tests/unit/http/feed.h"
#include "tests/unit/http/fixture.h"
#include "tests/unit/http/raw.h"

#define NEXT GET("/echo")

typedef struct {
    const char *name;
    const char *raw;
    const char *statuses; /* of the answers, in order */
} case_t;

static void run_case(feed_t *feed, const case_t *c)
{
    char *whole = feed_run(feed, c->raw, strlen(c->raw), 0);
    char *bytes = feed_run(feed, c->raw, strlen(c->raw), 1);

    cr_expect(strcmp(feed_statuses(whole), c->statuses) == 0,
              "%s: \"%s\": expected \"%s\", seen \"%s\" in:\n%s", c->name,
              text_readable(c->raw, strlen(c->raw)), c->statuses, feed_statuses(whole), whole);
    cr_expect(strcmp(whole, bytes) == 0, "%s: \"%s\": fed at once:\n%s\nfed byte by byte:\n%s",
              c->name, text_readable(c->raw, strlen(c->raw)), whole, bytes);
    free(whole);
    free(bytes);
}

static void run_cases(const case_t *cases, size_t count, const http_options_t *options)
{
    feed_t feed;

    feed_open(&feed, options);
    for (size_t i = 0; i < count; i++)
        run_case(&feed, &cases[i]);
    feed_close(&feed);
}

#define RUN_CASES(cases, options) run_cases(cases, sizeof(cases) / sizeof(cases)[0], options)

Test(http_parser, request_lines)
{
    static const case_t cases[] = {
        {"ordinary", NEXT, "200"},
        {"empty lines before it are skipped (2.2)", "\r\n\r\n" NEXT, "200"},
        {"two in a row", NEXT NEXT, "200 200"},
        {"HTTP/1.0 needs no Host", "GET /echo HTTP/1.0\r\n\r\n", "200"},
        {"a blank first", " " NEXT, "400"},
        {"a blank behind the version", "GET /echo HTTP/1.1 \r\n" HOST "\r\n", "400"},
        {"HTTP/0.9", "GET /echo\r\n\r\n", "505"},
        {"version 0.9", "GET /echo HTTP/0.9\r\n\r\n", "505"},
        {"version 1.2", "GET /echo HTTP/1.2\r\n" HOST "\r\n", "505"},
        {"version 2.0", "GET /echo HTTP/2.0\r\n" HOST "\r\n", "505"},
        {"a minor version of two digits", "GET /echo HTTP/1.10\r\n" HOST "\r\n", "400"},
        {"a major version of two digits", "GET /echo HTTP/11.1\r\n" HOST "\r\n", "400"},
        {"no dot in the version", "GET /echo HTTP/1,1\r\n" HOST "\r\n", "400"},
        {"the name of the protocol is case-sensitive", "GET /echo http/1.1\r\n" HOST "\r\n", "400"},
        {"another protocol", "GET /echo HTTPS/1.1\r\n" HOST "\r\n", "400"},
        {"RTSP, which has a GET too", "GET /echo RTSP/1.0\r\n\r\n", "400"},
        {"RTSP, which has a POST too", "POST /echo RTSP/1.0\r\n" HOST "\r\n", "400"},
        {"RTSP and its own methods", "DESCRIBE /echo RTSP/1.0\r\n\r\n", "400"},
        {"ICE", "SOURCE /echo ICE/1.0\r\n\r\n", "400"},
        {"two blanks before the target (3)", "GET  /echo HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"and nothing more", "GET  ", "400"},
        {"two blanks behind the target", "GET /echo  HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a tab behind the target", "GET /echo\tHTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a blank at the end of the request before",
         NEXT "GET /echo HTTP/1.1\r\n" HOST "A: b \r\n"
              "\r\n",
         "200 200"},
        {"TLS", "\x16\x03\x01\x02hello\r\n\r\n", "400"},
        {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"},
        {"a tab behind the method", "GET\t/echo HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a method that is no token", "G@T /echo HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"CR alone ends no line", "GET /echo HTTP/1.1\rHost: a\r\n\r\n", "400"},
        {"what follows an error is not read", "GET /echo HTTP/3.0\r\n\r\n" NEXT, "505"},
        {"an error waits for the answers before it", NEXT "GET x HTTP/1.1\r\n\r\n", "200 400"},
    };

    RUN_CASES(cases, NULL);
}

Test(http_parser, methods)
{
    static const case_t cases[] = {
        {"GET", NEXT, "200"},
        {"POST", "POST /echo HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"PUT", "PUT /echo HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"PATCH", "PATCH /echo HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"DELETE", "DELETE /echo HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"OPTIONS", "OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n", "204"},
        {"TRACE", "TRACE /echo HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"CONNECT", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"of WebDAV", "PROPFIND /echo HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"of RTSP", "DESCRIBE /echo HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"registered nowhere", "BREW /echo HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"longer than a known one", "GETX /echo HTTP/1.1\r\n" HOST "\r\n", "501"},
        {"case-sensitive (RFC 9110, 9.1)", "get /echo HTTP/1.1\r\n" HOST "\r\n", "501"},
    };

    RUN_CASES(cases, NULL);
}

Test(http_parser, targets)
{
    static const case_t cases[] = {
        {"absolute-form (3.2.2)", "GET http://h/echo HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"its scheme in capitals", "GET HTTP://h:80/echo?x HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"without a path it means /", "GET http://h HTTP/1.1\r\n" HOST "\r\n", "404"},
        {"with a query only", "GET http://h?x HTTP/1.1\r\n" HOST "\r\n", "404"},
        {"of a scheme that isn't ours", "GET https://h/echo HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"empty host (RFC 9110, 4.2.1)", "GET http:///echo HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"empty host, a query", "GET http://?x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"user information (RFC 9110, 4.2.4)", "GET http://u@h/echo HTTP/1.1\r\n" HOST "\r\n",
         "400"},
        {"a port that is none", "GET http://h:x/echo HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"IPv6", "GET http://[::1]:80/echo HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"asterisk-form (3.2.4)", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "204"},
        {"asterisk for GET", "GET * HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"more than an asterisk", "OPTIONS *x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"authority-form", "GET a:80 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"no slash", "GET echo HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a fragment (3.2)", "GET /echo#f HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a fragment in a query", "GET /echo?x#f HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"not ASCII", "GET /echo/\x80/x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a control character", "GET /echo/\x01/x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"a broken escape", "GET /echo/%zz/x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"an escape that is cut short", "GET /echo/x/%2 HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"an encoded NUL", "GET /echo/%00/x HTTP/1.1\r\n" HOST "\r\n", "400"},
        {"escapes in the query are the app's", "GET /echo?a=%zz HTTP/1.1\r\n" HOST "\r\n", "200"},
        {"no such path", "GET /nowhere HTTP/1.1\r\n" HOST "\r\n", "404"},
        {"no such method there", "PUT /only/get HTTP/1.1\r\n" HOST "\r\n", "405"},
        {"after 404 and 405 it goes on",
         "POST /no HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
         "PUT /only/get HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" NEXT,
         "404 405 200"},
    };

    RUN_CASES(cases, NULL);
}

Test(http_parser, fields)
{
    static const case_t cases[] = {
        {"no Host (3.2)", "GET /echo HTTP/1.1\r\n\r\n", "400"},
        {"an empty Host", "GET /echo HTTP/1.1\r\nHost:\r\n\r\n", "200"},
        {"Host, any case", "GET /echo HTTP/1.1\r\nhOsT: a\r\n\r\n", "200"},
        {"two of them", "GET /echo HTTP/1.1\r\n" HOST HOST "\r\n", "400"},
        {"two of them in HTTP/1.0", "GET /echo HTTP/1.0\r\n" HOST HOST "\r\n", "400"},
        {"Host: a blank in it", "GET /echo HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
        {"Host: a path in it", "GET /echo HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
        {"Host: user information", "GET /echo HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
        {"Host: a quotation mark", "GET /echo HTTP/1.1\r\nHost: \"a\"\r\n\r\n", "400"},
        {"Host: not ASCII", "GET /echo HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", "400"},
        {"Host: a port", "GET /echo HTTP/1.1\r\nHost: a-b.c_d:80\r\n\r\n", "200"},
        {"Host: an empty port", "GET /echo HTTP/1.1\r\nHost: a:\r\n\r\n", "200"},
        {"Host: a port that is none", "GET /echo HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"},
        {"Host: two ports", "GET /echo HTTP/1.1\r\nHost: a:1:2\r\n\r\n", "400"},
        {"Host: a port only", "GET /echo HTTP/1.1\r\nHost: :80\r\n\r\n", "400"},
        {"Host: IPv6 without a bracket", "GET /echo HTTP/1.1\r\nHost: ::1\r\n\r\n", "400"},
        {"Host: a bracket that stays open", "GET /echo HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
        {"Host: nothing in brackets", "GET /echo HTTP/1.1\r\nHost: []\r\n\r\n", "400"},
        {"Host: something behind a bracket", "GET /echo HTTP/1.1\r\nHost: [::1]a\r\n\r\n", "400"},
        {"Host: a list", "GET /echo HTTP/1.1\r\nHost: a,b\r\n\r\n", "400"},
        {"Host: IPv6 and a port", "GET /echo HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200"},
        {"Most is no Host", "GET /echo HTTP/1.1\r\nMost: a\r\n\r\n", "400"},
        {"a blank before the colon (5.1)", "GET /echo HTTP/1.1\r\nHost : a\r\n\r\n", "400"},
        {"a blank in a name", "GET /echo HTTP/1.1\r\n" HOST "X Y: a\r\n\r\n", "400"},
        {"an empty name", "GET /echo HTTP/1.1\r\n" HOST ": a\r\n\r\n", "400"},
        {"no colon", "GET /echo HTTP/1.1\r\n" HOST "abc\r\n\r\n", "400"},
        {"a folded line (5.2)", "GET /echo HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "400"},
        {"folded with a tab", "GET /echo HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n", "400"},
        {"a blank before the first field (2.2)", "GET /echo HTTP/1.1\r\n " HOST "\r\n", "400"},
        {"bare LF, everywhere", "GET /echo HTTP/1.1\nHost: a\n\n", "400"},
        {"bare LF behind a field", "GET /echo HTTP/1.1\r\nHost: a\n\r\n", "400"},
        {"bare LF at the end", "GET /echo HTTP/1.1\r\n" HOST "\n", "400"},
        {"bare CR in a value", "GET /echo HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "400"},
        {"a control character", "GET /echo HTTP/1.1\r\n" HOST "X: a\x01z\r\n\r\n", "400"},
        {"DEL", "GET /echo HTTP/1.1\r\n" HOST "X: a\x7fz\r\n\r\n", "400"},
        {"obs-text is passed on (RFC 9110, 5.5)",
         "GET /echo HTTP/1.1\r\n" HOST "X: a\xc3\xa9z\r\n\r\n", "200"},
        {"an expectation that we can't meet (RFC 9110, 10.1.1)",
         "GET /echo HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n", "417"},
        {"Upgrade is ignored (RFC 9110, 7.8)",
         "GET /echo HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" NEXT,
         "200 200"},
    };

    RUN_CASES(cases, NULL);
}

Test(http_parser, framing)
{
    static const case_t cases[] = {
        {"a body of a length", POST_WITH("Content-Length: 5\r\n") "hello" NEXT, "200 200"},
        {"of length 0", POST_WITH("Content-Length: 0\r\n") NEXT, "200 200"},
        {"blanks behind the length", POST_WITH("Content-Length: 5 \r\n") "hello" NEXT, "200 200"},
        {"GET with a body", "GET /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" NEXT,
         "200 200"},
        {"two lengths, the same", POST_WITH("Content-Length: 5\r\nContent-Length: 5\r\n") "hello",
         "400"},
        {"two lengths, not the same",
         POST_WITH("Content-Length: 5\r\nContent-Length: 6\r\n") "hello", "400"},
        {"a list of lengths", POST_WITH("Content-Length: 5, 5\r\n") "hello", "400"},
        {"a sign", POST_WITH("Content-Length: +5\r\n") "hello", "400"},
        {"less than nothing", POST_WITH("Content-Length: -5\r\n") "hello", "400"},
        {"hexadecimal", POST_WITH("Content-Length: 0x5\r\n") "hello", "400"},
        {"two numbers", POST_WITH("Content-Length: 5 5\r\n") "hello", "400"},
        {"no number", POST_WITH("Content-Length:\r\n") "hello", "400"},
        {"2^64 + 1", POST_WITH("Content-Length: 18446744073709551617\r\n") "hello", "400"},
        {"2^64 - 1", POST_WITH("Content-Length: 18446744073709551615\r\n") "hello", "413"},
        {"both length and coding (6.1)",
         POST_WITH("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n", "400"},
        {"both, the other way round",
         POST_WITH("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n", "400"},
        {"chunked, in capitals", POST_WITH("Transfer-Encoding: CHUNKED\r\n") "0\r\n\r\n" NEXT,
         "200 200"},
        {"another coding (6.1)", POST_WITH("Transfer-Encoding: gzip\r\n") "hello", "501"},
        {"another coding, chunked", POST_WITH("Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n",
         "501"},
        {"identity is no coding any more", POST_WITH("Transfer-Encoding: identity\r\n"), "501"},
        {"chunked isn't the last (6.3)", POST_WITH("Transfer-Encoding: chunked, gzip\r\n"), "400"},
        {"chunked twice",
         POST_WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") "0\r\n\r\n",
         "400"},
        {"not quite chunked",
         POST_WITH("Transfer-Encoding: \x0b"
                   "chunked\r\n") "0\r\n\r\n",
         "400"},
        {"chunked in HTTP/1.0 (6.1)",
         "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        {"HTTP/1.0 with a length",
         "POST /echo HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello" NEXT,
         "200 200"},
        {"cut short: nobody waits for an answer", POST_WITH("Content-Length: 5\r\n") "hell", ""},
    };

    RUN_CASES(cases, NULL);
}

Test(http_parser, chunks)
{
    static const case_t cases[] = {
        {"some", CHUNKED "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" NEXT, "200 200"},
        {"none", CHUNKED "0\r\n\r\n" NEXT, "200 200"},
        {"sizes in hex, any case", CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
         "200"},
        {"zeros before the size", CHUNKED "0005\r\nhello\r\n000\r\n\r\n" NEXT, "200 200"},
        {"extensions are ignored (7.1.1)", CHUNKED "5;a;b=c;d=\"e;f\"\r\nhello\r\n0;x\r\n\r\n" NEXT,
         "200 200"},
        {"trailers are ignored (RFC 9110, 6.5.1)",
         CHUNKED "0\r\nX-Sum: 1\r\nHost: b\r\nHost: c\r\nExpect: tea\r\n\r\n" NEXT, "200 200"},
        {"a trailer that would be framing", CHUNKED "0\r\nContent-Length: 5\r\n\r\n", "400"},
        {"a malformed trailer", CHUNKED "0\r\nnot a field\r\n\r\n", "400"},
        {"no size", CHUNKED "\r\nhello\r\n0\r\n\r\n", "400"},
        {"a negative size", CHUNKED "-5\r\nhello\r\n0\r\n\r\n", "400"},
        {"a size with 0x", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n", "400"},
        {"a blank behind the size", CHUNKED "5 \r\nhello\r\n0\r\n\r\n", "400"},
        {"a size of 2^64", CHUNKED "10000000000000000\r\nhello\r\n0\r\n\r\n", "400"},
        {"bare LF behind a size", CHUNKED "5\nhello\r\n0\r\n\r\n", "400"},
        {"bare LF behind an extension", CHUNKED "5;a\nhello\r\n0\r\n\r\n", "400"},
        {"bare LF behind the data", CHUNKED "5\r\nhello\n0\r\n\r\n", "400"},
        {"nothing behind the data", CHUNKED "5\r\nhello0\r\n\r\n", "400"},
        {"more data than its size", CHUNKED "5\r\nhelloXY0\r\n\r\n", "400"},
        {"no last chunk", CHUNKED "5\r\nhello\r\n", ""},
    };

    RUN_CASES(cases, NULL);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static http_options_t small_limits(void)
{
    http_options_t options;

    http_options_default(&options);
    options.max_request_line = 64;
    options.max_header_bytes = 100;
    options.max_headers = 4;
    options.max_body = 10;
    return options;
}

#define BLANKS "                                        "
#define FORTY  "0123456789012345678901234567890123456789"

Test(http_parser, limits)
{
    static const case_t cases[] = {
        {"a target that fits", "GET /echo?" FORTY " HTTP/1.0\r\n\r\n", "200"},
        {"a target that doesn't", "GET /echo?" FORTY FORTY " HTTP/1.0\r\n\r\n", "414"},
        {"it needn't be complete", "GET /echo?" FORTY FORTY, "414"},
        {"fields that fit", "GET /echo HTTP/1.0\r\nA: " FORTY "\r\nB: " FORTY "\r\n\r\n", "200"},
        {"a value too many", "GET /echo HTTP/1.0\r\nA: " FORTY FORTY FORTY "\r\n\r\n", "431"},
        {"a name too long", "GET /echo HTTP/1.0\r\n" FORTY FORTY FORTY ": x\r\n\r\n", "431"},
        {"blanks before a value that fit", "GET /echo HTTP/1.0\r\nA:" BLANKS BLANKS "b\r\n\r\n",
         "200"},
        {"blanks before a value count", "GET /echo HTTP/1.0\r\nA:" BLANKS BLANKS BLANKS "b\r\n\r\n",
         "431"},
        {"even if no value ever comes", "GET /echo HTTP/1.0\r\nA:" BLANKS BLANKS BLANKS, "431"},
        {"blanks behind a value count",
         "GET /echo HTTP/1.0\r\nA: b" BLANKS BLANKS BLANKS "\r\n\r\n", "431"},
        {"blanks of several fields count",
         "GET /echo HTTP/1.0\r\nA:" BLANKS "\r\nB:" BLANKS "\r\nC:" BLANKS "c\r\n\r\n", "431"},
        {"blanks of the next request count anew",
         "GET /echo HTTP/1.1\r\nHost:" BLANKS BLANKS "a\r\n\r\n"
         "GET /echo HTTP/1.1\r\nHost:" BLANKS BLANKS "a\r\n\r\n",
         "200 200"},
        {"a field that is malformed behind too many blanks",
         "GET /echo HTTP/1.0\r\nA:" BLANKS BLANKS BLANKS "\x01\r\n\r\n", "431"},
        {"four fields", "GET /echo HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", "200"},
        {"five", "GET /echo HTTP/1.0\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n", "431"},
        {"a body that fits", POST_WITH("Content-Length: 10\r\n") "0123456789", "200"},
        {"a body of one more: not read", POST_WITH("Content-Length: 11\r\n"), "413"},
        {"chunks that fit", CHUNKED "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", "200"},
        {"chunks of one more", CHUNKED "5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n", "413"},
        {"a chunk too large: not read", CHUNKED "b\r\n", "413"},
        {"a second one: not read", CHUNKED "5\r\n01234\r\n6\r\n", "413"},
        {"a chunk far too large", CHUNKED "ffffffffffffffff\r\n", "413"},
        {"an extension too long", CHUNKED "1;" FORTY FORTY FORTY "\r\nx\r\n0\r\n\r\n", "431"},
        {"extensions too long, together",
         CHUNKED "1;" FORTY "\r\nx\r\n1;" FORTY "\r\nx\r\n1;" FORTY "\r\nx\r\n0\r\n\r\n", "431"},
        {"trailers too long", CHUNKED "0\r\nA: " FORTY FORTY FORTY "\r\n\r\n", "431"},
        {"trailers of the next request count anew",
         CHUNKED "0\r\nA: " FORTY FORTY "\r\n\r\n" CHUNKED "0\r\nA: " FORTY FORTY "\r\n\r\n",
         "200 200"},
    };
    http_options_t options = small_limits();

    RUN_CASES(cases, &options);
}

/* ---- Names and flags ------------------------------------------------------------------------- */

Test(http_parser, methods_have_names_and_back)
{
    static const struct {
        const char *name;
        int         method;
    } cases[] = {
        {"DELETE", HTTP_METHOD_DELETE},
        {"GET", HTTP_METHOD_GET},
        {"HEAD", HTTP_METHOD_HEAD},
        {"POST", HTTP_METHOD_POST},
        {"PUT", HTTP_METHOD_PUT},
        {"OPTIONS", HTTP_METHOD_OPTIONS},
        {"PATCH", HTTP_METHOD_PATCH},
        {"get", -1},
        {"CONNECT", -1},
        {"TRACE", -1},
        {"", -1},
        {"GETX", -1},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int method = http_method_from_name(cases[i].name);

        cr_expect(method == cases[i].method, "\"%s\": expected %d, seen %d", cases[i].name,
                  cases[i].method, method);
        if (method >= 0)
            cr_expect(strcmp(http_method_name((http_method_t)method), cases[i].name) == 0, "%s",
                      cases[i].name);
    }
    cr_expect(http_method_name((http_method_t)5) == NULL, "5 is CONNECT, which is not served");
    cr_expect(strchr(http_parser_version(), '.') != NULL, "seen \"%s\"", http_parser_version());
}

static void lenient_flags(fixture_t *f, void *arg)
{
    *(unsigned *)arg = f->server->conns == NULL ? ~0u : f->server->conns->parser.lenient_flags;
}

/* llhttp is as strict as it can be: on every connection, before and after a request. */
Test(http_parser, no_lenient_flag_is_set)
{
    fixture_t *f = fixture_start(NULL);
    unsigned   flags = ~0u;
    client_t   c;

    client_connect(&c, f->port);
    for (int i = 0; i < 3; i++) {
        answer_t a = client_get(&c, "/echo");

        answer_free(&a);
        fixture_call(f, lenient_flags, &flags);
        cr_expect(flags == 0, "after %d requests: flags %#x", i + 1, flags);
    }
    client_close(&c);
    fixture_stop(f);
}
