"""What the stress tests load: every kind of end that a request can come to, and counts of them."""

import asyncio
import sys
import threading
import time

from looplab import App

async_app, sync_app = App(), App()
_lock = threading.Lock()
_counts = {"good": 0, "cancelled": 0, "raised": 0}


def count(what):
    """Handlers run on several threads at once, and without a GIL really so."""
    with _lock:
        _counts[what] += 1


@sync_app.get("/good/{number}")
def sync_good(request):
    count("good")
    return request.path_params["number"]


@sync_app.get("/slow/{number}")
def sync_slow(request):
    time.sleep(0)
    return request.path_params["number"]


@sync_app.get("/raise")
def sync_raise(request):
    count("raised")
    raise ValueError("asked for")


@async_app.get("/good/{number}")
async def good(request):
    count("good")
    return request.path_params["number"]


@async_app.get("/slow/{number}")
async def slow(request):
    try:
        await asyncio.sleep(0.002)
    except asyncio.CancelledError:
        count("cancelled")
        raise
    return request.path_params["number"]


@async_app.get("/raise")
async def raises(request):
    count("raised")
    await asyncio.sleep(0)
    raise ValueError("asked for")


@async_app.on_shutdown
@sync_app.on_shutdown
def report():
    """The last word, once no handler runs any more."""
    print("counts good {good} cancelled {cancelled} raised {raised}".format(**_counts),
          file=sys.stderr)
