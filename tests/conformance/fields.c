/* RFC 9112, 5, and RFC 9110, 5: the syntax of header fields, and their limits. */
#include <criterion/criterion.h>

#include "tests/conformance/case.h"

/* 10, 100, 1000, 9000 times x */
#define X10   "xxxxxxxxxx"
#define X100  X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X1000 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100
#define X9000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000

#define B100                                                                          \
    "                                                                               " \
    "                     "
#define B1000 B100 B100 B100 B100 B100 B100 B100 B100 B100 B100
#define B9000 B1000 B1000 B1000 B1000 B1000 B1000 B1000 B1000 B1000
#define A10   "A:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\nA:\r\n"
#define A90   A10 A10 A10 A10 A10 A10 A10 A10 A10

static const conformance_case_t cases[] = {
    CASE("no blank behind the colon", "9112 5.1", GET("A:b\r\n"), "200", OPEN),
    CASE("many blanks and tabs around a value", "9112 5.1", GET("A: \t  b \t\r\n"), "200", OPEN),
    CASE("an empty value", "9112 5", GET("A:\r\n"), "200", OPEN),
    CASE("a value of blanks", "9112 5.1", GET("A: \t \r\n"), "200", OPEN),
    CASE("colons in a value", "9112 5", GET("A: b:c:d\r\n"), "200", OPEN),
    CASE("blanks and tabs in a value", "9110 5.5", GET("A: b \t c\r\n"), "200", OPEN),
    CASE("a value in quotation marks", "9110 5.6.4", GET("A: \"b, c\"\r\n"), "200", OPEN),
    CASE("a value beyond ASCII", "9110 5.5", GET("A: \xc3\xa9\xff\r\n"), "200", OPEN),
    CASE("the same field twice", "9110 5.3", GET("A: b\r\nA: c\r\n"), "200", OPEN),
    CASE("every character that a name may have", "9110 5.6.2", GET("!#$%&'*+-.^_`|~09azAZ: b\r\n"),
         "200", OPEN),
    CASE("fields that nobody knows", "9110 5.1", GET("X-Unknown: 1\r\nY-Unknown: 2\r\n"), "200",
         OPEN),

    CASE("a blank before the colon", "9112 5.1", GET("A : b\r\n"), "400", CLOSE),
    CASE("a tab before the colon", "9112 5.1", GET("A\t: b\r\n"), "400", CLOSE),
    CASE("a blank before the colon of a length", "9112 5.1", POST("Content-Length : 3\r\n") "abc",
         "400", CLOSE),
    CASE("a blank before the colon of a coding", "9112 5.1",
         POST("Transfer-Encoding : chunked\r\n") "0\r\n\r\n", "400", CLOSE),
    CASE("a blank within a name", "9110 5.1", GET("A B: c\r\n"), "400", CLOSE),
    CASE("a tab within a name", "9110 5.1", GET("A\tB: c\r\n"), "400", CLOSE),
    CASE("an empty name", "9110 5.1", GET(": b\r\n"), "400", CLOSE),
    CASE("no colon", "9112 5", GET("abc\r\n"), "400", CLOSE),
    CASE("a colon only", "9112 5", GET(":\r\n"), "400", CLOSE),
    CASE("parentheses in a name", "9110 5.1", GET("A(B): c\r\n"), "400", CLOSE),
    CASE("a slash in a name", "9110 5.1", GET("A/B: c\r\n"), "400", CLOSE),
    CASE("an at sign in a name", "9110 5.1", GET("A@B: c\r\n"), "400", CLOSE),
    CASE("brackets in a name", "9110 5.1", GET("[A]: c\r\n"), "400", CLOSE),
    CASE("braces in a name", "9110 5.1", GET("{A}: c\r\n"), "400", CLOSE),
    CASE("quotation marks in a name", "9110 5.1", GET("\"A\": c\r\n"), "400", CLOSE),
    CASE("a semicolon in a name", "9110 5.1", GET("A;B: c\r\n"), "400", CLOSE),
    CASE("an equals sign in a name", "9110 5.1", GET("A=B: c\r\n"), "400", CLOSE),
    CASE("a backslash in a name", "9110 5.1", GET("A\\B: c\r\n"), "400", CLOSE),
    CASE("a name beyond ASCII", "9110 5.1", GET("\xc3\xa9: c\r\n"), "400", CLOSE),
    CASE("a NUL in a name", "9110 5.1", GET("A\0B: c\r\n"), "400", CLOSE),
    CASE("a control character in a name", "9110 5.1", GET("A\x02: c\r\n"), "400", CLOSE),
    CASE("DEL in a name", "9110 5.1", GET("A\x7f: c\r\n"), "400", CLOSE),

    CASE("a NUL in a value", "9110 5.5", GET("A: b\0c\r\n"), "400", CLOSE),
    CASE("a NUL as a value", "9110 5.5", GET("A: \0\r\n"), "400", CLOSE),
    CASE("bare CR in a value", "9110 5.5", GET("A: b\rc\r\n"), "400", CLOSE),
    CASE("bare CR first in a value", "9110 5.5", GET("A:\rb\r\n"), "400", CLOSE),
    CASE("CR CR LF behind a value", "9112 2.2", GET("A: b\r\r\n"), "400", CLOSE),
    CASE("a control character in a value", "9110 5.5", GET("A: b\x01\r\n"), "400", CLOSE),
    CASE("a backspace in a value", "9110 5.5", GET("A: b\b\r\n"), "400", CLOSE),
    CASE("an escape character in a value", "9110 5.5", GET("A: \x1b[0m\r\n"), "400", CLOSE),
    CASE("a vertical tab in a value", "9110 5.5", GET("A: b\vc\r\n"), "400", CLOSE),
    CASE("a form feed in a value", "9110 5.5", GET("A: b\fc\r\n"), "400", CLOSE),
    CASE("DEL in a value", "9110 5.5", GET("A: b\x7f\r\n"), "400", CLOSE),
    CASE("bare LF behind a field", "9112 2.2", "GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", "400",
         CLOSE),
    CASE("bare LF ends the head", "9112 2.2", "GET / HTTP/1.1\r\nHost: a\r\n\n", "400", CLOSE),
    CASE("bare CR ends the head", "9112 2.2", "GET / HTTP/1.1\r\nHost: a\r\n\rX", "400", CLOSE),
    CASE("a folded line", "9112 5.2", GET("A: b\r\n c\r\n"), "400", CLOSE),
    CASE("a line folded with a tab", "9112 5.2", GET("A: b\r\n\tc\r\n"), "400", CLOSE),
    CASE("a folded line without content", "9112 5.2", GET("A: b\r\n \r\n"), "400", CLOSE),
    CASE("a folded Host", "9112 5.2", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", "400", CLOSE),
    CASE("a folded coding", "9112 5.2", POST("Transfer-Encoding:\r\n chunked\r\n") "0\r\n\r\n",
         "400", CLOSE),
    CASE("a folded length", "9112 5.2", POST("Content-Length: 1\r\n 0\r\n") "0123456789", "400",
         CLOSE),
    CASE("a blank before the first field", "9112 2.2", "GET / HTTP/1.1\r\n " HOST "\r\n", "400",
         CLOSE),
    CASE("a tab before the first field", "9112 2.2", "GET / HTTP/1.1\r\n\t" HOST "\r\n", "400",
         CLOSE),

    CASE("a long line that fits", "9110 4.1", TARGET("/?" X1000 X1000 X1000 X1000), "200", OPEN),
    CASE("a line too long", "9110 15.5.15", TARGET("/" X9000), "414", CLOSE),
    CASE("a line too long, without its end", "9110 15.5.15", "GET /" X9000, "414", CLOSE),
    CASE("a query too long", "9110 15.5.15", TARGET("/?" X9000), "414", CLOSE),
    CASE("a method too long", "9112 3", LINE(X9000 " / HTTP/1.1"), "501", CLOSE),
    CASE("a long value that fits", "9110 5.4", GET("A: " X9000 "\r\n"), "200", OPEN),
    CASE("a value too long", "6585 5", GET("A: " X9000 X9000 "\r\n"), "431", CLOSE),
    CASE("a value too long, without its end", "6585 5", "GET / HTTP/1.1\r\nA: " X9000 X9000, "431",
         CLOSE),
    CASE("a name too long", "6585 5", GET(X9000 X9000 ": b\r\n"), "431", CLOSE),
    CASE("fields too long, together", "6585 5", GET("A: " X9000 "\r\nB: " X9000 "\r\n"), "431",
         CLOSE),
    CASE("blanks before a value that fit", "6585 5", GET("A:" B9000 "b\r\n"), "200", OPEN),
    CASE("blanks before a value, too many", "6585 5", GET("A:" B9000 B9000 "b\r\n"), "431", CLOSE),
    CASE("blanks without end", "6585 5", "GET / HTTP/1.1\r\nA:" B9000 B9000, "431", CLOSE),
    CASE("blanks behind a value, too many", "6585 5", GET("A: b" B9000 B9000 "\r\n"), "431", CLOSE),
    CASE("as many fields as may be", "6585 5", GET(A90 "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\n"), "200",
         OPEN),
    CASE("too many fields", "6585 5", GET(A90 A10), "431", CLOSE),

    CASE("an expectation that can't be met", "9110 10.1.1", GET("Expect: coffee\r\n"), "417",
         CLOSE),
    CASE("an expectation among others", "9110 10.1.1", GET("Expect: 100-continue, coffee\r\n"),
         "417", CLOSE),
    CASE("a wish to upgrade", "9110 7.8", GET("Connection: Upgrade\r\nUpgrade: websocket\r\n"),
         "200", OPEN),
    CASE("a wish to upgrade to HTTP/2", "9110 7.8",
         GET("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n"),
         "200", OPEN),
    CASE("a wish to upgrade with a body", "9110 7.8",
         POST("Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n") "abc", "200", OPEN),
    CASE("Upgrade without Connection", "9110 7.8", GET("Upgrade: websocket\r\n"), "200", OPEN),
    CASE("a range, which nothing here has", "9110 14.2", GET("Range: bytes=0-1\r\n"), "200", OPEN),
    CASE("Accept that makes no sense", "9110 12.5.1", GET("Accept: ;;,,/\r\n"), "200", OPEN),
    CASE("cookies", "6265 5.4", GET("Cookie: a=b; c=d\r\nCookie: e=f\r\n"), "200", OPEN),
};

const conformance_section_t conformance_fields = SECTION("Header fields", cases);

Test(conformance, fields)
{
    conformance_run(&conformance_fields);
}
