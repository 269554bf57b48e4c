"""Handlers that do what takes a careless server down, beside one that waits, one that doesn't."""

import asyncio
import sys

from harness import await_at, event, wait_at
from looplab import App

async_app = App()
sync_app = App()


@async_app.get("/park/{gate}")
async def park(request):
    event("start")
    try:
        await await_at(int(request.path_params["gate"]))
    except asyncio.CancelledError:
        event("cancelled")
        raise
    return "parked"


@sync_app.get("/park/{gate}")
def park_blocking(request):
    event("start")
    wait_at(int(request.path_params["gate"]))
    return "parked"


def leave(how):
    if how == "exit":
        sys.exit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    raise SystemExit("leaving")


@async_app.get("/leave/{how}")
async def leave_later(request):
    """Before the first await or behind it."""
    how = request.path_params["how"]
    if "later" not in request.query:
        leave(how)
    await asyncio.sleep(0)
    leave(how)


@sync_app.get("/leave/{how}")
def leave_now(request):
    leave(request.path_params["how"])


@async_app.get("/lose")
async def lose(request):
    """Make the task forget whom to tell that it is done: the server never hears of it again."""
    task = asyncio.current_task()
    for callback, _ in list(task._callbacks or ()):
        task.remove_done_callback(callback)
    event("lost")
    return "nobody will know"


@async_app.post("/echo")
async def echo(request):
    return request.body


@sync_app.post("/echo")
def echo_sync(request):
    return request.body


@async_app.get("/fast")
async def fast(request):
    return "fast"


@sync_app.get("/fast")
def fast_sync(request):
    return "fast"
