"""Handlers of both kinds for lab 5, which say whose they are; the app's state is a count."""

import os
import threading

from harness import await_at, event, wait_at
from looplab import App

async_app = App()
count = 0


@async_app.on_startup
def start():
    event("start")


@async_app.on_shutdown
async def stop():
    event("stop")


@async_app.get("/who")
async def who(request):
    """A thread's number is that of its process if it is the only one."""
    return {"worker": threading.get_native_id(), "process": os.getpid()}


@async_app.get("/count")
def counted(request):
    global count
    count += 1
    return {"count": count}


@async_app.get("/park/{gate}")
async def park(request):
    event("parked")
    await await_at(int(request.path_params["gate"]))
    return "went on"


@async_app.get("/block/{gate}")
def block(request):
    event("blocking")
    wait_at(int(request.path_params["gate"]))
    return "released"


@async_app.get("/fork/{gate}")
def fork(request):
    """A child that lives on without its worker, and holds all that this has open."""
    if os.fork() == 0:
        wait_at(int(request.path_params["gate"]))
        os._exit(0)
    return "forked"
