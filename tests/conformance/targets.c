/* RFC 9112, 3.2, and RFC 3986: what a request is for. */
#include <criterion/criterion.h>

#include "tests/conformance/case.h"

static const conformance_case_t cases[] = {
    CASE_BODY("origin-form", "9112 3.2.1", TARGET("/"), "200", OPEN, "Hello, World!"),
    CASE_BODY("a query", "9112 3.2.1", TARGET("/?a=b&c"), "200", OPEN, "Hello, World!"),
    CASE_BODY("an empty query", "9112 3.2.1", TARGET("/?"), "200", OPEN, "Hello, World!"),
    CASE("question marks and slashes in a query", "3986 3.4", TARGET("/?a=/b?c"), "200", OPEN),
    CASE("no such path", "9110 15.5.5", TARGET("/nowhere"), "404", OPEN),
    CASE("paths are case-sensitive", "9110 4.2.3", TARGET("/JSON"), "404", OPEN),
    CASE("a slash more at the end is another path", "3986 6.2.3", TARGET("/json/"), "404", OPEN),
    CASE("two slashes are another path", "3986 3.3", TARGET("//json"), "404", OPEN),
    CASE("an empty path", "9112 3.2.1", LINE("GET ?a=b HTTP/1.1"), "400", CLOSE),
    CASE("no slash first", "9112 3.2.1", TARGET("json"), "400", CLOSE),
    CASE("a relative path", "9112 3.2.1", TARGET("./json"), "400", CLOSE),
    CASE("a fragment", "9112 3.2", TARGET("/json#here"), "400", CLOSE),
    CASE("a fragment behind a query", "9112 3.2", TARGET("/json?a#here"), "400", CLOSE),
    CASE("nothing but a fragment", "9112 3.2", TARGET("#here"), "400", CLOSE),

    CASE("absolute-form", "9112 3.2.2", TARGET("http://a/json"), "200", OPEN),
    CASE("absolute-form, HTTP in capitals", "3986 3.1", TARGET("HTTP://a/json"), "200", OPEN),
    CASE("absolute-form with a port", "9112 3.2.2", TARGET("http://a:80/json"), "200", OPEN),
    CASE("absolute-form with an empty port", "3986 3.2.3", TARGET("http://a:/json"), "200", OPEN),
    CASE("absolute-form with IPv6", "3986 3.2.2", TARGET("http://[::1]/json"), "200", OPEN),
    CASE("absolute-form wins over Host", "9112 3.2.2", TARGET("http://other/json"), "200", OPEN),
    CASE("absolute-form without a path is /", "9112 3.2.2", TARGET("http://a"), "200", OPEN),
    CASE("absolute-form, a query only", "9112 3.2.2", TARGET("http://a?b=c"), "200", OPEN),
    CASE("absolute-form by HTTP/1.0", "9112 3.2.2", "GET http://a/json HTTP/1.0\r\n\r\n", "200",
         CLOSE),
    CASE("absolute-form needs a Host too", "9112 3.2", "GET http://a/json HTTP/1.1\r\n\r\n", "400",
         CLOSE),
    CASE("absolute-form without a host", "9110 4.2.1", TARGET("http:///json"), "400", CLOSE),
    CASE("absolute-form with a port only", "9110 4.2.1", TARGET("http://:80/json"), "400", CLOSE),
    CASE("absolute-form with user information", "9110 4.2.4", TARGET("http://u:p@a/json"), "400",
         CLOSE),
    CASE("absolute-form, a port that is none", "3986 3.2.3", TARGET("http://a:x/"), "400", CLOSE),
    CASE("absolute-form, a bracket left open", "3986 3.2.2", TARGET("http://[::1/"), "400", CLOSE),
    CASE("another scheme: https", "9110 4.2.2", TARGET("https://a/json"), "400", CLOSE),
    CASE("another scheme: ftp", "9112 3.2.2", TARGET("ftp://a/json"), "400", CLOSE),
    CASE("another scheme: file", "9112 3.2.2", TARGET("file:///etc/passwd"), "400", CLOSE),
    CASE("one slash behind the scheme", "9112 3.2.2", TARGET("http:/a/json"), "400", CLOSE),
    CASE("a scheme only", "9112 3.2.2", TARGET("http://"), "400", CLOSE),

    CASE("authority-form is for CONNECT", "9112 3.2.3", TARGET("a:80"), "400", CLOSE),
    CASE("asterisk-form", "9112 3.2.4", LINE("OPTIONS * HTTP/1.1"), "204", OPEN),
    CASE("asterisk-form is for OPTIONS", "9112 3.2.4", TARGET("*"), "400", CLOSE),
    CASE("POST *", "9112 3.2.4", LINE("POST * HTTP/1.1"), "400", CLOSE),
    CASE("more than an asterisk", "9112 3.2.4", LINE("OPTIONS *x HTTP/1.1"), "400", CLOSE),
    CASE("a path that is an asterisk", "9112 3.2.1", LINE("OPTIONS /* HTTP/1.1"), "404", OPEN),

    CASE("an encoded path", "3986 2.4", TARGET("/%6Ason"), "200", OPEN),
    CASE("small hex digits", "3986 2.1", TARGET("/%6ason"), "200", OPEN),
    CASE("an encoded slash ends no segment", "3986 2.2", TARGET("/users%2F1"), "404", OPEN),
    CASE("an encoded question mark begins no query", "3986 2.2", TARGET("/json%3Fa"), "404", OPEN),
    CASE("decoded once, not twice", "3986 2.4", TARGET("/%256Ason"), "404", OPEN),
    CASE("a plus is a plus", "3986 2.2", TARGET("/json+"), "404", OPEN),
    CASE("an escape without digits", "3986 2.1", TARGET("/%"), "400", CLOSE),
    CASE("an escape with one digit", "3986 2.1", TARGET("/%4"), "400", CLOSE),
    CASE("an escape of no hex digits", "3986 2.1", TARGET("/%zz"), "400", CLOSE),
    CASE("an escape of Unicode", "3986 2.1", TARGET("/%u0041"), "400", CLOSE),
    CASE("a NUL, encoded", "-", TARGET("/users/a%00b"), "400", CLOSE),
    CASE("escapes in a query are the app's", "3986 3.4", TARGET("/json?a=%zz"), "200", OPEN),
    CASE("an encoded line end stays in its segment", "3986 2.4", TARGET("/x%0d%0aSet-Cookie:%20a"),
         "404", OPEN),
    CASE("overlong UTF-8 is no slash", "3629 3", TARGET("/users%c0%af1"), "404", OPEN),
    CASE("dot segments name no other resource", "3986 5.2.4", TARGET("/users/../json"), "404",
         OPEN),
    CASE("a single dot", "3986 5.2.4", TARGET("/./json"), "404", OPEN),
    CASE("above the root", "3986 5.2.4", TARGET("/../../../../etc/passwd"), "404", OPEN),
    CASE("encoded dots", "3986 2.3", TARGET("/%2e%2e/%2e%2e/etc/passwd"), "404", OPEN),
    CASE("backslashes", "3986 3.3", TARGET("/..\\..\\etc\\passwd"), "404", OPEN),

    CASE("a NUL in the target", "9112 3.2", TARGET("/\0"), "400", CLOSE),
    CASE("a control character in the target", "9112 3.2", TARGET("/\x01"), "400", CLOSE),
    CASE("an escape character in the target", "9112 3.2", TARGET("/\x1b[31m"), "400", CLOSE),
    CASE("DEL in the target", "9112 3.2", TARGET("/\x7f"), "400", CLOSE),
    CASE("UTF-8 in the target", "9112 3.2", TARGET("/\xc3\xa9"), "400", CLOSE),
    CASE("UTF-8 in the query", "9112 3.2", TARGET("/?\xc3\xa9"), "400", CLOSE),
    CASE("a blank in the target", "9112 3.2", TARGET("/a b"), "400", CLOSE),
    CASE("a tab in the query", "9112 3.2", TARGET("/?a\tb"), "400", CLOSE),
};

const conformance_section_t conformance_targets = SECTION("Targets and paths", cases);

Test(conformance, targets)
{
    conformance_run(&conformance_targets);
}
