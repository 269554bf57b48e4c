"""Lab 1, the public tests. The seams first: each can pass before any other step is written."""

from kit import sanitizers, situations, watching
from kit.checks import Failed, check
from kit.seams import seam

# ---- Step 1: the completion queue ----------------------------------------------------------------


def queue(test, title, **more):
    seam("seam_completions", test, title, lab=1, step=1, name=f"lab1_{test}", **more)


queue("many_come_in_one_wake_up", "64 posted before the loop runs: 64 delivered, in one wake-up.")
queue("a_post_from_inside_the_drain_is_delivered", "What is posted during a drain comes too.")
queue("a_post_at_the_end_of_a_wake_up_wakes_again", "A post after the last look wakes again.")
queue("a_post_after_close_is_refused_and_freed", "A closed queue refuses, and frees.")
queue("an_answer_for_nobody_is_delivered_too", "The client has left: its answer comes all the same.")
queue("eight_threads_lose_nothing", "Eight threads post at once; all arrive, in each one's order.")

queue(
    "closing_under_posters",
    "Closed while others post; ThreadSanitizer finds nothing that two threads touch unlocked.",
    build=sanitizers.RACES,
    cause="`posted` and `closed` are read and written under the lock only, by the HTTP thread too",
)

# ---- Steps 2 to 5, alone -------------------------------------------------------------------------


def alone(step, test, title, **more):
    after = (2,) if step == 5 else ()  # both hand over by call_on_loop()
    seam("seam_lab1", test, title, lab=1, step=step, after=after, **more)


alone(0, "completions_are_all_taken", "Given code: one wake-up takes all completions.")
alone(2, "submit_reaches_the_loop", "The request is handed over by call_soon_threadsafe().")
alone(2, "submit_keeps_no_reference", "Handle and callable are released after the hand-over.")
alone(2, "submit_that_fails_is_a_500", "A loop that refuses the call: 500.")
alone(2, "submit_gives_the_gil_back", "The thread is attached once a turn, and detached after it.")
alone(3, "start_makes_a_task", "The coroutine becomes a task with a done callback.")
alone(3, "start_keeps_only_the_task", "What on_woken() made and doesn't need is released.")
alone(3, "start_with_a_handler_that_raises", "A handler that raises at once: 500.")
alone(3, "start_without_a_task", "create_task() fails: 500.")
alone(
    3,
    "start_hands_over_for_good",
    "What was posted is touched no more; AddressSanitizer looks on.",
    build=sanitizers.MEMORY,
    cause="completions_post() gives the request away: the HTTP thread may have freed it already",
)
alone(4, "done_with_a_result", "A task's result is the answer.")
alone(4, "done_with_an_exception", "A task's exception is a 500.")
alone(4, "done_with_a_cancellation", "A cancelled task is a 503.")
alone(4, "done_after_the_client_left", "A task whose client has left has its answer too.")
alone(5, "gone_cancels_on_the_loop", "A client leaves: its task is cancelled, on its loop.")
alone(5, "gone_after_the_end_is_harmless", "A client that leaves as its task ends: nothing to do.")
alone(5, "gone_with_the_loop_closed_is_quiet", "The loop is closed: no exception stays.")

# ---- Steps 1 to 4 together -----------------------------------------------------------------------


@check(lab=1, step=0)
def lab1_starts(t):
    """The server starts, answers in C, and stops."""
    situations.expect_native(t, t.start(app=None))


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_starts",))
def lab1_serves(t):
    """GET / gets its answer from Python: all four steps work together."""
    situations.expect_served(t, t.start(app=None), query="?x=y")


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",))
def lab1_runs_handlers_on_the_loops_thread(t):
    """Handlers run on one thread, and it isn't the HTTP thread."""
    server = t.start()
    server.open_gate(0)
    cause = "the handler is called in on_woken(), which the loop's thread runs"
    threads = set()
    for name in "ABC":
        answer = t.get(server, f"/park/0?name={name}")
        answer.expect(200, '"main":false', cause).expect(200, '"name":"loop"', cause)
        threads.add(answer.body.partition('"thread":')[2].partition(",")[0])
        server.event(f"start {name}")
        server.event(f"end {name}")
    if len(threads) != 1:
        raise Failed("one thread for all handlers", f"threads {sorted(threads)}")


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",))
def lab1_serves_others_while_one_waits(t):
    """A handler awaits; others are served meanwhile."""
    server = t.start()
    parked = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A")
    cause = "who waits for a result, attached or blocked, keeps everyone else from running"
    t.connect(server, "B").send("/fast?name=B").answer().expect(200, "B", cause)
    server.event("start B", cause)
    server.open_gate(0)
    server.event("end A", cause)
    parked.answer().expect(200, '"park":"A"', cause)
    server.stop()


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",))
def lab1_error_is_a_500(t):
    """A handler that raises: 500, a traceback in the log, none on the wire."""
    situations.expect_500(t, t.start(app=None))


@check(lab=1, step=5, after=(1, 2, 3, 4), needs=("lab1_serves",))
def lab1_client_gone_cancels(t):
    """A client leaves while its handler waits: the handler is cancelled, others are served."""
    cause = "lab_on_client_gone() has on_cancel() cancel the task"
    end_cause = "the server has room for one request, which A's is still: its answer was never posted"
    server = t.start("--max-in-flight=1")
    situations.expect_cancelled(t, server, cause, end_cause)


@check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",))
def lab1_nothing_grows(t):
    """Thousands of requests later Python holds as much as before."""
    watching.expect_no_growth(t, t.start("--log-level=error", app="growth"))


@check(
    lab=1, step=5, after=(1, 2, 3, 4), needs=("lab1_client_gone_cancels",), build=sanitizers.MEMORY
)
def lab1_memory_is_sound(t):
    """Requests of every kind, and AddressSanitizer finds nothing freed too early or never."""
    watching.expect_sound_memory(t, t.start("--log-level=error", app="growth"))
