/* RFC 9110, 9 and 15: methods, and the statuses that answer those that a path doesn't have. */
#include <criterion/criterion.h>

#include "tests/conformance/case.h"

static const conformance_case_t cases[] = {
    CASE("GET", "9110 9.3.1", LINE("GET / HTTP/1.1"), "200", OPEN),
    CASE("HEAD", "9110 9.3.2", LINE("HEAD / HTTP/1.1"), "HEAD:200", OPEN),
    CASE("HEAD of JSON", "9110 9.3.2", LINE("HEAD /json HTTP/1.1"), "HEAD:200", OPEN),
    CASE("HEAD of a route in C", "9110 9.3.2", LINE("HEAD /native HTTP/1.1"), "HEAD:200", OPEN),
    CASE("HEAD of a stream", "9110 9.3.2", LINE("HEAD /native/stream?chunks=2&size=9 HTTP/1.1"),
         "HEAD:200", OPEN),
    CASE("HEAD of nothing", "9110 9.3.2", LINE("HEAD /nowhere HTTP/1.1"), "HEAD:404", OPEN),
    CASE("HEAD of a handler that raises", "9110 9.3.2", LINE("HEAD /error HTTP/1.1"), "HEAD:500",
         OPEN),
    CASE("HEAD of what has no GET", "9110 15.5.6", LINE("HEAD /echo HTTP/1.1"), "HEAD:405", OPEN),
    CASE("HEAD that is refused", "9110 9.3.2", "HEAD / HTTP/1.1\r\n\r\n", "HEAD:400", CLOSE),
    CASE("HEAD by HTTP/1.0", "9110 9.3.2", "HEAD / HTTP/1.0\r\n\r\n", "HEAD:200", CLOSE),
    CASE_BODY("POST", "9110 9.3.3", POST("Content-Length: 1\r\n") "x", "200", OPEN, "x"),
    CASE("POST of nothing", "9110 15.5.5", LINE("POST /nowhere HTTP/1.1"), "404", OPEN),
    CASE("POST where GET is", "9110 15.5.6", LINE("POST / HTTP/1.1"), "405", OPEN),
    CASE("GET where POST is", "9110 15.5.6", LINE("GET /echo HTTP/1.1"), "405", OPEN),
    CASE("PUT where GET is", "9110 15.5.6", LINE("PUT / HTTP/1.1"), "405", OPEN),
    CASE("DELETE where GET is", "9110 15.5.6", LINE("DELETE / HTTP/1.1"), "405", OPEN),
    CASE("PATCH where GET is", "9110 15.5.6", LINE("PATCH / HTTP/1.1"), "405", OPEN),
    CASE("PUT where a parameter is", "9110 15.5.6", LINE("PUT /users/1 HTTP/1.1"), "405", OPEN),
    CASE("POST where a route in C is", "9110 15.5.6", LINE("POST /native HTTP/1.1"), "405", OPEN),
    CASE("OPTIONS", "9110 9.3.7", LINE("OPTIONS / HTTP/1.1"), "204", OPEN),
    CASE("OPTIONS of what has POST", "9110 9.3.7", LINE("OPTIONS /echo HTTP/1.1"), "204", OPEN),
    CASE("OPTIONS of everything", "9110 9.3.7", LINE("OPTIONS * HTTP/1.1"), "204", OPEN),
    CASE("OPTIONS of nothing", "9110 9.3.7", LINE("OPTIONS /nowhere HTTP/1.1"), "404", OPEN),
    CASE("CONNECT", "9110 9.3.6", LINE("CONNECT a:80 HTTP/1.1"), "501", CLOSE),
    CASE("CONNECT and what would go through", "9110 9.3.6", LINE("CONNECT a:80 HTTP/1.1") NEXT,
         "501", CLOSE),
    CASE("TRACE", "9110 9.3.8", LINE("TRACE / HTTP/1.1"), "501", CLOSE),
    CASE("TRACE with a body", "9110 9.3.8",
         "TRACE / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "501", CLOSE),
    CASE("a method of WebDAV", "9110 9.1", LINE("PROPFIND / HTTP/1.1"), "501", CLOSE),
    CASE("a method of caches", "9110 9.1", LINE("PURGE / HTTP/1.1"), "501", CLOSE),
    CASE("a method of RTSP", "9110 9.1", LINE("DESCRIBE / HTTP/1.1"), "501", CLOSE),
    CASE("a method that nobody has", "9110 9.1", LINE("BREW / HTTP/1.1"), "501", CLOSE),
    CASE("a method with a hyphen", "9110 9.1", LINE("A-B / HTTP/1.1"), "501", CLOSE),
    CASE("get: methods are case-sensitive", "9110 9.1", LINE("get / HTTP/1.1"), "501", CLOSE),
    CASE("Get", "9110 9.1", LINE("Get / HTTP/1.1"), "501", CLOSE),
    CASE("GETX", "9110 9.1", LINE("GETX / HTTP/1.1"), "501", CLOSE),
    CASE("GE", "9110 9.1", LINE("GE / HTTP/1.1"), "400", CLOSE),
    CASE("a method that is no token: G@T", "9110 9.1", LINE("G@T / HTTP/1.1"), "400", CLOSE),
    CASE("a method that is no token: GET:", "9110 9.1", LINE("GET: / HTTP/1.1"), "400", CLOSE),
    CASE("a method in quotation marks", "9110 9.1", LINE("\"GET\" / HTTP/1.1"), "400", CLOSE),
    CASE("a method beyond ASCII", "9110 9.1", LINE("G\xc3\x89T / HTTP/1.1"), "400", CLOSE),

    CASE("a handler that raises", "9110 15.6.1", TARGET("/error"), "500", OPEN),
    CASE("a stream", "9112 7.1", TARGET("/native/stream?chunks=3&size=10"), "200", OPEN),
    CASE("a stream by HTTP/1.0 ends with its connection", "9112 6.3",
         "GET /native/stream?chunks=3&size=10 HTTP/1.0\r\n\r\n", "200", CLOSE),
    CASE("a stream by HTTP/1.0 that would stay", "9112 6.3",
         "GET /native/stream?chunks=3&size=10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200",
         CLOSE),
};

const conformance_section_t conformance_methods = SECTION("Methods and answers", cases);

Test(conformance, methods)
{
    conformance_run(&conformance_methods);
}
