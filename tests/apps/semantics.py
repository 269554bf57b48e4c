"""What a handler may expect of asyncio, in its first step and in later ones: a route each.

The situations are those of CPython's own tests of tasks, time-outs and task groups. Each route runs
twice: at once, and with ?later behind an await. Answers are the same on every lab that has a loop.
"""

import asyncio
import collections.abc
import contextvars
import functools
import inspect

from harness import await_at, event
from looplab import App

async_app = App()
variable = contextvars.ContextVar("variable", default="unset")


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


# ---- Loop and task -------------------------------------------------------------------------------


@situation
async def returns(request):
    return "at once"


@situation
async def running_loop(request):
    loop = asyncio.get_running_loop()
    same = loop is asyncio.get_event_loop() and loop.is_running()
    await asyncio.sleep(0)
    return {"running": same, "same": loop is asyncio.get_running_loop()}


@situation
async def no_loop_in_a_loop(request):
    """As everywhere: a loop that runs can't be run."""
    coroutine = soon(1)
    try:
        asyncio.get_running_loop().run_until_complete(coroutine)
    except RuntimeError as error:
        coroutine.close()
        return str(error)


@situation
async def no_run_in_a_loop(request):
    coroutine = soon(1)
    try:
        asyncio.run(coroutine)
    except RuntimeError as error:
        coroutine.close()
        return str(error)


@situation
async def current_task(request):
    """One task, before, behind and between awaits; it is a task and not done."""
    task = asyncio.current_task()
    before = isinstance(task, asyncio.Task) and not task.done() and task.cancelling() == 0
    again = asyncio.current_task() is task
    await asyncio.sleep(0)
    return {"task": before, "again": again, "still": asyncio.current_task() is task}


@situation
async def task_in_the_end(request):
    """Whoever keeps the task sees how it ends."""
    task = asyncio.current_task()

    async def watch():
        return await task

    kept["watch"] = asyncio.create_task(watch())
    return "watched"


kept = {}


@situation
async def the_watched_one(request):
    return {"result": await kept.pop("watch")}


@situation
async def all_tasks(request):
    task = asyncio.current_task()
    loop = task.get_loop()
    return {"among": task in asyncio.all_tasks(), "of_the_loop": task in asyncio.all_tasks(loop)}


@situation
async def all_tasks_alone(request):
    mine = [task for task in asyncio.all_tasks() if task is asyncio.current_task()]
    return {"mine": len(mine)}


@situation
async def named_task(request):
    asyncio.current_task().set_name("mine")
    await asyncio.sleep(0)
    return asyncio.current_task().get_name()


@situation
async def task_callbacks(request):
    done = asyncio.get_running_loop().create_future()
    task = asyncio.current_task()
    task.add_done_callback(lambda _: done.set_result(task.result()))
    kept["done"] = done
    return "called back"


@situation
async def the_called_back(request):
    return await kept.pop("done")


@situation
async def task_of_a_thread(request):
    """A thread has neither loop nor task of ours."""

    def ask():
        answers = []
        for function in (asyncio.current_task, asyncio.all_tasks, asyncio.get_running_loop):
            try:
                answers.append(function())
            except RuntimeError as error:
                answers.append(str(error))
        return answers

    return await asyncio.to_thread(ask)


@situation
async def task_of_another_loop(request):
    """Nor has a loop that another thread runs the same one."""
    mine = asyncio.current_task()

    async def other():
        return asyncio.current_task() is not None and asyncio.current_task() is not mine

    return {"other": await asyncio.to_thread(asyncio.run, other())}


# ---- Waiting -------------------------------------------------------------------------------------


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


# ---- Tasks of the handler's own ------------------------------------------------------------------


@situation
async def create_task(request):
    return await asyncio.create_task(soon("child"))


@situation
async def create_task_and_leave(request):
    """What the handler has begun goes on behind its answer."""
    kept["left"] = asyncio.create_task(soon("left behind"))
    return "gone"


@situation
async def the_left_one(request):
    return await kept.pop("left")


@situation
async def call_soon_and_leave(request):
    kept["soon"] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(kept["soon"].set_result, "was called")
    return "gone"


@situation
async def the_called_one(request):
    return await kept.pop("soon")


@situation
async def gather(request):
    return await asyncio.gather(*(asyncio.sleep(0.001 * n, n) for n in range(3)))


@situation
async def gather_with_exceptions(request):
    results = await asyncio.gather(soon(1), fails(), return_exceptions=True)
    return [repr(result) for result in results]


@situation
async def as_completed(request):
    return sorted([await each for each in asyncio.as_completed([soon(1), soon(2)])])


@situation
async def wait(request):
    tasks = [asyncio.create_task(soon(n)) for n in range(2)]
    done, pending = await asyncio.wait(tasks)
    return [len(done), len(pending)]


