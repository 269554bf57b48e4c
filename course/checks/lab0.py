"""Lab 0, the public tests."""

import json

from kit import answers, traces
from kit.checks import Failed, check

FOLDER = "lab0_first_run"
ANSWERS = f"{FOLDER}/answers.txt"
TRACE = f"{FOLDER}/trace.json"


def start_app(t):
    return t.start(app="app:app", folder=FOLDER)


@check(lab=0, step=0)
def lab0_starts(t):
    """The server starts, answers from Python and in C, and stops."""
    server = t.start(app=None)
    t.get(server, "/").expect(200, "Hello, World!")
    t.get(server, "/native").expect(200, "Hello, World!")
    server.stop()


@check(lab=0, step=1, needs=("lab0_starts",))
def lab0_names_its_threads(t):
    """answers.txt has the names of the server's threads."""
    server = t.start(app=None)
    t.get(server, "/").expect(200)
    seen = server.thread_names()
    t.step("looked at its threads, as `ps -T -p PID` does")
    server.stop()
    cause = "the names in the last column of `ps -T -p $(pidof lab0)`"
    answers.expect(answers.read(t, ANSWERS), "threads", seen, cause, in_order=False)


@check(lab=0, step=1, needs=("lab0_starts",))
def lab0_names_the_thread_of_handlers(t):
    """answers.txt says which of them calls handlers."""
    server = t.start()
    conn = t.connect(server)
    conn.send("/park/0?name=A")
    server.event("start A")
    server.open_gate(0)
    server.event("end A")
    thread = json.loads(conn.answer().expect(200).body)["thread"]
    name = server.thread_name(thread)
    server.stop()
    cause = "the one in state R while /cpu?n=1000000 runs: `ps -T -o comm,stat -p $(pidof lab0)`"
    answers.expect(answers.read(t, ANSWERS), "handler_thread", [name], cause)


@check(lab=0, step=2, needs=("lab0_starts",))
def lab0_greets(t):
    """GET /hello/{name}."""
    server = start_app(t)
    for name in ("Ada", "Grace"):
        t.get(server, f"/hello/{name}").expect(200, f"Hello, {name}!")
    server.stop()


@check(lab=0, step=2, needs=("lab0_starts",))
def lab0_adds(t):
    """GET /add?a=2&b=3 as JSON; what is no number is the client's mistake, not a 500."""
    server = start_app(t)
    t.get(server, "/add?a=2&b=3").expect(200, '{"sum":5}', "return a dict: it is sent as JSON")
    t.get(server, "/add?a=-7").expect(200, '{"sum":-7}', "a number that isn't there is 0")
    cause = "int() raises ValueError; an exception that leaves the handler is a 500"
    t.get(server, "/add?a=two&b=3").expect(400, cause=cause)
    server.stop()


@check(lab=0, step=2, needs=("lab0_starts",))
def lab0_shouts(t):
    """POST /shout: the body in capitals."""
    server = start_app(t)
    t.connect(server).send("/shout", "POST", "quiet, please").answer().expect(200, "QUIET, PLEASE")
    server.stop()


@check(lab=0, step=3, needs=("lab0_starts",))
def lab0_adds_in_c(t):
    """GET /c/add, in C: the same answers."""
    server = t.start(app=None)
    t.get(server, "/c/add?a=2&b=3").expect(200, '{"sum":5}')
    t.get(server, "/c/add?a=-7").expect(200, '{"sum":-7}')
    for query in ("a=two", "b=1000001", "a=1.5"):
        t.get(server, f"/c/add?{query}").expect(400, cause="http_request_query_int() says so")
    server.stop()


@check(lab=0, step=3, needs=("lab0_adds_in_c",))
def lab0_c_needs_no_python(t):
    """While a Python handler waits, the route in C answers, and other handlers don't."""
    server = t.start()
    first = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A")
    second = t.connect(server, "B").send("/fast?name=B")
    t.get(server, "/c/add?a=1&b=1").expect(200, '{"sum":2}')
    server.expect_silence("handlers run one after the other on the Python thread")
    server.open_gate(0)
    for event in ("end A", "start B"):
        server.event(event)
    first.answer().expect(200, '"park":"A"')
    second.answer().expect(200, "B")
    server.stop()


def trace_of(t):
    trace = traces.read(t, TRACE)
    if len(trace.requests) < 3:
        raise Failed("at least 3 requests in the trace", str(len(trace.requests)))
    slowest = max(trace.requests.values(), key=lambda request: request.total_us)
    if slowest.total_us < 40_000:
        raise Failed("one of them to /nap, of 50 ms", f"the slowest took {slowest.total_us:.0f} µs")
    return trace, slowest


@check(lab=0, step=4)
def lab0_trace_is_read(t):
    """answers.txt has the requests of the trace, and each one's hops and hand-overs."""
    trace, _ = trace_of(t)
    given = answers.read(t, ANSWERS)
    some = next(iter(trace.requests.values()))
    answers.expect_number(given, "requests", len(trace.requests))
    answers.expect(given, "hops", some.hops(), "from `parsed` to `written`, in the trace's order")
    cause = "the arrows of one request: each goes from one thread to another"
    answers.expect_number(given, "handovers", trace.handovers / len(trace.requests), cause=cause)


@check(lab=0, step=4)
def lab0_slowest_request_is_found(t):
    """answers.txt names the slowest request, its time, and the gap in which it passed."""
    _, slowest = trace_of(t)
    given = answers.read(t, ANSWERS)
    answers.expect_number(given, "slowest", slowest.number)
    cause = "from its first mark to its last, in µs"
    answers.expect_number(given, "slowest_us", slowest.total_us, 0.01, cause)
    answers.expect(given, "slowest_gap", [slowest.longest_gap()], "the widest of its gaps")


@check(lab=0, step=5)
def lab0_littles_law(t):
    """Rate, latency and their product, measured with 10, 50, 100 and 200 connections."""
    given = answers.read(t, ANSWERS)
    rate = answers.numbers(given, "rate", 4)
    latency = answers.numbers(given, "latency_ms", 4)
    in_flight = answers.numbers(given, "in_flight", 4)
    for one, ms, product, connections in zip(rate, latency, in_flight, (10, 50, 100, 200)):
        where = f"with {connections} connections"
        if one <= 0 or ms <= 0:
            raise Failed(f"a rate and a latency above 0 {where}", f"{one:g}/s, {ms:g} ms")
        if abs(product - one * ms / 1000) > 0.02 * product + 0.05:
            cause = "requests/s x seconds: mind the unit of the latency"
            raise Failed(f"in_flight {one * ms / 1000:.1f} {where}", f"{product:g}", cause)
        if product > 1.1 * connections:
            cause = (
                "a connection has one request in flight at a time: is it the mean of the server's "
                "`end to end`? wrk adds to its own"
            )
            raise Failed(f"at most {connections} in flight {where}", f"{product:g}", cause)
