"""What a check is: a function that tells, step by step, what it does, and fails with a reason.

    @check(lab=1, step=4, after=(1, 2, 3), needs=("lab1_serves",))
    def lab1_error(t):
        '''A handler that raises is a 500, and nobody sees its traceback.'''
        server = t.start(1)
        t.get(server, "/error").expect(500)

`step` is where its points count; `after` are further steps without which it can't pass (the red
gate relies on that). `needs` names checks: if one of them fails, this one isn't run. `build` names
the build whose programs it runs (kit/sanitizers.py).
"""

from dataclasses import dataclass, field


@dataclass
class Check:
    name: str
    lab: int
    step: int
    after: tuple
    needs: tuple
    title: str
    function: object
    hidden: bool = False
    read: str = ""
    build: str = ""


REGISTRY = {}


class Failed(Exception):
    """A check has failed: what was expected, what came, and why that may be."""

    def __init__(self, expected, seen, cause=""):
        super().__init__(f"expected {expected}, seen {seen}")
        self.expected, self.seen, self.cause = expected, seen, cause


@dataclass
class Outcome:
    check: Check
    status: str  # "passed", "failed", "not run"
    steps: list = field(default_factory=list)
    expected: str = ""
    seen: str = ""
    cause: str = ""
    seconds: float = 0.0

    def text(self):
        """Everything a failure says, for searching."""
        return "\n".join([*self.steps, self.expected, self.seen, self.cause])


def check(lab, step, **more):
    def register(function):
        add(function.__name__, function, lab, step, title=function.__doc__, **more)
        return function

    return register


def add(name, function, lab, step, after=(), needs=(), title="", **more):
    if name in REGISTRY:
        raise ValueError(f"two checks are called {name}")
    title = " ".join((title or name).split())
    REGISTRY[name] = Check(name, lab, step, tuple(after), tuple(needs), title, function, **more)


def of_lab(lab):
    return [c for c in REGISTRY.values() if c.lab == lab]
