"""Handlers that wait at a gate which the test holds; asyncio's and the blocking kind."""

import asyncio
import itertools
import time

from harness import await_at, event, wait_at, where
from looplab import App

async_app = App()
sync_app = App()


@async_app.route("/park/{gate}", methods=("GET", "POST"))
async def park(request):
    name = request.query["name"]
    event(f"start {name}")
    try:
        await await_at(int(request.path_params["gate"]))
    except asyncio.CancelledError:
        event(f"cancelled {name}")
        raise
    event(f"end {name}")
    return where() | {"park": name}


@sync_app.route("/park/{gate}", methods=("GET", "POST"))
def park_blocking(request):
    name = request.query["name"]
    event(f"start {name}")
    wait_at(int(request.path_params["gate"]))
    event(f"end {name}")
    return where() | {"park": name}


@async_app.get("/fast")
async def fast(request):
    name = request.query["name"]
    event(f"start {name}")
    return name


@sync_app.get("/fast")
def fast_sync(request):
    name = request.query["name"]
    event(f"start {name}")
    return name


@async_app.get("/long")
async def long(request):
    return long_sync(request)


@sync_app.get("/long")
def long_sync(request):
    """Computes for so long that others must not be kept waiting for more than it."""
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        pass
    return "at last"


@async_app.get("/halves")
async def halves(request):
    """Gives way between two long parts."""
    long_sync(request)
    await asyncio.sleep(0)
    event("second half")
    return "both"


@async_app.get("/block/{gate}")
async def block(request):
    """What an async handler must not do: block its loop's thread."""
    event("blocking")
    wait_at(int(request.path_params["gate"]))
    return "released"


@async_app.get("/hold")
async def hold(request):
    """Worse: never comes back from C, and so keeps the GIL, if there is one."""
    event("holding")
    sum(itertools.repeat(0))


@async_app.get("/stubborn/{gate}")
async def stubborn(request):
    """Swallows its cancellation and returns all the same."""
    event("start")
    try:
        await await_at(int(request.path_params["gate"]))
    except asyncio.CancelledError:
        event("ignored")
    return "anyway"


@async_app.get("/never")
async def never(request):
    event("start never")
    await asyncio.get_running_loop().create_future()


@async_app.get("/yield")
async def yields(request):
    """Gives way once, for which it needs no loop of its own."""
    try:
        await asyncio.sleep(0)
    finally:
        event("finally")
    return "went on"
