/* RFC 9112, 2.2, 2.3 and 3: where a request begins, and its first line. */
#include <criterion/criterion.h>

#include "tests/conformance/case.h"

static const conformance_case_t cases[] = {
    CASE("an ordinary request", "9112 3", NEXT, "200", OPEN),
    CASE("an empty line before it", "9112 2.2", "\r\n" NEXT, "200", OPEN),
    CASE("several empty lines before it", "9112 2.2", "\r\n\r\n\r\n" NEXT, "200", OPEN),
    CASE("an empty line between two", "9112 2.2", NEXT "\r\n" NEXT, "200 200", OPEN),
    CASE("empty lines and nothing else", "9112 2.2", "\r\n\r\n", "", WAITS),
    CASE("a blank before the method", "9112 2.2", " " NEXT, "400", CLOSE),
    CASE("a tab before the method", "9112 2.2", "\t" NEXT, "400", CLOSE),
    CASE("blanks and nothing else", "9112 3", "   \r\n\r\n", "400", CLOSE),
    CASE("no blank behind the method", "9112 3", LINE("GET/ HTTP/1.1"), "400", CLOSE),
    CASE("two blanks behind the method", "9112 3", LINE("GET  / HTTP/1.1"), "400", CLOSE),
    CASE("a tab behind the method", "9112 3", LINE("GET\t/ HTTP/1.1"), "400", CLOSE),
    CASE("a vertical tab behind the method", "9112 3", LINE("GET\v/ HTTP/1.1"), "400", CLOSE),
    CASE("two blanks behind the target", "9112 3", LINE("GET /  HTTP/1.1"), "400", CLOSE),
    CASE("a tab behind the target", "9112 3", LINE("GET /\tHTTP/1.1"), "400", CLOSE),
    CASE("a form feed behind the target", "9112 3", LINE("GET /\fHTTP/1.1"), "400", CLOSE),
    CASE("a blank behind the version", "9112 3", LINE("GET / HTTP/1.1 "), "400", CLOSE),
    CASE("a tab behind the version", "9112 3", LINE("GET / HTTP/1.1\t"), "400", CLOSE),
    CASE("more behind the version", "9112 3", LINE("GET / HTTP/1.1 x"), "400", CLOSE),
    CASE("no target", "9112 3", LINE("GET HTTP/1.1"), "400", CLOSE),
    CASE("no target, but its blanks", "9112 3", LINE("GET  HTTP/1.1"), "400", CLOSE),
    CASE("no method", "9112 3", LINE("/ HTTP/1.1"), "400", CLOSE),
    CASE("a method only", "9112 3", LINE("GET"), "400", CLOSE),
    CASE("a status line", "9112 3", "HTTP/1.1 200 OK\r\n\r\n", "501", CLOSE),
    CASE("words", "9112 3", "hello world\r\n\r\n", "501", CLOSE),
    CASE("a page", "9112 3", "<html></html>\r\n\r\n", "400", CLOSE),
    CASE("a NUL first", "9112 3", "\0" NEXT, "400", CLOSE),
    CASE("a NUL in the method", "9112 3", LINE("G\0T / HTTP/1.1"), "400", CLOSE),
    CASE("bytes beyond ASCII", "9112 3", "\xff\xfe\x80\x81\r\n\r\n", "400", CLOSE),
    CASE("a byte order mark", "9112 3", "\xef\xbb\xbf" NEXT, "400", CLOSE),
    CASE("TLS", "9112 3", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400", CLOSE),
    CASE("the preface of HTTP/2", "9113 3.4", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", CLOSE),
    CASE("half a line", "9112 3", "GET / HT", "", WAITS),
    CASE("a line without fields' end", "9112 2.1", "GET / HTTP/1.1\r\n", "", WAITS),

    CASE("HTTP/1.0", "9112 2.3", "GET / HTTP/1.0\r\n\r\n", "200", CLOSE),
    CASE("HTTP/0.9, which has no version", "9112 2.3", "GET /\r\n\r\n", "505", CLOSE),
    CASE("version 0.9", "9112 2.3", LINE("GET / HTTP/0.9"), "505", CLOSE),
    CASE("version 1.2", "9110 15.6.6", LINE("GET / HTTP/1.2"), "505", CLOSE),
    CASE("version 1.9", "9110 15.6.6", LINE("GET / HTTP/1.9"), "505", CLOSE),
    CASE("version 2.0", "9110 15.6.6", LINE("GET / HTTP/2.0"), "505", CLOSE),
    CASE("version 3.0", "9110 15.6.6", LINE("GET / HTTP/3.0"), "505", CLOSE),
    CASE("version 9.9", "9110 15.6.6", LINE("GET / HTTP/9.9"), "505", CLOSE),
    CASE("no minor version", "9112 2.3", LINE("GET / HTTP/1"), "400", CLOSE),
    CASE("a dot and no minor version", "9112 2.3", LINE("GET / HTTP/1."), "400", CLOSE),
    CASE("no major version", "9112 2.3", LINE("GET / HTTP/.1"), "400", CLOSE),
    CASE("no version behind the slash", "9112 2.3", LINE("GET / HTTP/"), "400", CLOSE),
    CASE("no slash before the version", "9112 2.3", LINE("GET / HTTP 1.1"), "400", CLOSE),
    CASE("a comma in the version", "9112 2.3", LINE("GET / HTTP/1,1"), "400", CLOSE),
    CASE("a zero before the version", "9112 2.3", LINE("GET / HTTP/01.1"), "400", CLOSE),
    CASE("a zero behind the dot", "9112 2.3", LINE("GET / HTTP/1.01"), "400", CLOSE),
    CASE("two digits behind the dot", "9112 2.3", LINE("GET / HTTP/1.10"), "400", CLOSE),
    CASE("two digits before the dot", "9112 2.3", LINE("GET / HTTP/11.1"), "400", CLOSE),
    CASE("a blank in the version", "9112 2.3", LINE("GET / HTTP/ 1.1"), "400", CLOSE),
    CASE("a letter for a version", "9112 2.3", LINE("GET / HTTP/x.y"), "400", CLOSE),
    CASE("a sign before the version", "9112 2.3", LINE("GET / HTTP/-1.1"), "400", CLOSE),
    CASE("small letters: http/1.1", "9112 2.3", LINE("GET / http/1.1"), "400", CLOSE),
    CASE("mixed letters: Http/1.1", "9112 2.3", LINE("GET / Http/1.1"), "400", CLOSE),
    CASE("another protocol: HTTPS/1.1", "9112 2.3", LINE("GET / HTTPS/1.1"), "400", CLOSE),
    CASE("another protocol: RTSP/1.0", "9112 2.3", LINE("GET / RTSP/1.0"), "400", CLOSE),
    CASE("POST by RTSP/1.0", "9112 2.3", LINE("POST /echo RTSP/1.0"), "400", CLOSE),
    CASE("another protocol: ICE/1.0", "9112 2.3", LINE("SOURCE / ICE/1.0"), "400", CLOSE),
    CASE("another protocol: SIP/2.0", "9112 2.3", LINE("GET / SIP/2.0"), "400", CLOSE),

    CASE("bare LF ends the line", "9112 2.2", "GET / HTTP/1.1\nHost: a\r\n\r\n", "400", CLOSE),
    CASE("bare LF ends every line", "9112 2.2", "GET / HTTP/1.1\nHost: a\n\n", "400", CLOSE),
    CASE("bare CR ends the line", "9112 2.2", "GET / HTTP/1.1\rHost: a\r\n\r\n", "400", CLOSE),
    CASE("bare CR ends every line", "9112 2.2", "GET / HTTP/1.1\rHost: a\r\r", "400", CLOSE),
    CASE("CR CR LF", "9112 2.2", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "400", CLOSE),
    CASE("CR in the target", "9112 2.2", LINE("GET /\rx HTTP/1.1"), "400", CLOSE),
    CASE("LF in the target: a line of its own", "9112 2.2", LINE("GET /\nx HTTP/1.1"), "400",
         CLOSE),
    CASE("what follows an error is no request", "9112 2.2", LINE("GET / HTTP/1.1 x") NEXT NEXT,
         "400", CLOSE),
    CASE("an error waits for the answers before it", "9112 9.3.2", NEXT NEXT "GET x\r\n\r\n",
         "200 200 400", CLOSE),
};

const conformance_section_t conformance_request_line = SECTION("The request line", cases);

Test(conformance, request_line)
{
    conformance_run(&conformance_request_line);
}

TestSuite(conformance, .fini = conformance_end, .timeout = 300);
