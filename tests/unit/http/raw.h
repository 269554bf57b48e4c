/* Requests as their bytes, put together by the preprocessor. */
#ifndef LOOPLAB_TESTS_HTTP_RAW_H
#define LOOPLAB_TESTS_HTTP_RAW_H

#define HOST              "Host: a\r\n"
#define GET(target)       "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define POST_WITH(fields) "POST /echo HTTP/1.1\r\n" HOST fields "\r\n"
#define CHUNKED           POST_WITH("Transfer-Encoding: chunked\r\n")

#endif