@situation
async def task_group(request):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(soon(n)) for n in range(3)]
    return [task.result() for task in tasks]


@situation
async def empty_task_group(request):
    """It asks for the task, and never suspends."""
    async with asyncio.TaskGroup():
        pass
    return {"cancelling": asyncio.current_task().cancelling()}


@situation
async def task_group_that_fails(request):
    """The child's failure cancels the others, and the handler inside the group."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            other = group.create_task(forever())
            await forever()
    except* LookupError as errors:
        seen = [str(error) for error in errors.exceptions]
    count = asyncio.current_task().cancelling()
    return {"errors": seen, "other": other.cancelled(), "cancelling": count}


# ---- Time-outs -----------------------------------------------------------------------------------


@situation
async def timeout(request):
    try:
        async with asyncio.timeout(0.001) as scope:
            await forever()
    except TimeoutError:
        return {"expired": scope.expired(), "cancelling": asyncio.current_task().cancelling()}


@situation
async def timeout_in_time(request):
    async with asyncio.timeout(60):
        return await soon("in time")


@situation
async def timeout_that_never_waits(request):
    async with asyncio.timeout(60):
        return "did not wait"


@situation
async def timeout_zero(request):
    try:
        async with asyncio.timeout(0):
            await forever()
    except TimeoutError:
        return "at once"


@situation
async def timeouts_in_each_other(request):
    order = []
    try:
        async with asyncio.timeout(0.002):
            try:
                async with asyncio.timeout(60):
                    await forever()
            except TimeoutError:
                order.append("inner")
    except TimeoutError:
        order.append("outer")
    return order


@situation
async def wait_for(request):
    return await asyncio.wait_for(soon("waited for"), 60)


@situation
async def wait_for_in_vain(request):
    try:
        await asyncio.wait_for(forever(), 0.001)
    except TimeoutError:
        return {"cancelling": asyncio.current_task().cancelling()}


@situation
async def wait_with_timeout(request):
    task = asyncio.create_task(forever())
    done, pending = await asyncio.wait([task], timeout=0.001)
    task.cancel()
    return [len(done), len(pending)]


# ---- Cancellation --------------------------------------------------------------------------------


@situation
async def cancels_itself(request):
    asyncio.current_task().cancel()
    await asyncio.sleep(0)
    return "unreachable"


@situation
async def cancels_itself_and_returns(request):
    asyncio.current_task().cancel()
    return "too late"


@situation
async def cancels_itself_and_raises(request):
    asyncio.current_task().cancel()
    raise LookupError("instead")


@situation
async def cancels_itself_and_catches(request):
    asyncio.current_task().cancel("why")
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError as error:
        count = asyncio.current_task().cancelling()
        return {"why": error.args, "cancelling": count, "left": asyncio.current_task().uncancel()}


@situation
async def cancels_itself_before_a_future(request):
    """It is the future that is cancelled, and has the message."""
    future = asyncio.get_running_loop().create_future()
    asyncio.current_task().cancel("why")
    try:
        await future
    except asyncio.CancelledError as error:
        return {"why": error.args, "future": future.cancelled()}


@situation
async def cancels_itself_before_a_stubborn_task(request):
    """Who awaits a task that swallows its cancellation gets its result."""

    async def stubborn():
        try:
            await forever()
        except asyncio.CancelledError:
            return "stubborn"

    child = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    asyncio.current_task().cancel()
    return await child


@situation
async def cancels_itself_soon(request):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    loop.call_soon(task.cancel)
    try:
        await forever()
    except asyncio.CancelledError:
        return "cancelled by a callback"


@situation
async def raises_cancelled(request):
    raise asyncio.CancelledError


@situation
async def shield(request):
    """What is shielded survives the one who waits for it."""
    inner = asyncio.create_task(soon("survived"))
    asyncio.current_task().cancel()
    try:
        await asyncio.shield(inner)
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()
        return await inner


@situation
async def cancels_a_child(request):
    child = asyncio.create_task(forever())
    await asyncio.sleep(0)
    child.cancel()
    try:
        await child
    except asyncio.CancelledError:
        return {"child": child.cancelled(), "cancelling": asyncio.current_task().cancelling()}


# ---- Contexts ------------------------------------------------------------------------------------


@situation
async def context_of_its_own(request):
    """No request sees another's variables."""
    before = variable.get()
    token = variable.set("changed")
    await asyncio.sleep(0)
    between = variable.get()
    variable.reset(token)
    after = variable.get()
    variable.set("left behind")
    return [before, between, after]


@situation
async def context_of_children(request):
    variable.set("parent's")

    async def child():
        seen = variable.get()
        variable.set("child's")
        return seen

    return [await asyncio.create_task(child()), variable.get()]


