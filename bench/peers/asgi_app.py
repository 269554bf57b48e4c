"""The least an ASGI server can be asked to run: what it costs is the server's own."""

import asyncio

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"13")],
}
_BODY = {"type": "http.response.body", "body": b"Hello, World!"}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send(_START)
    await send(_BODY)


async def waiting_app(scope, receive, send):
    """One that suspends once for each request."""
    await asyncio.sleep(0)
    await app(scope, receive, send)


async def reading_app(scope, receive, send):
    """For hypercorn, which closes a connection whose request the app hasn't read."""
    if scope["type"] == "http":
        await receive()
    await app(scope, receive, send)
