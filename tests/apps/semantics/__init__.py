"""What a handler may expect of asyncio, in its first step and in later ones: a route each.

The situations are those of CPython's own tests of tasks, time-outs and task groups. Each route runs
at once, with ?later behind a sleep(0), with ?waited behind a wait. Answers are the same on every
lab that has a loop.
"""

from . import (  # noqa: F401 (each adds its routes)
    cancelling,
    children,
    contexts,
    ends,
    loop_and_task,
    unasked,
    waiting,
    wrapped,
)
from .serving import async_app  # noqa: F401 (what is served)
