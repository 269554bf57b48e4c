"""Hooks that tell the test when they run, and on which thread."""

import asyncio

from harness import event, where
from looplab import App

async_app = App()
sync_app = App()
failing_app = App()


def say(text):
    event(f"{text} on {where()['name']}")


def add(app):
    app.on_startup(lambda: say("first start"))
    app.on_shutdown(lambda: say("first stop"))


add(async_app)
add(sync_app)


@async_app.on_startup
async def start():
    await asyncio.sleep(0)
    say("second start")
    async_app_state["loop"] = asyncio.get_running_loop()


@async_app.on_shutdown
async def stop():
    await asyncio.sleep(0)
    same = async_app_state["loop"] is asyncio.get_running_loop()
    say(f"second stop, {'same' if same else 'another'} loop,")


@sync_app.on_startup
def start_sync():
    say("second start")


@sync_app.on_shutdown
def stop_sync():
    say("second stop")


@failing_app.on_startup
def fail():
    raise RuntimeError("this hook always fails")


async_app_state = {}


@async_app.get("/")
async def hello(request):
    event("request")
    return "hello"


@sync_app.get("/")
def hello_sync(request):
    event("request")
    return "hello"


@async_app.get("/background")
async def background(request):
    """Leave a task behind, as apps do: the end of the loop cancels it."""
    async_app_state["task"] = asyncio.create_task(forever())
    await asyncio.sleep(0)
    return "left behind"


async def forever():
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        event("background cancelled")
        raise
