/* RFC 9112, 3.2: every HTTP/1.1 request names its host, once. */
#include <criterion/criterion.h>

#include "tests/conformance/case.h"

static const conformance_case_t cases[] = {
    CASE("a name", "9112 3.2", HOST_IS(" example.org"), "200", OPEN),
    CASE("a name and a port", "9110 7.2", HOST_IS(" example.org:8000"), "200", OPEN),
    CASE("a name and an empty port", "3986 3.2.3", HOST_IS(" example.org:"), "200", OPEN),
    CASE("a name with a dot at its end", "3986 3.2.2", HOST_IS(" example.org."), "200", OPEN),
    CASE("an IPv4 address", "3986 3.2.2", HOST_IS(" 127.0.0.1:80"), "200", OPEN),
    CASE("an IPv6 address", "3986 3.2.2", HOST_IS(" [2001:db8::1]"), "200", OPEN),
    CASE("an IPv6 address and a port", "3986 3.2.2", HOST_IS(" [::1]:80"), "200", OPEN),
    CASE("an IPv6 address that ends like IPv4", "3986 3.2.2", HOST_IS(" [::ffff:1.2.3.4]"), "200",
         OPEN),
    CASE("no blank behind the colon", "9112 5.1", HOST_IS("a"), "200", OPEN),
    CASE("a tab and blanks around it", "9112 5.1", HOST_IS("\t a \t"), "200", OPEN),
    CASE("an empty one", "9112 3.2", HOST_IS(""), "200", OPEN),
    CASE("one of blanks, which is empty", "9112 3.2", HOST_IS("  "), "200", OPEN),
    CASE("its name in any case", "9110 5.1", "GET / HTTP/1.1\r\nhOST: a\r\n\r\n", "200", OPEN),
    CASE("not the first field", "9112 3.2", "GET / HTTP/1.1\r\nA: b\r\nHost: a\r\n\r\n", "200",
         OPEN),
    CASE("unlike the one before", "9112 3.2", NEXT HOST_IS(" b") NEXT, "200 200 200", OPEN),
    CASE("HTTP/1.0 needs none", "9112 3.2", "GET / HTTP/1.0\r\n\r\n", "200", CLOSE),
    CASE("HTTP/1.0 may have one", "9112 3.2", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "200", CLOSE),

    CASE("none", "9112 3.2", "GET / HTTP/1.1\r\n\r\n", "400", CLOSE),
    CASE("none, but other fields", "9112 3.2", "GET / HTTP/1.1\r\nA: b\r\n\r\n", "400", CLOSE),
    CASE("none for an unknown path", "9112 3.2", "GET /x HTTP/1.1\r\n\r\n", "400", CLOSE),
    CASE("none for OPTIONS *", "9112 3.2", "OPTIONS * HTTP/1.1\r\n\r\n", "400", CLOSE),
    CASE("a field that only looks like it", "9112 3.2", "GET / HTTP/1.1\r\nHosts: a\r\n\r\n", "400",
         CLOSE),
    CASE("X-Forwarded-Host isn't it", "9112 3.2", "GET / HTTP/1.1\r\nX-Forwarded-Host: a\r\n\r\n",
         "400", CLOSE),
    CASE("two, the same", "9112 3.2", GET(HOST), "400", CLOSE),
    CASE("two, not the same", "9112 3.2", GET("Host: b\r\n"), "400", CLOSE),
    CASE("two, one of them empty", "9112 3.2", GET("Host:\r\n"), "400", CLOSE),
    CASE("two, in any case", "9112 3.2", GET("HOST: a\r\n"), "400", CLOSE),
    CASE("two by HTTP/1.0", "9112 3.2", "GET / HTTP/1.0\r\n" HOST HOST "\r\n", "400", CLOSE),
    CASE("a list", "9112 3.2", HOST_IS(" a, b"), "400", CLOSE),
    CASE("a list without blanks", "9112 3.2", HOST_IS(" a,b"), "400", CLOSE),
    CASE("a blank within", "9112 3.2", HOST_IS(" a b"), "400", CLOSE),
    CASE("a tab within", "9112 3.2", HOST_IS(" a\tb"), "400", CLOSE),
    CASE("a path", "9112 3.2", HOST_IS(" a/b"), "400", CLOSE),
    CASE("a query", "9112 3.2", HOST_IS(" a?b"), "400", CLOSE),
    CASE("a fragment", "9112 3.2", HOST_IS(" a#b"), "400", CLOSE),
    CASE("a whole URI", "9112 3.2", HOST_IS(" http://a/"), "400", CLOSE),
    CASE("user information", "9112 3.2", HOST_IS(" u@a"), "400", CLOSE),
    CASE("user and password", "9112 3.2", HOST_IS(" u:p@a"), "400", CLOSE),
    CASE("a backslash", "9112 3.2", HOST_IS(" a\\b"), "400", CLOSE),
    CASE("quotation marks", "9112 3.2", HOST_IS(" \"a\""), "400", CLOSE),
    CASE("angle brackets", "9112 3.2", HOST_IS(" <a>"), "400", CLOSE),
    CASE("braces", "9112 3.2", HOST_IS(" {a}"), "400", CLOSE),
    CASE("not ASCII", "9112 3.2", HOST_IS(" \xc3\xa9"), "400", CLOSE),
    CASE("DEL", "9112 3.2", HOST_IS(" a\x7f"), "400", CLOSE),
    CASE("a NUL", "9112 3.2", HOST_IS(" a\0b"), "400", CLOSE),
    CASE("a port that is no number", "9112 3.2", HOST_IS(" a:http"), "400", CLOSE),
    CASE("a port with a sign", "9112 3.2", HOST_IS(" a:-80"), "400", CLOSE),
    CASE("two ports", "9112 3.2", HOST_IS(" a:80:81"), "400", CLOSE),
    CASE("a port only", "9110 4.2.1", HOST_IS(" :80"), "400", CLOSE),
    CASE("IPv6 without brackets", "9112 3.2", HOST_IS(" ::1"), "400", CLOSE),
    CASE("a bracket left open", "9112 3.2", HOST_IS(" [::1"), "400", CLOSE),
    CASE("nothing in brackets", "9112 3.2", HOST_IS(" []"), "400", CLOSE),
    CASE("a name in brackets", "9112 3.2", HOST_IS(" [host]"), "400", CLOSE),
    CASE("something behind the bracket", "9112 3.2", HOST_IS(" [::1]x"), "400", CLOSE),
};

const conformance_section_t conformance_hosts = SECTION("Host", cases);

Test(conformance, hosts)
{
    conformance_run(&conformance_hosts);
}
