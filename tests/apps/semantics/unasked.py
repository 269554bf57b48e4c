"""What goes on while nobody asks, and who is told that nobody waits any more."""

import asyncio

from harness import await_at, event

from .serving import async_app, kept, situation


@async_app.on_startup
async def begin():
    """It waits for a gate and for a timer, whether or not there are requests."""

    async def background():
        await await_at(3)
        await asyncio.sleep(0.001)
        event("background")

    kept["background"] = asyncio.create_task(background())


@situation
async def parked(request):
    """Waits at gate 0 in its first step, or having asked for its task."""
    if "task" in request.query:
        asyncio.current_task()
    event("start")
    try:
        await await_at(0)
    except asyncio.CancelledError:
        event(f"cancelled, cancelling {asyncio.current_task().cancelling()}")
        raise
    return "parked"


@situation
async def spins(request):
    """Gives way for ever, and so never lets the loop wait."""
    event("start")
    try:
        while True:
            await asyncio.sleep(float(request.query.get("seconds", 0)))
    except asyncio.CancelledError:
        event(f"cancelled, cancelling {asyncio.current_task().cancelling()}")
        raise


@situation
async def counts_tasks(request):
    """Those that give way are among all tasks, whoever asks, however often."""

    def count():
        return len(asyncio.all_tasks() - {kept["background"]})

    counts = [count(), count()]
    await asyncio.sleep(0)
    return counts + [count()]


@situation
async def takes_long(request):
    """In debug mode the loop says who does; what it handles meanwhile has no traceback of ours."""
    loop = asyncio.get_running_loop()
    usual, loop.slow_callback_duration = loop.slow_callback_duration, 0
    await asyncio.sleep(0)
    loop.call_exception_handler({"message": "asked for"})
    await asyncio.sleep(0)
    loop.slow_callback_duration = usual
    return "took long"
