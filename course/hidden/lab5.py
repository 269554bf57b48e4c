"""Lab 5, the tests that no hand-out shows."""

from kit import workers
from kit.checks import check

ALL = {"lab": 5, "hidden": True, "needs": ("lab5_serves_on_every_worker",)}


@check(**ALL, step=2, after=(1,))
def hidden_lab5_many_workers(t):
    """Five workers: all of them run their hooks before the server says that it listens."""
    server = workers.start(t, count=5)
    workers.one_of_each(t, server)


@check(**ALL, step=3, after=(1, 2))
def hidden_lab5_pipelined_while_draining(t):
    """What was read before SIGTERM is answered in order, on both workers."""
    server = workers.start(t)
    pair = [connection for connection, _, _ in workers.one_of_each(t, server)]
    for connection in pair:
        connection.send("/park/0").send("/count")
        server.event("parked")
        server.wait_until(lambda port=connection.port: server.unread(port) == 0, "/count is read")
    told = "every worker is told to drain, and answers what it has"
    server.begin_drain(told)
    server.open_gate(0)
    for connection in pair:
        connection.answer().expect(200, "went on", "answers in order of completion")
        cause = "what was read is answered, also behind an answer that was waited for"
        connection.answer(cause).expect(200, '"count":1', cause)
    server.expect_end(0, told)


@check(**ALL, step=4, after=(1, 2, 3))
def hidden_lab5_one_of_three_is_killed(t):
    """Three workers, one is killed while nothing is going on: the lab ends with 1."""
    server = workers.start(t, count=3)
    (_, _, killed), _ = workers.one_of_each(t, server)
    server.kill_child(killed)
    server.expect_end(1, "an end that wasn't planned ends them all")


@check(**ALL, step=5, after=(1, 2, 3))
def hidden_lab5_threads_drain(t):
    """SIGTERM while a handler waits on each thread: both are answered."""
    workers.expect_drain(t, workers.start(t, isolation="threads"))
