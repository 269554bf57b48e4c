"""What a request makes a lab do, beside saying hello: the routes of `make workloads`, its table."""

from dataclasses import dataclass, replace

from .blocks import Configuration
from .reports import LABS, figures_of
from .tables import milliseconds, number, thousands, with_interval

PRIMES = 1000  # below it: some hundred µs in Python, some ten in C


@dataclass(frozen=True)
class Work:
    text: str
    path: str
    answer: bytes


WORK = (
    Work("hello", "/", b"Hello, World!"),
    Work("wait 1 ms", "/wait?ms=1", b'{"waited_ms":1}'),
    Work("wait 5 ms", "/wait?ms=5", b'{"waited_ms":5}'),
    Work("primes in Python", f"/cpu?n={PRIMES}", b'{"n":1000,"primes":168}'),
    Work("primes in C", f"/native/cpu?n={PRIMES}", b'{"n":1000,"primes":168}'),
)

LEGEND = (
    "CPU time is the server's, per request. The ratio is requests/s to lab1's with the same work. "
    "lab2 has 8 loops. Waits: asyncio.sleep in labs 1 and 2, time.sleep in lab3. Primes: those below "
    f"{PRIMES:,} by trial division, in Python on the handler's thread, in C on libuv's pool."
)


def name(lab, work):
    return f"{lab}, {work.text}"


def specs(labs):
    return {name(lab, work): replace(labs[lab], name=name(lab, work), path=work.path,
                                     answer=work.answer)
            for work in WORK for lab in LABS}


def table(data):
    figures = figures_of(data)
    rows = []
    for work in WORK:
        base = Configuration(name("lab1", work)).key
        for lab in LABS:
            key = Configuration(name(lab, work)).key
            ratio = "1" if lab == "lab1" else with_interval(*figures.ratio(key, base, "rps"),
                                                            form="{:.3f}".format)
            rows.append([
                work.text if lab == "lab1" else "",
                lab,
                thousands(figures.median(key, "rps")),
                milliseconds(figures.median(key, "p50_us")),
                milliseconds(figures.median(key, "p99_us")),
                number(figures.median(key, "cpu_us")),
                ratio,
            ])
    return ["work", "lab", "requests/s", "p50 ms", "p99 ms", "CPU µs", "ratio to lab1"], rows
