"""Context variables."""

import asyncio
import contextvars

from .serving import kept, situation

variable = contextvars.ContextVar("variable", default="unset")


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
async def context_that_is_kept(request):
    """It ends as it began, but for a token that knows it."""
    first = variable.set("first")
    kept["token"] = variable.set("second")
    variable.reset(first)
    return variable.get()


@situation
async def the_kept_context(request):
    """No later request has it."""
    try:
        variable.reset(kept.pop("token"))
    except ValueError as error:
        return {"refused": "created in a different Context" in str(error)}


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
