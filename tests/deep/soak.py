#!/usr/bin/env python3
"""Mixed load with faults at a stated rate, then the books: every request that a lab has read came to
one end, and the answers that well-behaved clients got are the ones that its handlers gave.

    soak.py --bin-dir FOLDER [--labs lab1,lab2,lab3] [--seconds 60] [--faults 50]

Well-behaved clients ask for numbers, one after the other, and check each answer. Meanwhile one rude
client after the other misbehaves, so many a second. Prints what it did and PASS or FAIL for each
claim; exit status 1 if one fails.
"""

import argparse
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "apps")
GOOD_CLIENTS = 8
HELD = 40  # connections of those who are slow on purpose
DEADLINE = 30  # seconds: only turns a hang into a failure
HOST = "HTTP/1.1\r\nHost: t\r\n"

# What a rude client says before it leaves.
RUDE = {
    "nothing": "",
    "half a head": "GET /slow/1 HTTP/1.1\r\nHo",
    "half a body": f"POST /slow/1 {HOST}Content-Length: 10\r\n\r\nhello",
    "half a chunk": f"POST /slow/1 {HOST}Transfer-Encoding: chunked\r\n\r\nff\r\nhello",
    "a slow request": f"GET /slow/1 {HOST}\r\n",
    "a pipeline": f"GET /slow/1 {HOST}\r\nGET /raise {HOST}\r\nGET /native {HOST}\r\n" * 4,
    "a handler that raises": f"GET /raise {HOST}\r\n",
    "a stream": f"GET /native/stream?chunks=1000&size=65536 {HOST}\r\n",
    "work in C": f"GET /native/cpu?n=300 {HOST}\r\n",
    "a malformed request": "GET /slow/1 HTTP/1.1\r\nHost t\r\n\r\n",
    "two lengths": f"POST /slow/1 {HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "a head too large": f"GET /slow/1 {HOST}X: {'x' * 20000}\r\n\r\n",
    "no route": f"GET /nowhere {HOST}\r\n",
}
LEAVING = ("reset", "reset", "close", "half-close", "hold")


