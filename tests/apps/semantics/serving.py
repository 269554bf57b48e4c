"""What the situations are made with: the app, what serves one, and what some of them wait for."""

import asyncio

from looplab import App

async_app = App()
kept = {}  # from one request to another


def situation(function):
    """Serve the function under its name; behind sleep(0) or a wait if the query says so."""

    @async_app.get(f"/{function.__name__}")
    async def handler(request):
        if "later" in request.query:
            await asyncio.sleep(0)
        if "waited" in request.query:
            await asyncio.get_running_loop().run_in_executor(None, int)
        return await function(request)

    return function


async def soon(value):
    await asyncio.sleep(0)
    return value


async def forever():
    await asyncio.get_running_loop().create_future()


async def fails():
    await asyncio.sleep(0)
    raise LookupError("asked for")
