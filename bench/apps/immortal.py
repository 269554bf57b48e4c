"""The bundled app on loops whose shared objects have no reference counts: for a Python with no GIL.

Without a GIL a count that two threads change is an atomic one in a cache line that goes to and fro
between their CPUs. Each request has the HTTP thread and the loops' threads do that to the loops, to
their bound methods and to what a loop refers to. Here these are immortal: nobody counts their
references. What that gains is the most that copies of them for each thread could gain.

Nothing official makes an object immortal: its header is written, as 3.13 and 3.14 lay it out.
"""

import asyncio
import ctypes
import gc
import sys
import types

from async_app import app

LOCAL_COUNT = 12  # where an object's header has its count for the owning thread, 32 bits
IMMORTAL = 0xFFFFFFFF


def local_count(thing):
    return ctypes.c_uint32.from_address(id(thing) + LOCAL_COUNT)


def shared_objects():
    """Of all loops of this process: lab 2's workers run already when its main loop starts."""
    everything = gc.get_objects()
    loops = [thing for thing in everything if isinstance(thing, asyncio.AbstractEventLoop)]
    yield from loops
    for loop in loops:
        for holder in (loop, loop._selector):
            yield from (holder.__dict__, *holder.__dict__.values())
    yield from (thing for thing in everything
                if isinstance(thing, types.MethodType) and any(thing.__self__ is x for x in loops))


@app.on_startup
def make_immortal():
    gil = getattr(sys, "_is_gil_enabled", lambda: True)
    if gil() or local_count(None).value != IMMORTAL:
        raise RuntimeError("this wants a free-threaded Python, of a kind whose objects it knows")
    for thing in list(shared_objects()):
        local_count(thing).value = IMMORTAL
