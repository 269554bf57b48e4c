"""The loop that runs, the task that it is."""

import asyncio

from .serving import async_app, kept, situation, soon


@situation
async def returns(request):
    return "at once"


async_app.get("/plain")(returns)


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
