"""Tasks of the handler's own."""

import asyncio

from .serving import fails, forever, kept, situation, soon


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
