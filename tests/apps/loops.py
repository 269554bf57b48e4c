"""Handlers that use asyncio for more than awaiting, and hooks that fail at the end."""

import asyncio

from harness import event, where
from looplab import App

async_app = App()
sync_app = App()


@async_app.get("/executor")
async def executor(request):
    """The loop's own pool of threads."""
    elsewhere = await asyncio.to_thread(where)
    return {"elsewhere": elsewhere["thread"] != where()["thread"]}


@sync_app.get("/executor")
def run(request):
    """A loop of the handler's own, for as long as it runs."""
    return {"elsewhere": asyncio.run(asyncio.to_thread(where))["thread"] != where()["thread"]}


@async_app.get("/gather")
async def gather(request):
    async with asyncio.timeout(60):
        return list(await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3))))


@sync_app.get("/gather")
def gather_sync(request):
    async def numbers():
        return await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3)))

    return list(asyncio.run(numbers()))


@async_app.get("/stop")
async def stop(request):
    """What no handler should do to the loop that it shares."""
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    return "stopped"


@sync_app.get("/stop")
def stop_sync(request):
    return "stopped"


@async_app.get("/cancel-itself")
async def cancel_itself(request):
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


@sync_app.get("/cancel-itself")
def raise_cancelled(request):
    raise asyncio.CancelledError


for app in (async_app, sync_app):

    @app.on_shutdown
    def last():
        event("last")

    @app.on_shutdown
    def fails():
        raise OSError("the disk is full")

    @app.on_shutdown
    def leaves():
        raise SystemExit(9)
