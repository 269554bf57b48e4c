"""What a handler waits for."""

import asyncio

from .serving import situation, soon


@situation
async def sleep_zero(request):
    """It gives way, once."""
    order = []
    asyncio.get_running_loop().call_soon(order.append, "callback")
    order.append("before")
    await asyncio.sleep(0)
    order.append("behind")
    return order


@situation
async def sleep_zero_of_a_task(request):
    """Callbacks that were there before have their turn first, whenever the task was made."""
    order = []
    asyncio.current_task()
    asyncio.get_running_loop().call_soon(order.append, "callback")
    await asyncio.sleep(0)
    order.append("behind")
    return order


@situation
async def sleep_little(request):
    return [await asyncio.sleep(0.001, n) for n in range(3)]


@situation
async def future_that_is_done(request):
    future = asyncio.get_running_loop().create_future()
    future.set_result("done before")
    return await future


@situation
async def future_that_fails(request):
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, LookupError("of the future"))
    try:
        await future
    except LookupError as error:
        return str(error)


@situation
async def future_of_another_loop(request):
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    try:
        await future
    except RuntimeError as error:
        return {"refused": "attached to a different loop" in str(error)}
    finally:
        loop.close()


class Yields:
    def __init__(self, value):
        self.value = value

    def __await__(self):
        yield self.value


@situation
async def bad_yield(request):
    try:
        await Yields(7)
    except RuntimeError as error:
        return str(error)


@situation
async def future_that_is_not_awaited(request):
    try:
        await Yields(asyncio.get_running_loop().create_future())
    except RuntimeError as error:
        return {"refused": "yield was used instead of yield from" in str(error)}


@situation
async def nested(request):
    async def deep(n):
        if n == 0:
            return await soon("bottom")
        return await deep(n - 1)

    return await deep(50)


@situation
async def event_and_lock(request):
    lock, opened = asyncio.Lock(), asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, opened.set)
    async with lock:
        await opened.wait()
        return {"locked": lock.locked()}


@situation
async def queue(request):
    queue = asyncio.Queue()
    child = asyncio.create_task(queue.get())
    await queue.put("through the queue")
    return await child


@situation
async def thread_calls_back(request):
    return await asyncio.to_thread(lambda: "from a thread")


@situation
async def socket_pair(request):
    """The loop's own I/O."""
    import socket

    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        reading = asyncio.create_task(loop.sock_recv(right, 100))
        await loop.sock_sendall(left, b"over a socket")
        return await reading


@situation
async def streams(request):
    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"line\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return answer


@situation
async def subprocess(request):
    """A child process: its pipe, and that it has ended."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec("echo", "from a child", stdout=pipe)
    said, _ = await child.communicate()
    return said if child.returncode == 0 else f"status {child.returncode}"
