"""Servers are started, checked, and gone afterwards, whatever they or the driver do."""

import os
import signal
import subprocess
import sys
import textwrap
import time
import unittest
import unittest.mock

import support
from driver import memory, procfs
from driver.servers import Server, ServerError, Spec

# A server in a few lines: answers every request on a connection with BODY and STATUS.
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(STATUS)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)
    def log_message(self, *args):
        NOISE
server = http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
ANNOUNCE
server.serve_forever()
"""
ANNOUNCE = 'print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)'


def program(body="b'Hello, World!'", status="200", port="0", announce=ANNOUNCE, noise="pass"):
    text = SERVER
    for name, value in {"BODY": body, "STATUS": status, "PORT": port, "ANNOUNCE": announce,
                        "NOISE": noise}.items():
        text = text.replace(name, value)
    return text


def spec(text, *arguments, **more):
    return Spec("server", (sys.executable, "-c", text, *arguments), **more)


def gone(pid):
    """Wait until a process has ended; a zombie has."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        fields = procfs._stat_fields(f"/proc/{pid}/stat")
        if not fields or fields[0] in "ZX":
            return True
        time.sleep(0.02)
    return False


class Starting(unittest.TestCase):
    def test_a_server_that_says_its_port(self):
        with Server(spec(program())) as server:
            self.assertGreater(server.port, 0)
            self.assertEqual(server.url, f"http://127.0.0.1:{server.port}/")
        self.assertTrue(gone(server.process.pid))

    def test_a_server_that_is_told_its_port(self):
        with Server(spec(program(port="int(sys.argv[1])", announce="pass"), "{port}")) as server:
            self.assertGreater(server.port, 0)

    def test_files_get_port_and_folder(self):
        text = program(port="int(open(sys.argv[1]).read())", announce="pass")
        with Server(spec(text, "{folder}/port", files={"port": "{port}"})) as server:
            folder = server._folder.name
            self.assertTrue(os.path.exists(folder))
        self.assertFalse(os.path.exists(folder))

    def test_one_that_prints_much_is_not_stopped_by_it(self):
        """More than a pipe holds."""
        with Server(spec(program(noise="print('x' * 200_000, flush=True)"))) as server:
            self.assertEqual(server._get(), (200, b"Hello, World!"))
            self.assertEqual(server._get(), (200, b"Hello, World!"))

    def test_runs_on_the_cpus_it_was_given(self):
        cpu = {max(os.sched_getaffinity(0))}
        with Server(spec(program()), cpu) as server:
            self.assertEqual(os.sched_getaffinity(server.process.pid), cpu)


class Settling(unittest.TestCase):
    def test_it_waits_until_a_request_is_answered(self):
        with Server(spec(program())) as server:
            server.settle()

    def test_one_that_does_not_answer_any_more_is_an_error(self):
        with Server(spec(program())) as server:
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
            with self.assertRaisesRegex(ServerError, "ended with status -9 between two"):
                server.settle()


class Refusing(unittest.TestCase):
    def refused(self, refused_spec):
        with self.assertRaises(ServerError) as caught:
            Server(refused_spec)
        return str(caught.exception)

    def test_one_that_ends_is_quoted(self):
        message = self.refused(spec("import sys; sys.exit('no such app: x:y')"))
        self.assertIn("ended with status 1 before it listened", message)
        self.assertIn("no such app: x:y", message)

    def test_one_that_ends_without_its_port_is_quoted(self):
        message = self.refused(spec("import sys; sys.exit('no module')", "{port}"))
        self.assertIn("ended with status 1 before it answered", message)
        self.assertIn("no module", message)

    def test_a_program_that_is_not_there(self):
        self.assertIn("can't be started", self.refused(Spec("server", ("/nonexistent",))))

    def test_a_wrong_body(self):
        self.assertIn("b'Hullo'", self.refused(spec(program(body="b'Hullo'"))))

    def test_a_wrong_status(self):
        self.assertIn("status 404", self.refused(spec(program(status="404"))))


class FreeThreaded(unittest.TestCase):
    BANNER = "Python 3.13.5 GIL (turned on by culprit), -O3; app culprit_app:app"
    LOGGED = "importing culprit has turned the GIL on: from here on this run isn't free-threaded"

    def server(self, free_threaded, at_start="", while_it_runs="pass"):
        at_start = f"print({at_start!r}, flush=True)\n"
        return Server(spec(at_start + program(noise=while_it_runs), free_threaded=free_threaded))

    def test_one_that_has_its_gil_back_is_refused_by_name(self):
        with self.assertRaisesRegex(ServerError,
                                    "server isn't free-threaded any more: culprit has"):
            self.server(True, at_start=self.BANNER)

    def test_one_that_gets_it_back_while_it_is_measured_is_refused_then(self):
        with self.server(True, while_it_runs=f"print({self.LOGGED!r}, flush=True)") as server:
            # The check of its answer has made it say so.
            with self.assertRaisesRegex(ServerError, "culprit has turned the GIL on"):
                server.usage()

    def test_one_that_never_said_it_had_none_is_measured(self):
        with self.server(False, at_start=self.BANNER) as server:
            server.usage()


