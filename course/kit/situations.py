"""What the checks of several labs put a whole server through. What differs is the lab's: how it is
started, and the words for why it failed."""

import re
import secrets

from .checks import Failed


def expect_native(t, server):
    """The server answers in C, and stops: that needs nothing of a student's."""
    t.get(server, "/native").expect(200, "Hello, World!")
    server.stop()


def expect_served(t, server, query=""):
    """GET / gets its answer from Python, and so does a path with something in it."""
    for _ in range(3):
        t.get(server, "/").expect(200, "Hello, World!")
    user = secrets.token_hex(4)
    t.get(server, f"/users/{user}{query}").expect(200, f'"user_id":"{user}"')
    server.stop()


def expect_500(t, server, cause=""):
    """A handler of the bundled app raises: 500, a traceback in the log, none on the wire."""
    answer = t.get(server, "/error").expect(500, cause=cause)
    if re.search("Traceback|RuntimeError|always fails", answer.body):
        cause = "what went wrong inside is for the log; bridge_response(req, NULL) tells nobody else"
        raise Failed("nothing of the exception on the wire", str(answer), cause)
    t.get(server, "/").expect(200, "Hello, World!", "the server goes on after a handler has failed")
    server.stop()
    count = server.stderr().count("RuntimeError: this handler always fails")
    if count != 1:
        raise Failed("the traceback once in the log", f"{count} times", server.tail())


def expect_cancelled(t, server, cause, end_cause):
    """
    tests/apps/park.py: a client leaves while its handler waits: that is cancelled, and others are
    served, though the server was started with --max-in-flight=1. `cause`: why it may not be
    cancelled; `end_cause`: why the server may not be done with it then
    """
    leaving = t.connect(server, "A")
    leaving.send("/park/0?name=A")
    server.event("start A")
    leaving.reset()
    server.event("cancelled A", cause)
    server.wait_asleep(end_cause)
    t.get(server, "/fast?name=B").expect(200, "B", end_cause)
    server.event("start B")
    server.stop(0, end_cause)


def expect_in_order(t, server, cause=""):
    """
    tests/apps/park.py: two requests on one connection, of which the second ends first: answers in
    their order. `cause`: why the second may not even begin
    """
    connection = t.connect(server, "A")
    connection.send("/park/0?name=first")
    server.event("start first")
    connection.send("/fast?name=second")
    server.event("start second", cause)
    server.open_gate(0)
    server.event("end first")
    connection.answer().expect(200, '"park":"first"', "answers in order of completion")
    connection.answer().expect(200, "second", "answers in order of completion")
    server.stop()


def expect_drained(t, server, cause):
    """tests/apps/park.py: SIGTERM while a handler waits: it is answered, then it ends with 0."""
    parked = t.connect(server, "A").send("/park/0?name=A")
    server.event("start A")
    server.begin_drain(cause)
    server.open_gate(0)
    server.event("end A", cause)
    parked.answer(cause).expect(200, '"park":"A"')
    server.expect_end(0)


def expect_all_answered(t, server, cause=""):
    """tests/apps/park.py: 64 requests wait at once, then are let go: 64 answers."""
    connections = park(t, server, 64, cause)
    server.open_gate(0)
    for number, connection in enumerate(connections):
        connection.answer(cause).expect(200, f'"park":"{number}"', cause)
    server.stop(0, cause)


def expect_unread(t, server, connection, cause=""):
    """The request on that connection lies in the kernel, while a handler keeps the server busy."""
    server.wait_asleep()
    if server.unread(connection.port) == 0:
        expected = f"{connection.name}'s request is still unread while A waits"
        raise Failed(expected, "it has been read", cause)


def park(t, server, count, cause=""):
    """
    tests/apps/park.py: so many requests that wait at gate 0, each on a connection of its own, named
    0, 1, ...; all have begun. returns the connections
    """
    parked = []
    for number in range(count):
        parked.append(t.connect(server, f"{number}").send(f"/park/0?name={number}"))
        server.event_before_sleep(f"start {number}", cause)
    return parked
