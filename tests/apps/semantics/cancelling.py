"""Time-outs, which cancel, and cancellation."""

import asyncio

from .serving import forever, situation, soon

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
