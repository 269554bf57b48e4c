"""Lab 4, the tests that no hand-out shows."""

from kit import situations
from kit.checks import check

ALL = {"lab": 4, "step": 4, "after": (1, 2, 3), "hidden": True}


@check(**ALL, needs=("lab4_waits",))
def hidden_lab4_drains_what_waits(t):
    """SIGTERM while a handler waits: it is answered, then the server ends with 0."""
    situations.expect_drained(t, t.start(), "asyncio has its turns while the server drains")


@check(**ALL, needs=("lab4_waits",))
def hidden_lab4_pipelined_in_order(t):
    """One that waits and one that doesn't, on one connection: answered in their order."""
    situations.expect_in_order(t, t.start())


@check(**ALL, needs=("lab4_waits",))
def hidden_lab4_many_at_once(t):
    """64 requests parked at once, then released: 64 answers, none dropped."""
    cause = "64 wait at once, and end at once: nothing is dropped"
    situations.expect_all_answered(t, t.start(), cause)
