"""Lab 1, the tests that no hand-out shows."""

from kit import situations
from kit.checks import check


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",), hidden=True)
def hidden_lab1_pipelined_in_order(t):
    """Requests on one connection are answered in their order, whatever order they end in."""
    cause = "a request that waits doesn't keep the next one from starting"
    situations.expect_in_order(t, t.start(), cause)


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",), hidden=True)
def hidden_lab1_drains_what_is_in_flight(t):
    """SIGTERM while a handler waits: it is answered, then the server ends with 0."""
    situations.expect_drained(t, t.start(), "what is in flight is answered before the loop stops")


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",), hidden=True)
def hidden_lab1_many_at_once(t):
    """64 requests parked at once, then released: 64 answers, none dropped."""
    cause = "64 end at once: one wake-up delivers them all, and nothing is dropped"
    situations.expect_all_answered(t, t.start(), cause)


@check(lab=1, step=5, after=(1, 2, 3, 4), needs=("lab1_client_gone_cancels",), hidden=True)
def hidden_lab1_many_clients_leave(t):
    """32 clients leave at once: each handler is cancelled once, and nothing is left in flight."""
    server = t.start()
    for connection in situations.park(t, server, 32):
        connection.reset()
    left = {f"cancelled {number}" for number in range(32)}
    while left:
        left.remove(server.event(left, "each client's own task is cancelled, once"))
    t.get(server, "/fast?name=B").expect(200, "B")
    server.stop(0, "exit status 3: a request is in flight for ever. Its answer was never posted")
