"""How handlers end; generators that they leave; what debuggers see of them."""

import asyncio
import inspect

from harness import event

from .serving import fails, kept, situation


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
