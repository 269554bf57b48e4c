"""Handlers that start threads, and what those do with the request and with the app."""

import asyncio
import threading

from harness import event, wait_at
from looplab import App

THREADS = 4
PARTS = ("query", "path_params", "headers", "body")  # built when they are first asked for
TEXTS = ("method", "target", "path", "query_string", "http_version")

async_app = App()
sync_app = App()


def route(path, methods=("GET",)):
    """The same function for both kinds of lab; it is told which app serves."""
    def decorate(function):
        def handler(request):
            return function(request, sync_app)

        async def async_handler(request):
            return function(request, async_app)

        sync_app.route(path, methods=methods)(handler)
        async_app.route(path, methods=methods)(async_handler)
        return function
    return decorate


def in_threads(function):
    """Run it in some threads at once; what each returns, or the exception that it raised."""
    together, results = threading.Barrier(THREADS), []

    def run():
        together.wait()
        try:
            results.append(function())
        except Exception as error:
            results.append(repr(error))

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@route("/touch/{id}", methods=("POST",))
def touch(request, app):
    """Threads that ask for the same parts at once get the same objects."""
    seen = in_threads(lambda: [getattr(request, part) for part in PARTS])
    texts = in_threads(lambda: [getattr(request, text) for text in TEXTS] +
                       [request.json(), request.text()])
    first = seen[0]
    same = all(ours is theirs for parts in seen for ours, theirs in zip(first, parts))
    return {"same": same, "equal": all(text == texts[0] for text in texts),
            "id": first[1]["id"], "q": first[0]["q"], "host": first[2]["host"],
            "body": first[3].decode(), "method": texts[0][0], "json": texts[0][5]}


@route("/mutate")
def mutate(request, app):
    """Every way to add to an app that is serving."""
    def handler(request):
        return "added while serving"

    def add():
        refused = 0
        ways = [app.get("/added"), app.post("/added"), app.route("/added", methods=("PUT",)),
                app.on_startup, app.on_shutdown]
        for _ in range(50):
            for way in ways:
                try:
                    way(handler)
                except RuntimeError as error:
                    refused += "serving already" in str(error)
        return refused

    return {"refused": in_threads(add)}


@route("/mutate-unguarded")
def mutate_unguarded(request, app):
    app.get("/added")(lambda request: "added while serving")
    return "unreachable"


@route("/leave/{gate}")
def leave(request, app):
    """A thread that has the request when its answer is long on its way."""
    def late():
        wait_at(int(request.path_params["gate"]))
        event(f"late {request.method} {request.target} {request.headers['x-late']}")

    event("left")
    threading.Thread(target=late, daemon="daemon" in request.query).start()
    return "answered"


@async_app.get("/to-thread")
async def to_thread(request):
    """asyncio's own pool of threads."""
    return await asyncio.to_thread(lambda: request.query["q"] + " from a thread")


@async_app.get("/call-back")
async def call_back(request):
    """A thread that resolves a future of the handler's loop."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    threading.Thread(target=loop.call_soon_threadsafe,
                     args=(done.set_result, "called back")).start()
    return await done
