"""Lab 4, the public tests. The seams first: each can pass before any other step is written."""

from kit import sanitizers, situations, watching
from kit.checks import Failed, check
from kit.seams import seam


def alone(step, test, title, **more):
    seam("seam_lab4", test, title, lab=4, step=step, **more)


@check(lab=4, step=0)
def lab4_starts(t):
    """The server starts, answers in C, and stops."""
    server = t.start(app=None)
    t.get(server, "/native").expect(200, "Hello, World!")
    server.stop()


alone(1, "a_return_is_the_answer", "What a handler returns in its first step is the answer.")
alone(1, "the_first_step_keeps_nothing", "Value, coroutine and request are released.")
alone(1, "what_waits_is_given_on", "What a step waits for is given on, and released once.")
alone(1, "an_exception_is_a_500", "A handler that raises: 500.")
alone(1, "no_coroutine_is_a_500", "A handler that gives no coroutine: 500.")
alone(1, "each_has_its_own_context", "Each request has a context of its own.")
alone(1, "giving_way_needs_no_task", "sleep(0) is one turn of the loop, and no task.")
alone(2, "a_future_is_replayed", "The future that the first step yielded goes to the task.")
alone(2, "giving_way_takes_one_turn", "sleep(0), then a task that somebody wanted: one turn, not two.")
alone(2, "giving_way_of_an_early_task", "sleep(0), in a task that was asked for.")
alone(2, "an_end_is_replayed", "A return, in a task that was asked for.")
alone(2, "an_exception_is_replayed", "An exception, in a task that was asked for.")
alone(3, "a_step_that_waits_gets_a_task", "What suspends gets its task.")
alone(3, "a_task_goes_on_to_the_answer", "The task goes on to the answer.", after=(2,))
alone(3, "no_task_is_a_500", "A task that can't be made: 500.")
alone(3, "an_entered_task_is_left", "The task that was asked for is current no more.")
alone(5, "who_asks_gets_the_task", "Who asks for the current task in the first step gets it.")

# ---- Step 1, with the whole server ---------------------------------------------------------------


@check(lab=4, step=1, needs=("lab4_starts",))
def lab4_serves(t):
    """GET / gets its answer from Python."""
    situations.expect_served(t, t.start(app=None))


@check(lab=4, step=1, needs=("lab4_serves",))
def lab4_error_is_a_500(t):
    """A handler that raises: 500, a traceback in the log, none on the wire."""
    situations.expect_500(t, t.start(app=None))


@check(lab=4, step=1, needs=("lab4_serves",))
def lab4_serves_nobody_while_one_blocks(t):
    """The price: a handler that blocks keeps everybody waiting, as in lab 3."""
    server = t.start()
    other = t.connect(server, "B")
    first = t.connect(server, "A").send("/block/0")
    server.event("blocking", "the handler is called")
    other.send("/fast?name=B")
    server.wait_asleep()
    if server.unread(other.port) == 0:
        cause = "handlers run on the HTTP thread itself, one at a time"
        raise Failed("B's request is still unread while A blocks", "it has been read", cause)
    server.open_gate(0)
    server.event("start B")
    first.answer().expect(200, "released")
    other.answer().expect(200, "B")
    server.stop()


# ---- Step 4, asyncio's turns ---------------------------------------------------------------------


def start_tasks(t):
    """A server whose start-up hooks have left tasks, which have had their first turns."""
    server = t.start(app="first_step:background_app")
    t.get(server, "/native").expect(200)
    cause = "what is ready goes on in asyncio's turns: nested_loop_run() calls self->run_once"
    server.event_before_sleep("went on", cause)
    return server


@check(lab=4, step=4, needs=("lab4_starts",))
def lab4_turns_for_timers_sockets_and_threads(t):
    """Tasks of a start-up hook go on: a timer, a descriptor, call_soon_threadsafe()."""
    server = start_tasks(t)
    server.event("slept", "a timer: libuv has to wake for the first of loop._scheduled")
    server.event("called", "another thread's call: asyncio's self-pipe makes its selector readable")
    server.open_gate(0)
    server.event("read", "a descriptor: what libuv has seen, the selector has to look at")
    server.stop()