class Ending(unittest.TestCase):
    def test_its_children_end_with_it(self):
        text = "import subprocess; subprocess.Popen(['sleep', '1000'])\n" + program()
        with Server(spec(text)) as server:
            pids = procfs.tree(server.process.pid)
            self.assertEqual(len(pids), 2)
        for pid in pids:
            self.assertTrue(gone(pid), pid)

    def test_one_that_ends_while_it_is_measured_is_said(self):
        with Server(spec(program())) as server:
            server.process.kill()
            server.process.wait(20)
            with self.assertRaisesRegex(ServerError, "while it was measured"):
                server.usage()

    def test_it_does_not_outlive_a_driver_that_is_killed(self):
        driver = textwrap.dedent(f"""
            import sys, time
            sys.path.insert(0, {support.BENCH!r})
            from driver.servers import Server, Spec
            server = Server(Spec("server", (sys.executable, "-c", {program()!r})))
            print(server.process.pid, flush=True)
            time.sleep(1000)
        """)
        command = [sys.executable, "-c", driver]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            pid = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        self.assertTrue(gone(pid))


class Usage(unittest.TestCase):
    def test_cpu_time_grows_with_work(self):
        with Server(spec(program())) as server:
            before = server.usage()
            for _ in range(20):
                server._get()
            after = server.usage()
        used = after - before
        self.assertGreater(used.cpu, 0)
        self.assertGreater(used.waits, 0)  # for each request
        self.assertGreaterEqual(after.switches, after.waits)  # not their growth: threads end
        self.assertGreaterEqual(after.queued, 0)

    def test_resident_memory_counts_what_is_touched(self):
        grown = "import os; data = bytearray(os.urandom(1 << 16) * 512)\n" + program()
        with Server(spec(program())) as small, Server(spec(grown)) as large:
            difference = large.resident_bytes() - small.resident_bytes()
        self.assertGreater(difference, 30 << 20)
        self.assertLess(difference, 40 << 20)


class Memory(unittest.TestCase):
    def test_each_repeat_is_a_fresh_server_with_all_connections(self):
        samples = memory.measure(spec(program()), connections=30, repeats=2)
        self.assertEqual([sample["connections"] for sample in samples], [30, 30])
        for sample in samples:
            grown = sample["rss_idle"] - sample["rss_before"]
            self.assertEqual(sample["bytes_each"], grown / 30)
            self.assertGreater(grown, 0)  # a thread each

    def test_a_server_that_closes_connections_is_said(self):
        text = program().replace("self.end_headers()",
                                 "self.send_header('Connection', 'close'); self.end_headers(); "
                                 "self.server.shutdown_request(self.request)"
                                 " if self.headers['Host'] == '127.0.0.1' else None")
        with self.assertRaisesRegex(ServerError, "failed at idle connection 1 of"):
            memory.measure(spec(text), connections=5, repeats=1)

    def test_too_low_a_limit_of_files_is_said(self):
        unlimited = (memory.resource.RLIM_INFINITY,) * 2
        with unittest.mock.patch.object(memory.resource, "getrlimit", return_value=(64, 128)):
            with self.assertRaisesRegex(ServerError, "ulimit -n"):
                memory.allow_files(5000)
        with unittest.mock.patch.object(memory.resource, "getrlimit", return_value=unlimited):
            memory.allow_files(5000)


class Proc(unittest.TestCase):
    def test_cpu_lists(self):
        cases = {"": set(), "0\n": {0}, "0-3": {0, 1, 2, 3}, "0,2-4,7\n": {0, 2, 3, 4, 7}}
        for text, expected in cases.items():
            with self.subTest(text=text):
                self.assertEqual(procfs._cpu_list(text), expected)

    def test_two_cpus_are_two_that_we_may_use(self):
        found = procfs.two_cpus()
        if len(os.sched_getaffinity(0)) == 1:
            self.assertIsNone(found)
        else:
            wrk, server = found
            self.assertFalse(wrk & server)
            self.assertLessEqual(wrk | server, os.sched_getaffinity(0))

    def test_an_ended_process_has_used_nothing(self):
        process = subprocess.Popen(["true"])
        process.wait(20)
        self.assertEqual(procfs.usage(process.pid), procfs.Usage())
        self.assertEqual(procfs.resident_bytes(process.pid), 0)


if __name__ == "__main__":
    unittest.main()
