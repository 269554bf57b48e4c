"""Lab 2, the public tests. The seams first: each can pass before any other step is written."""

import secrets

from kit import sanitizers, situations, watching
from kit.checks import Failed, check
from kit.seams import seam


def alone(step, test, title, **more):
    seam("seam_lab2", test, title, lab=2, step=step, **more)


@check(lab=2, step=0)
def lab2_starts(t):
    """The server starts, answers in C, and stops."""
    server = t.start("--workers=2", app=None)
    t.get(server, "/native").expect(200, "Hello, World!")
    server.stop()


@check(lab=2, step=1, needs=("lab2_starts",))
def lab2_starts_its_workers(t):
    """With --workers=3 there are three threads, worker-0 to worker-2, beside the main loop's."""
    server = t.start("--workers=3", "--metrics", app="hooks")
    names = server.thread_names()
    seen = sorted(name for name in names if name.startswith("worker-"))
    if seen != ["worker-0", "worker-1", "worker-2"]:
        cause = "loop_thread_start() starts one and returns once its loop runs"
        raise Failed("threads worker-0, worker-1, worker-2", f"{sorted(names)}", cause)
    cause = "the app's hooks belong to the main loop: a worker is started with NULL for its app"
    server.event("first start on main-loop", cause, already=True)
    server.event("second start on main-loop", cause, already=True)
    cause = "lab->worker_count is how many have been started: pick_worker(), lab_close() rely on it"
    t.get(server, "/metrics").expect(200, 'looplab_worker_queued{worker="2"}', cause)
    server.stop(0, "lab_close() stops as many threads as lab->worker_count says")


@check(lab=2, step=1, needs=("lab2_starts",))
def lab2_leaves_loops_to_their_threads(t):
    """asyncio's debug mode finds no call from a thread that isn't the loop's."""
    server = t.start("--workers=2", "--debug", app=None)
    names = server.thread_names()
    if "worker-1" not in names:
        raise Failed("two workers run", f"threads {sorted(names)}")
    watching.expect_own_threads(t, server)


alone(0, "close_stops_workers_then_the_main_loop", "Given code: threads are joined, in order.")
alone(2, "pick_goes_round", "Each worker in its turn.")
alone(2, "pick_passes_over_the_full", "A worker without room is passed over; NULL if none has any.")
alone(3, "run_reaches_the_workers_loop", "The coroutine goes to the worker's loop.")
alone(3, "wrap_follows_on_the_main_loop", "The worker's future is wrapped for the main loop.")
BUILT = {"after": (2, 3)}  # the chain is made of what these steps make
alone(4, "chain_is_built", "Coroutine, worker's future, wrapped future, done callback.", **BUILT)
alone(
    4,
    "chain_keeps_only_the_wrapped_future",
    "What on_woken() made and doesn't need is released.",
    **BUILT,
)
alone(4, "chain_with_a_handler_that_raises", "A handler that raises at once: 500.", after=(2,))
alone(4, "chain_without_a_worker_future", "A worker that can't be reached: 500.", after=(2,))
alone(4, "chain_with_all_workers_full", "No worker with room: 503.")
alone(5, "done_with_a_result", "A future's result is the answer.")
alone(5, "done_with_an_exception", "A future's exception is a 500.")
alone(5, "done_with_a_cancellation", "A cancelled future is a 503.")
alone(
    5,
    "done_hands_over_for_good",
    "Another thread takes what is posted, and reads `queued`; ThreadSanitizer looks on.",
    build=sanitizers.RACES,
    cause="what is posted is the HTTP thread's at once; and that thread reads worker->queued "
    "(/metrics), so it is atomic",
)

ALL = {"lab": 2, "step": 5, "after": (1, 2, 3, 4)}


@check(**ALL, needs=("lab2_starts",))
def lab2_serves(t):
    """GET / gets its answer from Python: all five steps work together."""
    server = t.start("--workers=2", app=None)
    for _ in range(4):
        user = secrets.token_hex(4)
        t.get(server, f"/users/{user}").expect(200, f'"user_id":"{user}"')
    server.stop()


@check(**ALL, needs=("lab2_serves",))
def lab2_spreads_requests(t):
    """Three workers, nine requests that wait: three on each, in turn."""
    server = t.start("--workers=3")
    cause = "a request that waits keeps the next one from starting"
    parked = situations.park(t, server, 9, cause)
    server.open_gate(0)
    for number, connection in enumerate(parked):
        cause = "round robin: request i runs on worker i % N"
        connection.answer().expect(200, f'"name":"worker-{number % 3}"', cause)


@check(**ALL, needs=("lab2_serves",))
def lab2_serves_others_while_all_wait(t):
    """A handler waits on each worker; others are served meanwhile."""
    server = t.start("--workers=2")
    for name in "AB":
        t.connect(server, name).send(f"/park/0?name={name}")
        server.event(f"start {name}")
    cause = "future.result() on the main loop blocks it; let a done callback tell"
    t.get(server, "/fast?name=C").expect(200, "C", cause)
    server.event("start C")
    server.open_gate(0)
    for _ in "AB":
        server.event({"end A", "end B"})


@check(**ALL, needs=("lab2_serves",))
def lab2_error_is_a_500(t):
    """A handler that raises on a worker: 500, a traceback in the log, none on the wire."""
    cause = "the exception is lost between the futures"
    situations.expect_500(t, t.start("--workers=2", app=None), cause)


@check(**ALL, needs=("lab2_serves",))
def lab2_client_gone_cancels(t):
    """A client leaves while its handler waits on a worker: it is cancelled there."""
    cause = "req->lab_data is the wrapped future, which on_cancel() cancels"
    end_cause = "the server has room for one request, which A's is still: its answer was never posted"
    server = t.start("--workers=2", "--max-in-flight=1")
    situations.expect_cancelled(t, server, cause, end_cause)


@check(**ALL, needs=("lab2_serves",))
def lab2_nothing_grows(t):
    """Thousands of requests later Python holds as much as before."""
    watching.expect_no_growth(t, t.start("--workers=2", "--log-level=error", app="growth"))


@check(**ALL, needs=("lab2_client_gone_cancels",), build=sanitizers.MEMORY)
def lab2_memory_is_sound(t):
    """Requests of every kind, and AddressSanitizer finds nothing freed too early or never."""
    watching.expect_sound_memory(t, t.start("--workers=2", "--log-level=error", app="growth"))
