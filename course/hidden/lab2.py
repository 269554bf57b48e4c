"""Lab 2, the tests that no hand-out shows."""

from kit import situations
from kit.checks import check

ALL = {"lab": 2, "step": 5, "after": (1, 2, 3, 4), "hidden": True}


@check(**ALL, needs=("lab2_serves",))
def hidden_lab2_drains_every_worker(t):
    """One request waits on each worker as SIGTERM comes: all are answered, then it ends with 0."""
    server = t.start("--workers=3")
    parked = situations.park(t, server, 3)
    cause = "what is in flight is answered before a loop is stopped"
    server.begin_drain(cause)
    server.open_gate(0)
    for number, connection in enumerate(parked):
        connection.answer(cause).expect(200, f'"park":"{number}"', cause)
    server.expect_end(0)


@check(**ALL, needs=("lab2_serves",))
def hidden_lab2_one_worker(t):
    """With one worker everything runs on it."""
    server = t.start("--workers=1")
    server.open_gate(0)
    for number in range(4):
        t.get(server, f"/park/0?name={number}").expect(200, '"name":"worker-0"')


@check(**ALL, needs=("lab2_serves",))
def hidden_lab2_room_comes_back(t):
    """One worker with room for two: a third gets 503, and a fourth 200 once the two have ended."""
    server = t.start("--workers=1", "--worker-queue=2")
    parked = situations.park(t, server, 2)
    t.get(server, "/fast?name=2").expect(503, cause="a worker has room while queued < worker_queue")
    server.open_gate(0)
    for number, connection in enumerate(parked):
        connection.answer().expect(200, f'"park":"{number}"')
    for number in range(4):
        cause = "worker->queued counts down in on_done()"
        t.get(server, f"/fast?name={number}").expect(200, cause=cause)