@check(lab=4, step=4, needs=("lab4_turns_for_timers_sockets_and_threads",))
def lab4_sleeps_when_nothing_is_ready(t):
    """Nothing to do: no turn, and every thread sleeps."""
    server = start_tasks(t)
    for event in ("slept", "called"):
        server.event(event)
    t.get(server, "/native").expect(200)
    server.wait_asleep("with nothing ready the idle handle is stopped, or libuv never waits")
    server.open_gate(0)
    server.event("read")
    server.open_gate(2)
    cause = "a reason is good for one turn: clear `due` and `readable` where you act on them"
    server.event("few turns", cause)
    server.stop()


@check(lab=4, step=4, needs=("lab4_turns_for_timers_sockets_and_threads",))
def lab4_sockets_have_their_turn(t):
    """A task gives way for ever; requests are served all the same."""
    server = start_tasks(t)
    server.event("slept")
    server.event("called")
    server.open_gate(1)
    server.event("spins")
    cause = "so many turns at most, then libuv's: nested_loop_wake() asks for the next"
    for _ in range(3):
        t.get(server, "/native", cause).expect(200)
    server.stop(0, cause)


ALL = {"lab": 4, "step": 4, "after": (1, 2, 3)}


@check(**ALL, needs=("lab4_serves",))
def lab4_waits(t):
    """A handler that awaits a timer comes back, on the HTTP thread."""
    server = t.start(app=None)
    cause = "its task goes on in asyncio's turns; each step of it in the one that makes it ready"
    t.get(server, "/wait?ms=3", cause).expect(200, '"waited_ms":3')
    t.get(server, "/wait?ms=0", cause).expect(200, '"waited_ms":0')
    longer = t.connect(server, "A").send("/wait?ms=60000")
    server.wait_asleep()
    cause = "the alarm is set to the first timer: anew where that has changed"
    t.get(server, "/wait?ms=3", cause).expect(200, '"waited_ms":3')
    longer.reset()
    server.stop()


@check(**ALL, needs=("lab4_waits",))
def lab4_serves_others_while_one_waits(t):
    """A handler awaits; others are served meanwhile, all on one thread."""
    server = t.start()
    parked = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A")
    cause = "what suspends goes on in its task, and nobody waits for that"
    t.get(server, "/fast?name=B").expect(200, "B", cause)
    server.event("start B", cause)
    server.open_gate(0)
    server.event("end A", cause)
    parked.answer().expect(200, '"park":"A"', cause).expect(200, '"main":true', "no hop at all")
    server.stop()


@check(**ALL, needs=("lab4_waits",))
def lab4_contexts_are_kept(t):
    """A context variable is the request's own, before and behind an await."""
    server = t.start(app="first_step")
    for name in ("a", "b"):
        cause = "the task gets step->context, the one in which the first step ran"
        t.get(server, f"/context/{name}").expect(200, f'["nobody\'s","{name}"]', cause)
    server.stop()


@check(**ALL, needs=("lab4_waits",))
def lab4_client_gone_cancels(t):
    """A client leaves while its handler waits: the handler is cancelled, others are served."""
    cause = "req->lab_data is the task, which lab_on_client_gone() cancels"
    end_cause = "the server has room for one request, which A's is still: it was never answered"
    situations.expect_cancelled(t, t.start("--max-in-flight=1"), cause, end_cause)


@check(**ALL, needs=("lab4_waits",))
def lab4_nothing_grows(t):
    """Thousands of requests later Python holds as much as before."""
    watching.expect_no_growth(t, t.start("--log-level=error", app="growth"))


@check(**ALL, needs=("lab4_client_gone_cancels",), build=sanitizers.MEMORY)
def lab4_memory_is_sound(t):
    """Requests of every kind, and AddressSanitizer finds nothing freed too early or never."""
    watching.expect_sound_memory(t, t.start("--log-level=error", app="growth"))


# ---- Step 5, the current task --------------------------------------------------------------------


@check(lab=4, step=5, after=(1, 2, 3, 4), needs=("lab4_waits",))
def lab4_the_current_task_is_the_same_later(t):
    """current_task() in the first step is the task that the handler goes on in."""
    server = t.start(app="first_step")
    cause = "the task that is made when somebody asks is the one that go_on() goes on with"
    for _ in range(2):
        t.get(server, "/same").expect(200, '"same":true', cause)
    server.stop()


@check(lab=4, step=5, after=(1, 2, 3, 4), needs=("lab4_waits",))
def lab4_times_out_in_the_first_step(t):
    """wait_for() in a first step cancels that handler's own wait."""
    server = t.start(app="first_step")
    t.get(server, "/timeout").expect(200, '"timed":"out"', "a time-out cancels the current task")
    t.get(server, "/same").expect(200, '"same":true')
    server.stop()
