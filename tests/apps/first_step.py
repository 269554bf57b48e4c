"""What a handler may ask of asyncio in its first step; tasks that a hook leaves to the loop."""

import asyncio
import contextvars
import threading

from harness import await_at, event, where
from looplab import App

async_app = App()
_mine = contextvars.ContextVar("mine", default="nobody's")


@async_app.get("/context/{name}")
async def context(request):
    """What it finds, set by nobody else, before and behind an await."""
    found = [_mine.get()]
    _mine.set(request.path_params["name"])
    await asyncio.sleep(0)
    return {"found": [*found, _mine.get()]}


@async_app.get("/same")
async def same(request):
    """The current task is the same one before and behind an await."""
    first = asyncio.current_task()
    await asyncio.sleep(0)
    return {"same": first is not None and first is asyncio.current_task()}


@async_app.get("/timeout")
async def timeout(request):
    try:
        await asyncio.wait_for(asyncio.get_running_loop().create_future(), 0.01)
    except asyncio.TimeoutError:
        return where() | {"timed": "out"}


async def spin():
    event("spins")
    while True:
        await asyncio.sleep(0)


@async_app.get("/spin")
async def start_spinning(request):
    async_app_tasks["spin"] = asyncio.get_running_loop().create_task(spin())
    return "spinning"


GIVES_WAY = 16  # times: more than there are turns while the start-up hooks run
TIMERS = 10
TURNS_FOR_A_TIMER = 4  # it fires, its task goes on, and as much again to spare

async_app_tasks = {}
background_app = App()


async def sleeps():
    for _ in range(GIVES_WAY):
        await asyncio.sleep(0)
    event("went on")
    for _ in range(3):
        await asyncio.sleep(0.005)
    event("slept")


async def reads():
    await await_at(0)
    event("read")


@background_app.on_startup
async def start():
    loop = asyncio.get_running_loop()
    async_app_tasks["sleeps"] = loop.create_task(sleeps())
    async_app_tasks["reads"] = loop.create_task(reads())

    def call():
        async_app_tasks["slept"].wait()
        loop.call_soon_threadsafe(event, "called")

    async_app_tasks["slept"] = threading.Event()
    async_app_tasks["sleeps"].add_done_callback(lambda _: async_app_tasks["slept"].set())
    threading.Thread(target=call, daemon=True).start()


@background_app.on_startup
async def count_turns():
    """Each turn of the loop looks at its selector once. Counted from gate 2 on, for some timers."""
    selector = asyncio.get_running_loop()._selector
    look, looks = selector.select, [0]

    def counted_look(timeout):
        looks[0] += 1
        return look(timeout)

    async def count():
        await await_at(2)
        before = looks[0]
        for _ in range(TIMERS):
            await asyncio.sleep(0.001)
        seen = looks[0] - before
        event("few turns" if seen <= TIMERS * TURNS_FOR_A_TIMER else f"{seen} turns")

    selector.select = counted_look
    async_app_tasks["count"] = asyncio.get_running_loop().create_task(count())


@background_app.on_startup
async def start_spinning_task():
    """Another app's worth of work: gives way for ever, once gate 1 is open."""

    async def later():
        await await_at(1)
        await spin()

    async_app_tasks["later"] = asyncio.get_running_loop().create_task(later())
