/* RFC 9112, 9: how long a connection lives, pipelining, and clients that send FIN. */
#include <criterion/criterion.h>

#include "tests/conformance/case.h"

#define GET_10(fields) "GET / HTTP/1.0\r\n" fields "\r\n"
#define HEAD           "HEAD / HTTP/1.1\r\n" HOST "\r\n"
#define WITH(option)   "Connection: " option "\r\n"
#define FOUR           NEXT NEXT NEXT NEXT

static const conformance_case_t cases[] = {
    CASE("HTTP/1.1 stays open", "9112 9.3", NEXT, "200", OPEN),
    CASE("keep-alive changes nothing", "9112 9.3", GET(WITH("keep-alive")), "200", OPEN),
    CASE("close", "9112 9.6", GET(WITH("close")), "200", CLOSE),
    CASE("Close: options are case-insensitive", "9110 7.6.1", GET(WITH("Close")), "200", CLOSE),
    CASE("CLOSE", "9110 7.6.1", GET(WITH("CLOSE")), "200", CLOSE),
    CASE("close in a list", "9110 7.6.1", GET(WITH("x, close")), "200", CLOSE),
    CASE("close first in a list", "9110 7.6.1", GET(WITH("close, x")), "200", CLOSE),
    CASE("close beside keep-alive", "9112 9.3", GET(WITH("keep-alive, close")), "200", CLOSE),
    CASE("close in a second field", "9110 7.6.1", GET(WITH("x") WITH("close")), "200", CLOSE),
    CASE("blanks around close", "9112 5.1", GET("Connection: \t close \t\r\n"), "200", CLOSE),
    CASE("an option that nobody knows", "9110 7.6.1", GET(WITH("coffee")), "200", OPEN),
    CASE("an option that begins like close", "9110 7.6.1", GET(WITH("closed")), "200", OPEN),
    CASE("an empty Connection", "9110 7.6.1", GET("Connection:\r\n"), "200", OPEN),
    CASE("close for nobody", "9112 9.6", "GET /nowhere HTTP/1.1\r\n" HOST WITH("close") "\r\n",
         "404", CLOSE),
    CASE("close for another method", "9112 9.6", "PUT / HTTP/1.1\r\n" HOST WITH("close") "\r\n",
         "405", CLOSE),
    CASE("close with a body", "9112 9.6", POST(WITH("close") "Content-Length: 3\r\n") "abc", "200",
         CLOSE),
    CASE("close with chunks", "9112 9.6",
         POST(WITH("close") "Transfer-Encoding: chunked\r\n") "0\r\n\r\n", "200", CLOSE),
    CASE("close for a HEAD", "9112 9.6", "HEAD / HTTP/1.1\r\n" HOST WITH("close") "\r\n",
         "HEAD:200", CLOSE),
    CASE("nothing behind close is a request", "9112 9.6", GET(WITH("close")) NEXT, "200", CLOSE),
    CASE("HTTP/1.0 closes", "9112 9.3", GET_10(""), "200", CLOSE),
    CASE("HTTP/1.0 keep-alive", "9112 9.3", GET_10(WITH("keep-alive")), "200", OPEN),
    CASE("HTTP/1.0 Keep-Alive", "9110 7.6.1", GET_10(WITH("Keep-Alive")), "200", OPEN),
    CASE("HTTP/1.0 keep-alive, close", "9112 9.3", GET_10(WITH("keep-alive, close")), "200", CLOSE),
    CASE("nothing behind HTTP/1.0 is a request", "9112 9.3", GET_10("") NEXT, "200", CLOSE),
    CASE("HTTP/1.0 keep-alive, twice", "9112 9.3",
         GET_10(WITH("keep-alive")) GET_10(WITH("keep-alive")), "200 200", OPEN),
    CASE("HTTP/1.0 behind HTTP/1.1", "9112 9.3", NEXT GET_10(""), "200 200", CLOSE),
    CASE("after 404 it goes on", "9112 9.3", TARGET("/x") NEXT, "404 200", OPEN),
    CASE("after 405 it goes on", "9112 9.3", LINE("PUT / HTTP/1.1") NEXT, "405 200", OPEN),
    CASE("after 500 it goes on", "9112 9.3", TARGET("/error") NEXT, "500 200", OPEN),

    CASE("two in one piece", "9112 9.3.2", NEXT NEXT, "200 200", OPEN),
    CASE("sixteen in one piece", "9112 9.3.2", FOUR FOUR FOUR FOUR,
         "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200", OPEN),
    CASE("more than the window", "9112 9.3.2", FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR FOUR,
         "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 "
         "200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200 200",
         OPEN),
    CASE("a slow one before a fast one", "9112 9.3.2", TARGET("/wait?ms=20") TARGET("/x"),
         "200 404", OPEN),
    CASE("a POST between two GETs", "9112 9.3.2", NEXT POST("Content-Length: 3\r\n") "abc" NEXT,
         "200 200 200", OPEN),
    CASE("a HEAD between two GETs", "9112 9.3.2", NEXT HEAD NEXT, "200 HEAD:200 200", OPEN),
    CASE("an OPTIONS between two GETs", "9112 9.3.2", NEXT LINE("OPTIONS / HTTP/1.1") NEXT,
         "200 204 200", OPEN),
    CASE_BODY("the last of several bodies", "9112 9.3.2",
              POST("Content-Length: 1\r\n") "a" POST("Content-Length: 1\r\n") "b" POST(
                  "Content-Length: 1\r\n") "c",
              "200 200 200", OPEN, "c"),
    CASE("an error in the middle ends it", "9112 9.3.2", NEXT "GET x HTTP/1.1\r\n\r\n" NEXT,
         "200 400", CLOSE),
    CASE("a handler's error doesn't", "9112 9.3.2", NEXT TARGET("/error") NEXT, "200 500 200",
         OPEN),

    CASE("FIN behind a request", "9112 9.6", NEXT, "200", FIN),
    CASE("FIN behind several", "9112 9.6", NEXT NEXT NEXT, "200 200 200", FIN),
    CASE("FIN behind a slow one", "9112 9.6", TARGET("/wait?ms=20"), "200", FIN),
    CASE("FIN behind a body", "9112 9.6", POST("Content-Length: 3\r\n") "abc", "200", FIN),
    CASE("FIN behind chunks", "9112 9.6", CHUNKED "0\r\n\r\n", "200", FIN),
    CASE("FIN behind a HEAD", "9112 9.6", HEAD, "HEAD:200", FIN),
    CASE("FIN behind a 404", "9112 9.6", TARGET("/nowhere"), "404", FIN),
    CASE("FIN behind an error", "9112 9.6", "GET x HTTP/1.1\r\n\r\n", "400", FIN),
    CASE("FIN within the next request", "9112 8", NEXT "GET /js", "200", FIN),
    CASE("FIN within a body", "9112 8", NEXT POST("Content-Length: 3\r\n") "ab", "200", FIN),
    CASE("FIN before any byte", "9112 8", "", "", WAITS),
};

const conformance_section_t conformance_connections = SECTION("Connections", cases);

Test(conformance, connections)
{
    conformance_run(&conformance_connections);
}
