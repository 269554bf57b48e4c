"""The labs' work in `make workloads`: the same routes for `async def` and for `def` handlers."""

import asyncio
import itertools
import time

from documents import DOCUMENTS
from looplab import App
from work import count_primes

async_app = App()
sync_app = App()

# Of twenty requests sixteen say hello, three wait for 10 ms, one computes for half a ms.
MIX = ("hello",) * 16 + ("wait",) * 3 + ("primes",)
_async_turn, _sync_turn = itertools.cycle(range(len(MIX))), itertools.cycle(range(len(MIX)))
MIX_WAIT_S, MIX_PRIMES = 0.010, 2000


@async_app.get("/")
async def hello(request):
    return "Hello, World!"


@sync_app.get("/")
def hello_sync(request):
    return "Hello, World!"


@async_app.get("/json/{kib}")
async def json(request):
    return DOCUMENTS[request.path_params["kib"]]


@sync_app.get("/json/{kib}")
def json_sync(request):
    return DOCUMENTS[request.path_params["kib"]]


@async_app.get("/wait/{us}")
async def wait(request):
    await asyncio.sleep(int(request.path_params["us"]) / 1e6)
    return "waited"


@sync_app.get("/wait/{us}")
def wait_sync(request):
    time.sleep(int(request.path_params["us"]) / 1e6)
    return "waited"


@sync_app.get("/hold/{us}")
def hold_sync(request):
    """Waits for so long to the microsecond, which no sleep does; it keeps the CPU meanwhile."""
    end = time.perf_counter() + int(request.path_params["us"]) / 1e6
    while time.perf_counter() < end:
        pass
    return "waited"


@async_app.get("/primes/{n}")
async def primes(request):
    return str(count_primes(int(request.path_params["n"])))


@sync_app.get("/primes/{n}")
def primes_sync(request):
    return str(count_primes(int(request.path_params["n"])))


@async_app.get("/mix")
async def mix(request):
    kind = MIX[next(_async_turn)]
    if kind == "wait":
        await asyncio.sleep(MIX_WAIT_S)
    elif kind == "primes":
        count_primes(MIX_PRIMES)
    return "mixed"


@sync_app.get("/mix")
def mix_sync(request):
    kind = MIX[next(_sync_turn)]
    if kind == "wait":
        time.sleep(MIX_WAIT_S)
    elif kind == "primes":
        count_primes(MIX_PRIMES)
    return "mixed"
