"""Handlers that ask another server, whose address is in the environment, and pass its answer on.

httpx has both kinds of client, in pure Python. What goes wrong at the other server is told apart:
502 if it can't be reached or its answer can't be read, 504 if it takes too long.
"""

import asyncio
import os
import sys
import weakref

sys.path.append("/usr/lib/python3/dist-packages")  # for other interpreters than the distribution's
import httpx  # noqa: E402
from looplab import App, Response  # noqa: E402

UPSTREAM = os.environ["UPSTREAM"]
TIMEOUT_S = float(os.environ.get("UPSTREAM_TIMEOUT", "5"))
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)

async_app = App()
sync_app = App()

_clients = weakref.WeakKeyDictionary()  # a client belongs to the loop that its connections are on
_client = httpx.Client(timeout=TIMEOUT_S, limits=LIMITS)  # may be used by several threads


def _client_here():
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = httpx.AsyncClient(timeout=TIMEOUT_S, limits=LIMITS)
    return _clients[loop]


def _passed_on(answer):
    if answer.status_code >= 500:
        return Response(f"the upstream says {answer.status_code}", status=502)
    return Response(answer.content, status=answer.status_code)


def _failed(error):
    late = isinstance(error, httpx.TimeoutException)
    return Response(f"the upstream: {type(error).__name__}", status=504 if late else 502)


@async_app.get("/fetch")
async def fetch(request):
    try:
        return _passed_on(await _client_here().get(UPSTREAM))
    except httpx.TransportError as error:
        return _failed(error)


@sync_app.get("/fetch")
def fetch_sync(request):
    try:
        return _passed_on(_client.get(UPSTREAM))
    except httpx.TransportError as error:
        return _failed(error)


@async_app.get("/")
async def hello(request):
    return "Hello, World!"


@sync_app.get("/")
def hello_sync(request):
    return "Hello, World!"


@async_app.on_shutdown
async def close():
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()
