"""Handlers that spend their time in known ways, for the breakdown of --stats to find."""

import ctypes

from harness import EVENTS, GATES, await_at, event, wait_at
from looplab import App

async_app = App()
sync_app = App()
attached = ctypes.PyDLL(None)  # what is called through it keeps the GIL


def both(path):
    """Add the function to both apps, for the asynchronous one inside a coroutine."""

    def add(handler):
        async def asynchronous(request):
            return handler(request)

        async_app.get(path)(asynchronous)
        sync_app.get(path)(handler)
        return handler

    return add


@both("/fast")
def fast(request):
    return "fast"


@both("/error")
def error(request):
    raise ValueError


@both("/block/{gate}")
def block(request):
    event("start")
    wait_at(int(request.path_params["gate"]))
    return "blocked"


@async_app.get("/await/{gate}")
async def wait(request):
    event("start")
    await await_at(int(request.path_params["gate"]))
    return "awaited"


@async_app.get("/hold/{gate}")
async def hold(request):
    """Behind the gate wait at the next one, without letting other threads run Python."""
    event("start")
    await await_at(int(request.path_params["gate"]))
    attached.write(EVENTS, b"holds\n", 6)  # an event() would let go of the GIL once more
    attached.read(GATES[int(request.path_params["gate"]) + 1], ctypes.create_string_buffer(1), 1)
    return "held"


@async_app.get("/stubborn/{gate}")
async def stubborn(request):
    """Goes on after its cancellation."""
    event("start")
    try:
        await await_at(int(request.path_params["gate"]))
    finally:
        event("cancelled")
        await await_at(int(request.path_params["gate"]) + 1)
        event("end")
