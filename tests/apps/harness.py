"""How an app talks to the test that has started its lab: events go out, gates hold handlers back.

The test gives the lab a pipe for events and one pipe per gate, and their numbers in the
environment. A gate opens for good, for everyone, when the test closes its end: then there is an
end of file to read.
"""

import asyncio
import os
import threading

EVENTS = int(os.environ["TEST_EVENTS"])
GATES = [int(number) for number in os.environ["TEST_GATES"].split()]


def event(text):
    """Tell the test. One write() is one event, whichever thread it comes from."""
    os.write(EVENTS, f"{text}\n".encode())


def wait_at(gate):
    """Block this thread until the gate opens."""
    os.read(GATES[gate], 1)


async def await_at(gate):
    """Wait for the gate without blocking the loop; each waiter watches a descriptor of its own."""
    loop = asyncio.get_running_loop()
    opened = loop.create_future()
    descriptor = os.dup(GATES[gate])
    loop.add_reader(descriptor, lambda: opened.done() or opened.set_result(None))
    try:
        await opened
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def where():
    """The thread that runs the handler."""
    return {
        "name": threading.current_thread().name,
        "thread": threading.get_native_id(),
        "main": threading.get_native_id() == os.getpid(),
    }
