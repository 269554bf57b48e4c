"""Lab 0, the tests that no hand-out shows."""

from kit.checks import check

FOLDER = "lab0_first_run"
LARGEST = 1000000


@check(lab=0, step=2, needs=("lab0_greets",), hidden=True)
def hidden_lab0_greets_anyone(t):
    """Names that the hand-out doesn't mention, one with a space in it."""
    server = t.start(app="app:app", folder=FOLDER)
    for name, shown in (("Margaret", "Margaret"), ("Katherine%20J", "Katherine J")):
        cause = "request.path_params has the name, its escapes decoded"
        t.get(server, f"/hello/{name}").expect(200, f"Hello, {shown}!", cause)
    server.stop()


@check(lab=0, step=2, needs=("lab0_adds",), hidden=True)
def hidden_lab0_adds_whatever_there_is(t):
    """Numbers that aren't there, large ones, empty ones, and the second one wrong."""
    server = t.start(app="app:app", folder=FOLDER)
    t.get(server, "/add").expect(200, '{"sum":0}', "a number that isn't there is 0")
    t.get(server, "/add?b=4").expect(200, '{"sum":4}', "a number that isn't there is 0")
    t.get(server, "/add?a=1000000000000000000000&b=1").expect(200, '{"sum":1000000000000000000001}')
    for query in ("a=", "b=three", "a=1.5"):
        t.get(server, f"/add?{query}").expect(400, cause="int() raises ValueError for both numbers")
    server.stop()


@check(lab=0, step=2, needs=("lab0_shouts",), hidden=True)
def hidden_lab0_shouts_nothing(t):
    """A body without letters, and an empty one."""
    server = t.start(app="app:app", folder=FOLDER)
    for body in ("1 + 1 = 2", ""):
        answer = t.connect(server).send("/shout", "POST", body).answer()
        answer.expect(200, body, "the same bytes, whatever they are")
    server.stop()


@check(lab=0, step=3, needs=("lab0_adds_in_c",), hidden=True)
def hidden_lab0_c_adds_up_to_its_bounds(t):
    """The largest and the smallest number are allowed, the next ones aren't."""
    server = t.start(app=None)
    cause = "outside -LARGEST..LARGEST is a 400, and nothing else is"
    for number in (LARGEST, -LARGEST):
        both = f"/c/add?a={number}&b={number}"
        t.get(server, both).expect(200, f'{{"sum":{2 * number}}}', cause)
    t.get(server, f"/c/add?a={-LARGEST - 1}").expect(400, cause=cause)
    t.get(server, f"/c/add?b={LARGEST + 1}").expect(400, cause=cause)
    t.get(server, "/c/add").expect(200, '{"sum":0}', "a number that isn't there is 0")
    server.stop()
