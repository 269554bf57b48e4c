"""An open loop: requests at fixed times, whether the last ones are answered or not.

wrk sends a connection's next request when it has the answer to the last one. So while a server
stalls it sends nothing, and a stall of a second is one slow request instead of all that would have
come in that second (coordinated omission). Here the k-th request is due at k/rate, and its latency
counts from when it was due, not from when it could be sent.

Run as a program it is the client: `constant_rate.py URL RATE SECONDS BYTES`, BYTES being the length
of each answer's body; it prints one JSON object. Its own lag is in it: how late requests were sent.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.parse

CONNECTIONS = 1000  # at most; what is due beyond waits for one, and its latency counts that
GRACE_SECONDS = 3  # for answers that are outstanding at the end
EXTRA_SECONDS = 60  # turns a hang into an error


# ---- The client ----------------------------------------------------------------------------------


class Load:
    """One run of the client."""

    def __init__(self, url, rate, seconds, size):
        parts = urllib.parse.urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        self.address = (parts.hostname, parts.port)
        self.request = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self.rate, self.count, self.size = rate, int(rate * seconds), size
        self.idle, self.opened, self.connections = [], [], asyncio.Semaphore(CONNECTIONS)
        self.latencies, self.lags, self.failed = [], [], 0

    async def connection(self):
        """(reader, writer) that nobody uses"""
        if self.idle:
            return self.idle.pop()
        self.opened.append(await asyncio.open_connection(*self.address))
        return self.opened[-1]

    async def ask(self, due):
        """One request; its latency counts from `due`."""
        async with self.connections:
            try:
                reader, writer = await self.connection()
                self.lags.append(time.monotonic() - due)
                writer.write(self.request)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(self.size)
            except (OSError, asyncio.IncompleteReadError):
                self.failed += 1
                return
            self.latencies.append(time.monotonic() - due)
            self.failed += not head.startswith(b"HTTP/1.1 200 ")
            self.idle.append((reader, writer))

    async def run(self):
        start, asked = time.monotonic(), set()
        for number in range(self.count):
            due = start + number / self.rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            asked.add(asyncio.create_task(self.ask(due)))
        _, outstanding = await asyncio.wait(asked, timeout=GRACE_SECONDS)
        for task in outstanding:
            task.cancel()
        for _, writer in self.opened:
            writer.close()
        return self.report(len(outstanding))

    def report(self, outstanding):
        """What isn't answered by the end stands above all that is."""
        ranked = sorted(self.latencies) + [None] * outstanding
        lags = sorted(self.lags)
        return {
            "requests": len(self.latencies),
            "outstanding": outstanding,
            "failed": self.failed,
            **{f"p{share}_us": quantile(ranked, share / 100) for share in (50, 99, 99.9)},
            "lag_p99_us": quantile(lags, 0.99),
        }


def quantile(ranked, share):
    """In µs; None: that request wasn't answered."""
    value = ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else None
    return None if value is None else value * 1e6


# ---- The driver's side ---------------------------------------------------------------------------


def run(url, rate, seconds, size, cpus=None):
    """Load `url`. returns what the client reports."""
    from .servers import ServerError  # as a program this file is in no package

    command = [sys.executable, os.path.abspath(__file__), url, str(rate), str(seconds), str(size)]
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    try:
        done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin,
                              timeout=seconds + GRACE_SECONDS + EXTRA_SECONDS)
        report = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise ServerError(f"the client of constant rate failed on {url}: {error}") from None
    if report["failed"]:
        raise ServerError(f"{url}: {report['failed']} requests at a constant rate failed")
    return report


if __name__ == "__main__":
    URL, RATE, SECONDS, SIZE = sys.argv[1:]
    print(json.dumps(asyncio.run(Load(URL, float(RATE), float(SECONDS), int(SIZE)).run())))