@situation
async def context_of_callbacks(request):
    seen = asyncio.get_running_loop().create_future()
    variable.set("caller's")
    asyncio.get_running_loop().call_soon(lambda: seen.set_result(variable.get()))
    variable.set("changed")
    return [await seen, await asyncio.to_thread(variable.get)]


@situation
async def context_of_the_task(request):
    variable.set("the task's")
    task = asyncio.current_task()
    context = task.get_context() if hasattr(task, "get_context") else contextvars.copy_context()
    return context[variable]


# ---- What a hook has begun -----------------------------------------------------------------------


@async_app.on_startup
async def begin():
    """It waits for a gate and for a timer, whether or not there are requests."""

    async def background():
        await await_at(3)
        await asyncio.sleep(0.001)
        event("background")

    kept["background"] = asyncio.create_task(background())


# ---- Ends ----------------------------------------------------------------------------------------


@situation
async def raises(request):
    raise LookupError("asked for")


@situation
async def raises_with_a_task(request):
    asyncio.current_task()
    raise LookupError("asked for")


@situation
async def raises_later(request):
    await fails()


@situation
async def raises_stop_iteration(request):
    raise StopIteration("no generator")


@situation
async def catches_a_childs_exception(request):
    try:
        await asyncio.create_task(fails())
    except LookupError as error:
        return str(error)


@situation
async def returns_an_exception(request):
    """A value like any other, though one that is no answer."""
    asyncio.current_task()
    return StopIteration("a value")


@situation
async def returns_a_tuple(request):
    await asyncio.sleep(0)
    return (1, 2)


async def numbers(name):
    try:
        for n in range(3):
            yield n
            await asyncio.sleep(0)
    finally:
        await asyncio.sleep(0)
        event(f"closed {name}")


@situation
async def generator(request):
    seen = [n async for n in numbers("whole")]
    return seen


@situation
async def generator_that_is_left(request):
    """Nobody closes it: the loop does, when it is collected."""
    left = numbers("left")
    first = await left.__anext__()
    del left
    return {"first": first}


@situation
async def generator_that_is_kept(request):
    """Nor this one, as long as the loop runs."""
    kept.setdefault("generators", []).append(numbers("kept"))
    return {"first": await kept["generators"][-1].__anext__()}


@situation
async def thrown_into_itself(request):
    """It runs: nobody can throw into it."""
    try:
        asyncio.current_task().get_coro().throw(LookupError("asked for"))
    except ValueError as error:
        return str(error)


@situation
async def inspected(request):
    """What debuggers look at."""
    task = asyncio.current_task()
    coroutine = task.get_coro()
    return {
        "coroutine": asyncio.iscoroutine(coroutine) and inspect.isawaitable(coroutine),
        "name": coroutine.__qualname__.rpartition(".")[2],
        "stack": bool(task.get_stack()),
        "repr": "handler" in repr(task),
    }


# ---- Handlers that are no plain coroutine functions ---------------------------------------------


class Stepped(collections.abc.Coroutine):
    """What a compiler's coroutines look like: it has the methods, and not the type."""

    def __init__(self, inner):
        self.send, self.throw, self.close = inner.send, inner.throw, inner.close

    def __await__(self):
        return self

    def send(self, value):
        raise NotImplementedError

    throw = close = send


def returning(make):
    """A route whose handler is wrapped, so that it returns what `make` makes of its coroutine."""

    def decorate(handler):
        @functools.wraps(handler)
        def wrapper(request):
            return make(handler(request))

        return async_app.get(f"/{handler.__name__}")(wrapper)

    return decorate


def instead(value):
    def make(coroutine):
        coroutine.close()
        return value() if callable(value) else value

    return make


@returning(Stepped)
async def stepped(request):
    asyncio.current_task()
    return await soon("stepped")


@returning(instead("no coroutine"))
async def a_value(request):
    pass


@returning(instead(lambda: asyncio.get_running_loop().create_future()))
async def a_future(request):
    pass


# ---- Who is told that nobody waits any more ------------------------------------------------------


@situation
async def parked(request):
    """Waits at gate 0 in its first step, or having asked for its task."""
    if "task" in request.query:
        asyncio.current_task()
    event("start")
    try:
        await await_at(0)
    except asyncio.CancelledError:
        event(f"cancelled, cancelling {asyncio.current_task().cancelling()}")
        raise
    return "parked"


@situation
async def spins(request):
    """Gives way for ever, and so never lets the loop wait."""
    event("start")
    try:
        while True:
            await asyncio.sleep(float(request.query.get("seconds", 0)))
    finally:
        event("cancelled")


async_app.get("/plain")(returns)
