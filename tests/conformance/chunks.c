/* RFC 9112, 7.1: chunks, their extensions, and trailers. */
#include <criterion/criterion.h>

#include "tests/conformance/case.h"

#define END "0\r\n\r\n"
#define X10 "xxxxxxxxxx"
#define X1000                                                                                   \
    X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 \
        X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 \
            X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 \
                X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 \
                    X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define X17000                                                                                \
    X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 X1000 \
        X1000 X1000

static const conformance_case_t cases[] = {
    CASE_BODY("one chunk", "9112 7.1", CHUNKED "5\r\nhello\r\n" END, "200", OPEN, "hello"),
    CASE_BODY("several chunks", "9112 7.1", CHUNKED "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n" END, "200",
              OPEN, "abcdef"),
    CASE_BODY("no chunk but the last", "9112 7.1", CHUNKED END, "200", OPEN, ""),
    CASE_BODY("a size in small hex digits", "9112 7.1", CHUNKED "a\r\n0123456789\r\n" END, "200",
              OPEN, "0123456789"),
    CASE_BODY("a size in capital hex digits", "9112 7.1", CHUNKED "A\r\n0123456789\r\n" END, "200",
              OPEN, "0123456789"),
    CASE_BODY("zeros before the size", "9112 7.1", CHUNKED "0005\r\nhello\r\n" END, "200", OPEN,
              "hello"),
    CASE_BODY("a last chunk of many zeros", "9112 7.1", CHUNKED "5\r\nhello\r\n0000\r\n\r\n", "200",
              OPEN, "hello"),
    CASE_BODY("line ends within a chunk", "9112 7.1", CHUNKED "4\r\n\r\n\r\n\r\n" END, "200", OPEN,
              "\r\n\r\n"),
    CASE_BODY("a last chunk within a chunk", "9112 7.1", CHUNKED "5\r\n" END "\r\n" END, "200",
              OPEN, END),
    CASE("two requests of chunks", "9112 7.1", CHUNKED "1\r\na\r\n" END CHUNKED "1\r\nb\r\n" END,
         "200 200", OPEN),
    CASE("no last chunk", "9112 7.1", CHUNKED "5\r\nhello\r\n", "", WAITS),
    CASE("no end behind the last chunk", "9112 7.1", CHUNKED "5\r\nhello\r\n0\r\n", "", WAITS),
    CASE("half a chunk", "9112 7.1", CHUNKED "5\r\nhe", "", WAITS),

    CASE("no size", "9112 7.1", CHUNKED "\r\nhello\r\n" END, "400", CLOSE),
    CASE("a size of no hex digits", "9112 7.1", CHUNKED "xyz\r\nhello\r\n" END, "400", CLOSE),
    CASE("a size with 0x", "9112 7.1", CHUNKED "0x5\r\nhello\r\n" END, "400", CLOSE),
    CASE("a minus before the size", "9112 7.1", CHUNKED "-5\r\nhello\r\n" END, "400", CLOSE),
    CASE("a plus before the size", "9112 7.1", CHUNKED "+5\r\nhello\r\n" END, "400", CLOSE),
    CASE("an underscore in the size", "9112 7.1", CHUNKED "1_0\r\nhello\r\n" END, "400", CLOSE),
    CASE("a dot in the size", "9112 7.1", CHUNKED "5.0\r\nhello\r\n" END, "400", CLOSE),
    CASE("an h behind the size", "9112 7.1", CHUNKED "5h\r\nhello\r\n" END, "400", CLOSE),
    CASE("a blank before the size", "9112 7.1", CHUNKED " 5\r\nhello\r\n" END, "400", CLOSE),
    CASE("a tab before the size", "9112 7.1", CHUNKED "\t5\r\nhello\r\n" END, "400", CLOSE),
    CASE("a blank behind the size", "9112 7.1", CHUNKED "5 \r\nhello\r\n" END, "400", CLOSE),
    CASE("a tab behind the size", "9112 7.1", CHUNKED "5\t\r\nhello\r\n" END, "400", CLOSE),
    CASE("a blank within the size", "9112 7.1", CHUNKED "1 0\r\nhello\r\n" END, "400", CLOSE),
    CASE("a NUL behind the size", "9112 7.1", CHUNKED "5\0\r\nhello\r\n" END, "400", CLOSE),
    CASE("a comma behind the size", "9112 7.1", CHUNKED "5,\r\nhello\r\n" END, "400", CLOSE),
    CASE("larger than may be", "9110 15.5.14", CHUNKED "100001\r\n", "413", CLOSE),
    CASE("larger than may be, together", "9110 15.5.14", CHUNKED "5\r\nhello\r\nffffc\r\n", "413",
         CLOSE),
    CASE("2^32 + 5", "9112 7.1", CHUNKED "100000005\r\nhello\r\n" END, "413", CLOSE),
    CASE("2^64 - 1", "9112 7.1", CHUNKED "ffffffffffffffff\r\nhello\r\n" END, "413", CLOSE),
    CASE("2^64 + 5", "9112 7.1", CHUNKED "10000000000000005\r\nhello\r\n" END, "400", CLOSE),
    CASE("a size of forty digits", "9112 7.1",
         CHUNKED "1000000000000000000000000000000000000000\r\nhello\r\n" END, "400", CLOSE),

    CASE("bare LF behind the size", "9112 2.2", CHUNKED "5\nhello\r\n" END, "400", CLOSE),
    CASE("bare CR behind the size", "9112 2.2", CHUNKED "5\rhello\r\n" END, "400", CLOSE),
    CASE("CR CR LF behind the size", "9112 2.2", CHUNKED "5\r\r\nhello\r\n" END, "400", CLOSE),
    CASE("bare LF behind the data", "9112 7.1", CHUNKED "5\r\nhello\n" END, "400", CLOSE),
    CASE("bare CR behind the data", "9112 7.1", CHUNKED "5\r\nhello\r" END, "400", CLOSE),
    CASE("nothing behind the data", "9112 7.1", CHUNKED "5\r\nhello" END, "400", CLOSE),
    CASE("two line ends behind the data", "9112 7.1", CHUNKED "5\r\nhello\r\n\r\n" END, "400",
         CLOSE),
    CASE("more data than the size says", "9112 7.1", CHUNKED "3\r\nhello\r\n" END, "400", CLOSE),
    CASE("less data than the size says", "9112 7.1", CHUNKED "7\r\nhello\r\n" END, "400", CLOSE),
    CASE("bare LF behind the last chunk", "9112 2.2", CHUNKED "5\r\nhello\r\n0\n\r\n", "400",
         CLOSE),
    CASE("bare LF at the end", "9112 2.2", CHUNKED "5\r\nhello\r\n0\r\n\n", "400", CLOSE),
    CASE("bare CR at the end", "9112 2.2", CHUNKED "5\r\nhello\r\n0\r\n\rX", "400", CLOSE),

    CASE_BODY("an extension", "9112 7.1.1", CHUNKED "5;a\r\nhello\r\n" END, "200", OPEN, "hello"),
    CASE_BODY("an extension with a value", "9112 7.1.1", CHUNKED "5;a=b\r\nhello\r\n" END, "200",
              OPEN, "hello"),
    CASE_BODY("an extension with a quoted value", "9112 7.1.1",
              CHUNKED "5;a=\"b;c\"\r\nhello\r\n" END, "200", OPEN, "hello"),
    CASE_BODY("several extensions", "9112 7.1.1", CHUNKED "5;a;b=c;d=\"e\"\r\nhello\r\n" END, "200",
              OPEN, "hello"),
    CASE_BODY("an extension of the last chunk", "9112 7.1.1", CHUNKED "5\r\nhello\r\n0;a=b\r\n\r\n",
              "200", OPEN, "hello"),
    CASE("a blank before an extension", "9112 7.1.1", CHUNKED "5 ;a\r\nhello\r\n" END, "400",
         CLOSE),
    CASE("an extension without a name", "9112 7.1.1", CHUNKED "5;\r\nhello\r\n" END, "400", CLOSE),
    CASE("a NUL in an extension", "9112 7.1.1", CHUNKED "5;a\0b\r\nhello\r\n" END, "400", CLOSE),
    CASE("a control character in an extension", "9112 7.1.1", CHUNKED "5;a\x01\r\nhello\r\n" END,
         "400", CLOSE),
    CASE("bare LF in an extension", "9112 7.1.1", CHUNKED "5;a\nhello\r\n" END, "400", CLOSE),
    CASE("bare CR in an extension", "9112 7.1.1", CHUNKED "5;a\rb\r\nhello\r\n" END, "400", CLOSE),
    CASE("bare LF in a quoted value", "9112 7.1.1", CHUNKED "5;a=\"\n\"\r\nhello\r\n" END, "400",
         CLOSE),
    CASE("a line end in a quoted value", "9112 7.1.1", CHUNKED "5;a=\"\r\n\"\r\nhello\r\n" END,
         "400", CLOSE),
    CASE("an extension too long", "9112 7.1.1", CHUNKED "5;" X17000 "\r\nhello\r\n" END, "431",
         CLOSE),

    CASE_BODY("a trailer", "9112 7.1.2", CHUNKED "5\r\nhello\r\n0\r\nA: b\r\n\r\n", "200", OPEN,
              "hello"),
    CASE_BODY("several trailers", "9112 7.1.2",
              CHUNKED "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\nA: e\r\n\r\n", "200", OPEN, "hello"),
    CASE("trailers change nothing: Host", "9110 6.5.1", CHUNKED "0\r\nHost: b\r\nHost: c\r\n\r\n",
         "200", OPEN),
    CASE("trailers change nothing: Expect", "9110 6.5.1", CHUNKED "0\r\nExpect: x\r\n\r\n", "200",
         OPEN),
    CASE("a trailer that would be framing: length", "9110 6.5.1",
         CHUNKED "0\r\nContent-Length: 5\r\n\r\nhello", "400", CLOSE),
    CASE("a trailer without a colon", "9112 5", CHUNKED "0\r\nabc\r\n\r\n", "400", CLOSE),
    CASE("a trailer with a blank before its colon", "9112 5.1", CHUNKED "0\r\nA : b\r\n\r\n", "400",
         CLOSE),
    CASE("a folded trailer", "9112 5.2", CHUNKED "0\r\nA: b\r\n c\r\n\r\n", "400", CLOSE),
    CASE("a NUL in a trailer", "9110 5.5", CHUNKED "0\r\nA: b\0\r\n\r\n", "400", CLOSE),
    CASE("bare LF behind a trailer", "9112 2.2", CHUNKED "0\r\nA: b\n\r\n", "400", CLOSE),
    CASE("a request where trailers stand", "9112 7.1.2", CHUNKED "0\r\n" NEXT, "400", CLOSE),
    CASE("trailers too long", "6585 5", CHUNKED "0\r\nA: " X17000 "\r\n\r\n", "431", CLOSE),
};

const conformance_section_t conformance_chunks = SECTION("Chunks and trailers", cases);

Test(conformance, chunks)
{
    conformance_run(&conformance_chunks);
}
