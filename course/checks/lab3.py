"""Lab 3, the public tests."""

from kit import sanitizers, situations, watching
from kit.checks import Failed, check
from kit.seams import seam


def alone(step, test, title):
    seam("seam_lab3", test, title, lab=3, step=step)


@check(lab=3, step=0)
def lab3_starts(t):
    """The server starts, answers in C, and stops."""
    situations.expect_native(t, t.start(app=None))


alone(1, "a_result_is_the_answer", "What the handler returns is the answer.")
alone(1, "one_attach_a_turn", "All requests of a turn are served under one attach.")
alone(1, "the_value_is_released", "What the handler returned is released.")
alone(1, "nothing_is_kept", "The request is held by nobody in the end.")
alone(1, "an_exception_is_a_500", "A handler that raises: 500.")
alone(1, "a_coroutine_is_refused", "A handler that returns a coroutine: 500.")


@check(lab=3, step=1, needs=("lab3_starts",))
def lab3_serves(t):
    """GET / gets its answer from Python."""
    situations.expect_served(t, t.start(app=None))


@check(lab=3, step=1, needs=("lab3_serves",))
def lab3_error_is_a_500(t):
    """A handler that raises: 500, a traceback in the log, none on the wire."""
    situations.expect_500(t, t.start(app=None))


@check(lab=3, step=1, needs=("lab3_serves",))
def lab3_serves_nobody_while_one_waits(t):
    """The lesson: while a handler waits nobody else is served, and the bytes lie in the kernel."""
    server = t.start()
    other = t.connect(server, "B")
    first = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A", "the handler is called")
    other.send("/fast?name=B")
    cause = "handlers run on the HTTP thread itself, one at a time"
    situations.expect_unread(t, server, other, cause)
    server.expect_silence("B's handler runs on another thread: then this is another lab")
    server.open_gate(0)
    for event in ("end A", "start B"):
        server.event(event)
    first.answer().expect(200, '"park":"A"')
    other.answer().expect(200, "B")
    server.stop()


@check(lab=3, step=1, needs=("lab3_serves",))
def lab3_nothing_grows(t):
    """Thousands of requests later Python holds as much as before."""
    watching.expect_no_growth(t, t.start("--log-level=error", app="growth"))


@check(lab=3, step=1, needs=("lab3_serves",), build=sanitizers.MEMORY)
def lab3_memory_is_sound(t):
    """Requests of every kind, and AddressSanitizer finds nothing freed too early or never."""
    watching.expect_sound_memory(t, t.start("--log-level=error", app="growth"))


@check(lab=3, step=2, needs=("lab3_starts",))
def lab3_runs_hooks(t):
    """Start-up hooks run before the first request, shut-down hooks after the last, in reverse."""
    server = t.start(app="hooks")
    cause = "attached: bridge_app_startup() in lab_open(), bridge_app_shutdown() in lab_close()"
    server.event("first start on MainThread", cause, already=True)
    server.event("second start on MainThread", cause, already=True)
    server.stop()
    server.event("second stop on MainThread", cause)
    server.event("first stop on MainThread", cause)
    expect_no_start(t, "hooks:failing_app")


def expect_no_start(t, app):
    """Of that app a start-up hook raises: the lab says so, and ends."""
    try:
        t.start(app=app)
    except Failed as failed:
        if failed.seen != "it ended: exit status 1":
            raise
        t.step(f"started ./lab3 --app={app}, whose start-up hook raises: {failed.seen}")
        return
    cause = "-1 from bridge_app_startup(): free the lab, and -1 from lab_open()"
    raise Failed("a hook that fails ends the start", "it listens all the same", cause)


@check(lab=3, step=2, needs=("lab3_runs_hooks",))
def lab3_others_run_while_it_polls(t):
    """A thread of the app's runs while the server has nothing to do."""
    server = t.start(app="ping")
    t.get(server, "/native").expect(200)
    server.wait_asleep()
    server.open_gate(0)
    server.event("ping", "who keeps the GIL while it polls keeps every other thread from running")
    server.stop()


# ---- Step 3: the pool ----------------------------------------------------------------------------


def in_pool(test, title, **more):
    seam("seam_lab3_pool", test, title, lab=3, step=3, **more)


in_pool("pool_takes_the_oldest", "The pool's queue: first in, first out.")
in_pool("pool_waits_for_a_request", "A thread waits until there is a request for it.")
in_pool("pool_ends_when_it_is_closed", "A thread ends when the pool is closed.")
in_pool("pool_posts_what_the_handler_returns", "What the handler returns is posted.")
in_pool(
    "pool_hands_over_for_good",
    "A request that is posted is no longer touched.",
    build=sanitizers.MEMORY,
    cause="completions_post() gives the request away: a trace mark comes before it",
)
in_pool("pool_an_exception_is_a_500", "On a thread of the pool too: 500.")
in_pool("pool_begins_nothing_for_nobody", "Whose client has left meanwhile isn't begun.")
in_pool("pool_queues_and_wakes", "What is submitted is queued, and a thread woken for each.")
in_pool("pool_closes", "Threads are woken and joined; what is queued still is answered.")


@check(lab=3, step=3, needs=("lab3_starts",))
def lab3_pool_serves(t):
    """With --pool GET / gets its answer from Python, and a handler that raises is a 500."""
    situations.expect_served(t, t.start("--pool=2", app=None))
    situations.expect_500(t, t.start("--pool=2", app=None))


@check(lab=3, step=3, needs=("lab3_pool_serves",))
def lab3_pool_uses_all_its_threads(t):
    """Three threads: three requests of one turn wait at once, a fourth stands in line."""
    server = t.start("--pool=3")
    names = [f"/park/0?name={number}" for number in range(3)]
    line = t.connect(server, "A").send_together(*names)
    left = {f"start {number}" for number in range(3)}
    cause = "a thread sleeps on beside a request that waits: each one queued wakes one"
    while left:
        left.remove(server.event_before_sleep(left, cause))
    other = t.connect(server, "B").send("/fast?name=B")
    server.wait_asleep()
    if server.unread(other.port) > 0:
        cause = "with a pool the HTTP thread runs no handler, so it is free to read"
        raise Failed("B's request is read while all threads are busy", "it is unread", cause)
    server.expect_silence("each thread runs one handler at a time")
    server.open_gate(0)
    for number in range(3):
        answer = line.answer().expect(200, f'"park":"{number}"')
        answer.expect(200, '"main":false', "handlers run on the pool's threads")
    other.answer().expect(200, "B")
    server.stop()


@check(lab=3, step=3, needs=("lab3_pool_serves",))
def lab3_pool_nothing_grows(t):
    """With --pool: thousands of requests later Python holds as much as before."""
    watching.expect_no_growth(t, t.start("--pool=2", "--log-level=error", app="growth"))


@check(lab=3, step=3, needs=("lab3_pool_serves",), build=sanitizers.MEMORY)
def lab3_pool_memory_is_sound(t):
    """With --pool: requests of every kind, and AddressSanitizer finds nothing."""
    watching.expect_sound_memory(t, t.start("--pool=2", "--log-level=error", app="growth"))
