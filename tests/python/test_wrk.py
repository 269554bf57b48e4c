"""wrk's report is read right, whatever units it chooses; what can't be read is said."""

import http.server
import os
import threading
import unittest
from unittest import mock

import support
from driver import wrk

PLAIN = """Running 3s test @ http://127.0.0.1:8123/
  1 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.21ms    1.91ms  10.00ms   82.03%
    Req/Sec    34.95k     3.68k   41.89k    66.67%
  Latency Distribution
     50%    1.17ms
     75%    3.29ms
     90%    5.13ms
     99%    8.17ms
  104995 requests in 3.03s, 13.02MB read
Requests/sec:  34669.44
Transfer/sec:      4.30MB
"""

FAILING = """Running 2s test @ http://127.0.0.1:8199/
  1 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   842.67us   16.10ms   1.24s    81.62%
    Req/Sec     2.32k   696.96     3.84k    70.00%
  Latency Distribution
     50%  790.00us
     75%    1.00ms
     90%    2.00ms
     99%    1.20s 
  4655 requests in 2.02s, 686.43KB read
  Socket errors: connect 1, read 4624, write 2, timeout 3
  Non-2xx or 3xx responses: 12
Requests/sec:   2304.26
Transfer/sec:    339.79KB
"""

LONG = """Running 1m test @ http://127.0.0.1:8000/
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.50m     0.00us   1.50m   100.00%
  Latency Distribution
     50%    1.50m 
     99%    1.60m 
  7 requests in 1.00m, 1.00KB read
Requests/sec:      0.12
"""


class Answering(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Quantiles(unittest.TestCase):
    LINE = "Quantiles: 1=140 50=1170 99.9=9001 99.99=9950\n"

    def test_reads_what_the_script_prints(self):
        self.assertEqual(wrk.parse(PLAIN + self.LINE).quantiles_us,
                         {"1": 140.0, "50": 1170.0, "99.9": 9001.0, "99.99": 9950.0})

    def test_a_report_without_them_has_none(self):
        for text in (PLAIN, PLAIN + "Quantiles: \n", PLAIN + "Quantiles: 1=a\n"):
            self.assertEqual(wrk.parse(text).quantiles_us, {})

    def test_the_script_prints_what_is_read(self):
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            report, _ = wrk.run(f"http://127.0.0.1:{server.server_port}/", 1, connections=1)
            server.shutdown()
        found = report.quantiles_us
        self.assertEqual(len(found), 12)
        self.assertEqual(list(found.values()), sorted(found.values()))
        self.assertEqual(found["50"], report.p50_us)


class Parse(unittest.TestCase):
    def test_reads_a_plain_report(self):
        report = wrk.parse(PLAIN)
        self.assertEqual(report.requests, 104995)
        self.assertAlmostEqual(report.seconds, 3.03)
        self.assertAlmostEqual(report.rps, 34669.44)
        self.assertAlmostEqual(report.mean_us, 2210)
        self.assertAlmostEqual(report.p50_us, 1170)
        self.assertAlmostEqual(report.p99_us, 8170)
        self.assertEqual((report.bad_answers, report.socket_errors, report.timeouts), (0, 0, 0))

    def test_counts_errors_of_every_kind(self):
        report = wrk.parse(FAILING)
        self.assertEqual(report.bad_answers, 12)
        self.assertEqual(report.socket_errors, 1 + 4624 + 2)
        self.assertEqual(report.timeouts, 3)

    def test_tells_microseconds_from_seconds_within_a_report(self):
        report = wrk.parse(FAILING)
        self.assertAlmostEqual(report.mean_us, 842.67)
        self.assertAlmostEqual(report.p50_us, 790)
        self.assertAlmostEqual(report.p99_us, 1.2e6)

    def test_reads_minutes(self):
        report = wrk.parse(LONG)
        self.assertAlmostEqual(report.seconds, 60)
        self.assertAlmostEqual(report.p50_us, 90e6)

    def test_quotes_a_report_that_it_cannot_read(self):
        for text in ("", "unable to connect to 127.0.0.1:1", PLAIN.replace("99%", "98%")):
            with self.subTest(text=text[:40]), self.assertRaises(wrk.WrkError) as caught:
                wrk.parse(text)
            self.assertIn(text, str(caught.exception))


class Units(unittest.TestCase):
    def test_times(self):
        cases = {"12us": 12, "12.50ms": 12500, "1.20s": 1.2e6, "2.00m": 120e6, "1.00h": 3600e6}
        for text, expected in cases.items():
            with self.subTest(text=text):
                self.assertAlmostEqual(wrk.time_us(text), expected)

    def test_counts(self):
        cases = {"0": 0, "696.96": 696.96, "45.6k": 45600, "1.65M": 1.65e6, "2.00G": 2e9}
        for text, expected in cases.items():
            with self.subTest(text=text):
                self.assertAlmostEqual(wrk.count(text), expected)

    def test_others_are_refused(self):
        for text in ("", "ms", "1.2", "1.2 ms", "-1ms", "1ns"):
            with self.subTest(text=text), self.assertRaises(wrk.WrkError):
                wrk.time_us(text)
        for text in ("", "k", "1K", "nan"):
            with self.subTest(text=text), self.assertRaises(wrk.WrkError):
                wrk.count(text)


class Absent(support.WithFolder):
    def test_a_missing_wrk_is_named_with_what_to_do(self):
        with mock.patch.dict(os.environ, {"PATH": self.folder}):
            for call in (wrk.check_installed, lambda: wrk.run("http://127.0.0.1:9/", 1)):
                with self.assertRaises(wrk.WrkError) as caught:
                    call()
                self.assertIn("make deps", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
