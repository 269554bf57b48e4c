"""Lab 3, the tests that no hand-out shows."""

from kit import sanitizers
from kit.checks import Failed, check

POOL = {"lab": 3, "step": 3, "hidden": True, "needs": ("lab3_pool_serves",)}


@check(lab=3, step=1, needs=("lab3_serves",), hidden=True)
def hidden_lab3_one_turn_of_every_kind(t):
    """Requests of one turn, some of which fail: each gets its own answer, in their order."""
    server = t.start(app=None)
    targets = ["/users/1", "/error", "/users/2", "/nowhere", "/error", "/native", "/users/3"]
    connection = t.connect(server).send_together(*targets)
    for target in targets:
        status = {"/error": 500, "/nowhere": 404}.get(target, 200)
        part = f'"user_id":"{target[-1]}"' if "users" in target else None
        connection.answer().expect(status, part, "one that fails costs nobody else anything")
    server.stop()


@check(lab=3, step=2, needs=("lab3_runs_hooks",), hidden=True, build=sanitizers.MEMORY)
def hidden_lab3_failed_start_leaves_nothing(t):
    """A start-up hook raises: the server ends with 1, and AddressSanitizer finds nothing left."""
    try:
        t.start(app="hooks:failing_app")
    except Failed as failed:
        if failed.seen == "it ended: exit status 1":
            return
        cause = "lab_open() returns -1 and leaves nothing: what it has allocated it frees"
        raise Failed(failed.expected, failed.seen, f"{cause}\n{failed.cause}") from None
    raise Failed("a hook that fails ends the start", "it listens all the same")


@check(**POOL)
def hidden_lab3_pool_drains_what_stands_in_line(t):
    """SIGTERM while one handler runs and two requests stand in line: all three are answered."""
    server = t.start("--pool=1")
    first = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A")
    line = [t.connect(server, name).send(f"/fast?name={name}") for name in "BC"]
    server.wait_asleep()
    cause = "a request that is queued is in flight: the pool is closed when all are answered"
    server.begin_drain(cause)
    server.open_gate(0)
    first.answer(cause).expect(200, '"park":"A"', cause)
    for connection, name in zip(line, "BC"):
        connection.answer(cause).expect(200, name, cause)
    server.expect_end(0, "each thread of the pool ends, and is joined")


@check(**POOL)
def hidden_lab3_pool_leaves_out_who_has_left(t):
    """A client leaves while its request stands in line: it isn't begun, and takes no room."""
    server = t.start("--pool=1", "--max-in-flight=2")
    first = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A")
    leaving = t.connect(server, "B").send("/fast?name=B")
    server.wait_asleep()
    leaving.reset()
    server.wait_asleep()
    server.open_gate(0)
    server.event("end A")
    first.answer().expect(200, '"park":"A"')
    first.send("/park/1?name=C")
    server.event("start C", "nobody waits for B's answer: http_request_abandoned()")
    second = t.connect(server, "D").send("/fast?name=D")
    server.wait_asleep()
    server.open_gate(1)
    first.answer().expect(200, '"park":"C"')
    cause = "B's request is in flight for ever, and takes D's room: its answer was never posted"
    second.answer(cause).expect(200, "D", cause)
    server.stop()


@check(**POOL)
def hidden_lab3_pool_many_at_once(t):
    """Four threads wait, 60 requests stand in line: every answer is there, and its own."""
    server = t.start("--pool=4")
    parked = []
    for name in "ABCD":
        parked.append(t.connect(server, name).send(f"/park/0?name={name}"))
        server.event(f"start {name}")
    names = [f"L{number:02}" for number in range(60)]
    line = [t.connect(server, name).send(f"/fast?name={name}") for name in names]
    server.wait_asleep()
    server.open_gate(0)
    cause = "a request or its answer is lost, or swapped"
    for connection, name in zip(parked + line, [*"ABCD", *names]):
        connection.answer(cause).expect(200, name, cause)
    server.stop()
