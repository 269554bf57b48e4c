"""The bundled app with `async def` handlers, for the labs that run asyncio."""

import asyncio

from looplab import App, Response
from work import count_primes, query_int

app = App()


@app.get("/")
async def hello(request):
    return "Hello, World!"


@app.get("/json")
async def json(request):
    return {"message": "Hello, World!"}


@app.get("/users/{user_id}")
async def user(request):
    return {"user_id": request.path_params["user_id"], "query": request.query}


@app.post("/echo")
async def echo(request):
    content_type = request.headers.get("content-type", "application/octet-stream")
    return Response(request.body, content_type=content_type)


@app.get("/wait")
async def wait(request):
    """Wait without keeping the loop from other requests."""
    ms = query_int(request, "ms", 0, 60_000)
    if ms is None:
        return Response("ms is a number in 0..60000\n", status=400)
    await asyncio.sleep(ms / 1000)
    return {"waited_ms": ms}


@app.get("/cpu")
async def cpu(request):
    """Work in pure Python: nothing else runs on this loop meanwhile."""
    n = query_int(request, "n", 0, 1_000_000)
    if n is None:
        return Response("n is a number in 0..1000000\n", status=400)
    return {"n": n, "primes": count_primes(n)}


@app.get("/error")
async def error(request):
    raise RuntimeError("this handler always fails")
