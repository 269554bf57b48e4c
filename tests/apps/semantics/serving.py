"""What the situations are made with: the app, what serves one, and what some of them wait for."""

import asyncio

from looplab import App

async_app = App()
kept = {}  # from one request to another


def situation(function):
    """Serve the function under its name; it runs after an await if the query says so."""

    @async_app.get(f"/{function.__name__}")
    async def handler(request):
        if "later" in request.query:
            await asyncio.sleep(0)
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