class Good(threading.Thread):
    """A client as it should be."""

    def __init__(self, port, number, until):
        super().__init__(daemon=True)
        self.port, self.number, self.until = port, number, until
        self.answers, self.wrong = 0, None

    def run(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while time.monotonic() < self.until:
                    self.ask(connection, f"{self.number}-{self.answers}")
        except OSError as error:
            self.wrong = f"after {self.answers} answers: {error!r}"

    def ask(self, connection, text):
        connection.sendall(f"GET /good/{text} {HOST}\r\n".encode())
        received = b""
        expected = b"\r\n\r\n" + text.encode()
        while not received.endswith(expected):
            chunk = connection.recv(4096)
            if not chunk:
                raise OSError(f"closed; expected {expected!r}, seen {received!r}")
            received += chunk
            if len(received) > 4096:
                raise OSError(f"expected {expected!r}, seen {received!r}")
        if not received.startswith(b"HTTP/1.1 200 "):
            raise OSError(f"seen {received!r}")
        self.answers += 1


class Rude(threading.Thread):
    """One visit after the other, each at its time."""

    def __init__(self, port, rate, until, seed):
        super().__init__(daemon=True)
        self.port, self.rate, self.until = port, rate, until
        self.chance = random.Random(seed)
        self.visits, self.held = 0, []

    def run(self):
        start = time.monotonic()
        while time.monotonic() < self.until:
            due = start + self.visits / self.rate
            if due > time.monotonic():
                time.sleep(due - time.monotonic())
            try:
                self.visit()
            except OSError:
                pass  # it was rude anyway
            self.visits += 1
        for connection in self.held:
            connection.close()

    def visit(self):
        connection = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        connection.settimeout(0)
        said = self.chance.choice(list(RUDE.values())).encode()
        how = self.chance.choice(LEAVING)
        try:
            for piece in (said[:7], said[7:]) if self.chance.random() < 0.3 else (said,):
                connection.sendall(piece)
            if self.chance.random() < 0.3:
                connection.settimeout(0.005)
                connection.recv(100)
        except OSError:
            pass
        if how == "hold":  # and neither says nor reads anything more
            self.held.append(connection)
            if len(self.held) > HELD:
                self.held.pop(0).close()
            return
        if how == "half-close":
            connection.shutdown(socket.SHUT_WR)
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def start(program, number):
    app = "stress:sync_app" if number == 3 else "stress:async_app"
    command = [program, "--port=0", f"--app={app}", "--log-level=error", "--header-timeout=2",
               "--body-timeout=2", "--write-timeout=2", "--keepalive-timeout=5"]
    log = tempfile.TemporaryFile("w+")  # not a pipe: a log that nobody reads would stop the lab
    lab = subprocess.Popen(command + (["--workers=4"] if number == 2 else []), cwd=APPS, text=True,
                           stdout=subprocess.PIPE, stderr=log)
    for line in lab.stdout:
        if found := re.match(r"listening on http://127\.0\.0\.1:(\d+)", line):
            return lab, int(found[1]), log
    sys.exit(f"{program} doesn't start: {text_of(log)}")


def text_of(file):
    file.seek(0)
    return file.read()


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def numbers(pattern, text):
    found = re.search(pattern, text)
    return [int(n) for n in found.groups()] if found else None


def claims(lab, good, out, err):
    """(claim, whether it holds, figures) of a lab that has ended."""
    served = numbers(r"(\d+) connections, (\d+) requests", out)
    ends = numbers(r"answered (\d+) .*client left (\d+), cut off (\d+)", out)
    counts = numbers(r"counts good (\d+) cancelled (\d+) raised (\d+)", err)
    yield "exit status 0", lab.returncode == 0, lab.returncode
    if not (served and ends and counts):
        yield "a summary, and the app's counts", False, f"{out}\n{err[-2000:]}"
        return
    yield ("requests = answered + client left + cut off", served[1] == sum(ends),
           f"{served[1]:,} = {' + '.join(f'{n:,}' for n in ends)}")
    yield "nothing was cut off", ends[2] == 0, ends[2]
    answers = sum(client.answers for client in good)
    yield ("well-behaved clients' answers = handlers' runs", counts[0] == answers,
           f"{answers:,} = {counts[0]:,}")
    yield ("every well-behaved client was served to the end",
           not any(client.wrong for client in good),
           next((client.wrong for client in good if client.wrong), "no complaint"))
    yield "faults did reach handlers", counts[2] > 0, f"{counts[1]:,} cancelled, {counts[2]:,} raised"


def soak(bin_dir, name, seconds, rate):
    lab, port, log = start(os.path.abspath(os.path.join(bin_dir, name)), int(name[-1]))
    until = time.monotonic() + seconds
    good = [Good(port, number, until) for number in range(GOOD_CLIENTS)]
    rude = Rude(port, rate, until, seed=name)
    for thread in (*good, rude):
        thread.start()
    time.sleep(seconds / 2)
    half_way = resident_kib(lab.pid)
    for thread in (*good, rude):
        thread.join(seconds + 2 * DEADLINE)
    end = resident_kib(lab.pid)
    lab.send_signal(signal.SIGTERM)
    out = lab.communicate(timeout=60)[0]
    print(f"{name}: {seconds:g} s, {GOOD_CLIENTS} well-behaved clients, {rude.visits} faults"
          f" ({rude.visits / seconds:.0f}/s asked for: {rate:g}/s),"
          f" {half_way:,} KiB resident half-way, {end:,} at the end")
    failed = 0
    for claim, holds, figures in claims(lab, good, out, text_of(log)):
        print(f"  {'PASS' if holds else 'FAIL'}  {claim}: {figures}")
        failed += not holds
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--labs", default="lab1,lab2,lab3")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--faults", type=float, default=50, help="a second")
    options = parser.parse_args()
    return min(1, sum(soak(options.bin_dir, name, options.seconds, options.faults)
                      for name in options.labs.split(",")))


if __name__ == "__main__":
    sys.exit(main())
