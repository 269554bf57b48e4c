#!/usr/bin/env python3
"""Mixed load with faults at a stated rate, then the books: every request that a lab has read came
to one end, and the answers that well-behaved clients got are the ones that its handlers gave.

    soak.py --bin-dir FOLDER [--servers lab1,lab2,lab3,lab4,lab5,nginx] [--seconds 60]
            [--faults 50] [--record]

Well-behaved clients ask for numbers, one after the other, and check each answer. Meanwhile one rude
client after the other misbehaves, so many a second. Prints what it did and PASS or FAIL for each
claim; exit status 1 if one fails. nginx, which has no handlers, gets the same clients, if it is
installed: what it says of them is its access log. The figures are stored in bench/results/, with
--record as those for the documents.
"""

import argparse
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))

from driver import catalogue, held_up, procfs, results, servers, tables  # noqa: E402

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


WORKERS = {"lab2": ["--workers=4"], "lab5": ["--workers=1"]}  # of the app's books there is one
NGINX_CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events { worker_connections 1024; }
http {
    log_format soak "$status $request";
    access_log {folder}/access.log soak;
    keepalive_requests 1000000000;
    client_header_timeout 2; client_body_timeout 2; send_timeout 2; keepalive_timeout 5;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/plain;
    server {
        listen 127.0.0.1:{port};
        location ~ ^/(good|slow)/(.*)$ { return 200 $2; }
        location / { return 404; }
    }
}
"""


def text_of(file):
    file.seek(0)
    return file.read()


def numbers(pattern, text):
    found = re.search(pattern, text)
    return [int(n) for n in found.groups()] if found else None


class Lab:
    """One of the labs; its books are its summary, and what the app has counted."""

    def __init__(self, bin_dir, name):
        program = os.path.abspath(os.path.join(bin_dir, name))
        app = "stress:sync_app" if name == "lab3" else "stress:async_app"
        command = [program, "--port=0", f"--app={app}", "--log-level=error", "--header-timeout=2",
                   "--body-timeout=2", "--write-timeout=2", "--keepalive-timeout=5"]
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command + WORKERS.get(name, []), cwd=APPS, text=True,
            stdout=subprocess.PIPE, stderr=self.log)
        for line in self.process.stdout:
            if found := re.match(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                return
        sys.exit(f"{program} doesn't start: {text_of(self.log)}")

    def stop(self):
        """Returns (figures, claims that only a lab can keep), or (None, what is missing)."""
        self.process.send_signal(signal.SIGTERM)
        out = self.process.communicate(timeout=60)[0]
        err, status = text_of(self.log), self.process.returncode
        served = numbers(r"(\d+) connections, (\d+) requests", out)
        ends = numbers(r"answered (\d+) .*client left (\d+), cut off (\d+)", out)
        counts = numbers(r"counts good (\d+) cancelled (\d+) raised (\d+)", err)
        claims = [("exit status 0", status == 0, status)]
        if not (served and ends and counts):
            said = f"{out}\n{err[-2000:]}"
            return None, [*claims, ("a summary, and the app's counts", False, said)]
        figures = {"requests": served[1], "answered": ends[0], "left": ends[1], "cut_off": ends[2],
                   "own_count": counts[0]}
        return figures, [
            *claims,
            ("nothing was cut off", ends[2] == 0, ends[2]),
            ("faults did reach handlers", counts[2] > 0,
             f"{counts[1]:,} cancelled, {counts[2]:,} raised"),
        ]


class Nginx:
    """nginx answers the same paths with fixed texts; its books are its access log."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="looplab-")
        self.port = servers.free_port()
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(NGINX_CONFIG.replace("{folder}", self.folder)
                       .replace("{port}", str(self.port)))
        self.process = subprocess.Popen([program, "-e", "stderr", "-p", self.folder, "-c", config])
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), DEADLINE).close()
                return
            except OSError:
                time.sleep(0.05)
        sys.exit("nginx doesn't start")

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)
        status = self.process.wait(DEADLINE)
        with open(os.path.join(self.folder, "access.log"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        shutil.rmtree(self.folder, ignore_errors=True)
        left = sum(line.startswith(("499 ", "000 ")) for line in lines)
        figures = {"requests": len(lines), "answered": len(lines) - left, "left": left,
                   "cut_off": 0,
                   "own_count": sum(line.startswith("200 GET /good/") for line in lines)}
        return figures, [("exit status 0", status == 0, status)]


def claims_of(figures, good):
    """What every server's books have to show: (claim, whether it holds, figures)."""
    ends = [figures[name] for name in ("answered", "left", "cut_off")]
    answers, own = figures["good_answers"], figures["own_count"]
    wrong = next((client.wrong for client in good if client.wrong), None)
    return [
        ("requests = answered + client left + cut off", figures["requests"] == sum(ends),
         f"{figures['requests']:,} = {' + '.join(f'{n:,}' for n in ends)}"),
        ("well-behaved clients' answers = the server's count of them", answers == own,
         f"{answers:,} = {own:,}"),
        ("every well-behaved client was served to the end", wrong is None,
         wrong or "no complaint"),
    ]


def soak(server, name, seconds, rate):
    """Load one server, stop it, print its claims. Returns a block, or None without books."""
    until = time.monotonic() + seconds
    good = [Good(server.port, number, until) for number in range(GOOD_CLIENTS)]
    rude = Rude(server.port, rate, until, seed=name)
    for thread in (*good, rude):
        thread.start()
    time.sleep(seconds / 2)
    resident = [procfs.resident_bytes(server.process.pid) // 1024]
    for thread in (*good, rude):
        thread.join(seconds + 2 * DEADLINE)
    resident.append(procfs.resident_bytes(server.process.pid) // 1024)
    figures, claims = server.stop()
    print(f"{name}: {seconds:g} s, {GOOD_CLIENTS} well-behaved clients, {rude.visits} faults"
          f" ({rude.visits / seconds:.0f}/s; asked for: {rate:g}/s),"
          f" {resident[0]:,} KiB resident half-way, {resident[1]:,} at the end")
    if figures:
        figures["good_answers"] = sum(client.answers for client in good)
        claims += claims_of(figures, good)
    for claim, holds, shown in claims:
        print(f"  {'PASS' if holds else 'FAIL'}  {claim}: {shown}", flush=True)
    return figures and {
        "server": name, "faults": rude.visits, **figures, "resident_kib": resident,
        "claims": [{"claim": claim, "holds": holds, "figures": str(shown)}
                   for claim, holds, shown in claims],
    }


def start(bin_dir, name):
    """None if it isn't installed."""
    if name != "nginx":
        return Lab(bin_dir, name)
    program = catalogue.nginx_program()
    if program:
        return Nginx(program)
    print("nginx is left out, as it isn't installed (tools/deps.sh --bench)")
    return None


def store(options, blocks):
    trouble = results.save(results.name_of("soak", options.record), {
        "kind": "soak",
        "environment": results.environment(options.bin_dir),
        "seconds": options.seconds,
        "good_clients": GOOD_CLIENTS,
        "faults_per_second": options.faults,
        "blocks": blocks,
    })
    if trouble:
        print(trouble)
    return not trouble


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin-dir", required=True)
    parser.add_argument("--servers", default="lab1,lab2,lab3,lab4,lab5,nginx")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--faults", type=float, default=50, help="a second")
    parser.add_argument("--record", action="store_true", help="store it for the documents")
    options = parser.parse_args()
    blocks, good = [], True
    for name in options.servers.split(","):
        server = start(options.bin_dir, name)
        if server:
            block = soak(server, name, options.seconds, options.faults)
            good &= block is not None and all(claim["holds"] for claim in block["claims"])
            blocks += [block] if block else []
    print(f"\n{tables.text(*held_up.soak({'blocks': blocks}))}")
    return 0 if store(options, blocks) and good else 1


if __name__ == "__main__":
    sys.exit(main())
