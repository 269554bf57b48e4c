"""Handlers that return, raise and ask for this and that: the same functions for all labs."""

import sys

from harness import where
from looplab import App, Response

async_app = App()
sync_app = App()


def both(path, methods=("GET",)):
    """Add the function to both apps, for the asynchronous one inside a coroutine."""

    def add(handler):
        async def asynchronous(request):
            return handler(request)

        async_app.route(path, methods=methods)(asynchronous)
        sync_app.route(path, methods=methods)(handler)
        return handler

    return add


class Text(str):
    """A str, for whoever asks isinstance()."""


VALUES = {
    "str": "text \u00e4\u20ac",
    "empty": "",
    "subclass": Text("sub"),
    "bytes": b"\x00\xff",
    "dict": {"a": [1, None, True, "\u00e4"]},
    "list": [1, "two"],
    "none": None,
    "int": 7,
    "tuple": (1, 2),
    "generator": (n for n in range(3)),
    "bytearray": bytearray(b"x"),
    "set_inside": {"a": {1}},
    "surrogate": "\ud800",
    "type": str,
}


@both("/value/{name}")
def value(request):
    return VALUES[request.path_params["name"]]


@both("/nan")
def nan(request):
    return {"n": float("nan")}


@both("/cycle")
def cycle(request):
    loop = []
    loop.append(loop)
    return loop


@both("/response")
def response(request):
    return Response(
        "made",
        status=201,
        headers=[("X-One", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")],
        content_type="text/x-test",
    )


@both("/headers-dict")
def headers_dict(request):
    return Response(headers={"Content-Type": "text/x-own", "Location": "/else\u00e4"}, status=302)


@both("/empty/{status}")
def empty(request):
    return Response("not to be sent", status=int(request.path_params["status"]))


@both("/two-types")
def two_types(request):
    return Response("x", headers={"Content-Type": "text/a"}, content_type="text/b")


BAD_HEADERS = {
    "types": [("Content-Type", "text/a"), ("content-type", "text/b")],
    "long_type": {"Content-Type": "text/" + "a" * 300},
    "cr": {"X-A": "a\rb"},
    "lf": {"X-A": "a\nSet-Cookie: forged=1"},
    "crlf": {"X-A": "a\r\n\r\nforged"},
    "nul": {"X-A": "a\0b"},
    "name": {"X A": "b"},
    "name_crlf": {"X-A: 1\r\nX-B": "b"},
    "not_latin1": {"X-A": "\u20ac"},
    "number": {"X-A": 1},
    "length": {"Content-Length": "5"},
    "coding": {"Transfer-Encoding": "chunked"},
    "connection": {"Connection": "close"},
    "triple": [("a", "b", "c")],
}


@both("/bad-headers/{name}")
def bad_headers(request):
    return Response("x", headers=BAD_HEADERS[request.path_params["name"]])


@both("/bad-type")
def bad_type(request):
    return Response("x", content_type="text/plain\r\nX-Forged: 1")


@both("/bad-status")
def bad_status(request):
    return Response("x", status=99)


@both("/exit")
def exit_(request):
    sys.exit(3)


@both("/interrupt")
def interrupt(request):
    raise KeyboardInterrupt


@both("/raise/{text}")
def raise_(request):
    raise ValueError(request.path_params["text"])


@both("/recursion")
def recursion(request):
    return recursion(request)


async def unawaited():
    return "never seen"


@both("/awaitable")
def awaitable(request):
    return unawaited()


@both("/request/{id}", methods=("GET", "POST", "PUT", "PATCH", "DELETE"))
def attributes(request):
    return {
        "method": request.method,
        "target": request.target,
        "path": request.path,
        "query_string": request.query_string,
        "query": request.query,
        "path_params": request.path_params,
        "headers": request.headers,
        "body": request.body.decode("latin-1"),
        "http_version": request.http_version,
        "same": request.headers is request.headers and request.body is request.body,
        "repr": repr(request),
    }


@both("/json", methods=("POST",))
def json(request):
    return {"json": request.json()}


@both("/text", methods=("POST",))
def text(request):
    return {"text": request.text()}


KEPT = []


@both("/keep", methods=("POST",))
def keep(request):
    """Keep the request beyond its answer."""
    KEPT.append(request)
    return "kept"


@both("/kept")
def kept(request):
    return [old.body.decode() for old in KEPT]


@both("/where")
def where_(request):
    return where()
