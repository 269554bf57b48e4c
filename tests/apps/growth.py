"""Routes that say how much memory Python holds, and handlers that end in every way there is."""

import asyncio
import gc
import sys

from harness import event, wait_at
from looplab import App, Response

async_app = App()
sync_app = App()


def both(method, path):
    """Add the function to both apps, for the asynchronous one inside a coroutine."""

    def add(handler):
        async def asynchronous(request):
            return handler(request)

        getattr(async_app, method)(path)(asynchronous)
        getattr(sync_app, method)(path)(handler)
        return handler

    return add


@both("get", "/blocks")
def blocks(request):
    gc.collect()
    return {"blocks": sys.getallocatedblocks()}


@both("get", "/users/{id}")
def user(request):
    return Response(
        {"id": request.path_params["id"], "query": request.query, "headers": request.headers},
        headers={"X-Test": "1"},
        content_type="application/json",
    )


@both("post", "/echo")
def echo(request):
    return request.body


@both("get", "/error")
def error(request):
    raise ValueError(request.headers)


@both("get", "/none")
def none(request):
    return None


@async_app.get("/suspends")
async def suspends(request):
    await asyncio.sleep(0)
    return "done"


@sync_app.get("/suspends")
def does_not_suspend(request):
    return "done"


@async_app.get("/parked")
async def parked(request):
    event("start")
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        event("cancelled")


@sync_app.get("/parked")
def abandoned(request):
    event("start")
    wait_at(0)
