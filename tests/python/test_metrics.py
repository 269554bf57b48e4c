"""GET /metrics, as Prometheus reads it: parsed with Prometheus' own parser, and the figures in it
against what the test has sent.

From the environment, set by `make test`: LAB_BIN_DIR.
"""

import collections
import http.client
import math
import re
import socket
import struct
import time
import unittest

from labs import DEADLINE_S, Lab
from prometheus_client.parser import text_string_to_metric_families

LABS = ("lab1", "lab2", "lab3", "lab4", "lab5")
STATS = "--stats=/dev/null"


class Scrape:
    """One answer of /metrics: families by name, samples by name and labels."""

    def __init__(self, lab):
        connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=DEADLINE_S)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        self.content_type = answer.getheader("Content-Type")
        self.text = answer.read().decode("ascii")
        connection.close()
        self.families = {f.name: f for f in text_string_to_metric_families(self.text)}
        self.samples = collections.Counter()
        self.repeated = []
        for family in self.families.values():
            for sample in family.samples:
                key = (sample.name, *sorted(sample.labels.items()))
                if key in self.samples:
                    self.repeated.append(key)
                self.samples[key] = sample.value

    def __getitem__(self, key):
        """scrape["requests_total", ("code", "200")], the sum over all other labels."""
        name, *labels = (key,) if isinstance(key, str) else key
        return sum(
            value
            for (sample, *others), value in self.samples.items()
            if sample == f"looplab_{name}" and set(labels) <= set(others)
        )


def send(lab, data):
    """Send bytes on a connection of its own, and wait until the lab has closed it."""
    with socket.create_connection(("127.0.0.1", lab.port), DEADLINE_S) as connection:
        connection.sendall(data)
        while connection.recv(4096):
            pass


def get(target):
    return f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()


def reset(connection):
    linger = struct.pack("ii", 1, 0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    connection.close()


class Metrics(unittest.TestCase):
    def scrape_until(self, lab, reached):
        """Ask again until `reached` says so: nothing is measured by how long it takes."""
        deadline = time.monotonic() + DEADLINE_S
        while not reached(scrape := Scrape(lab)):
            self.assertLess(time.monotonic(), deadline, scrape.text)
        return scrape

    def expect(self, scrape, expected):
        seen = {key: scrape[key] for key in expected}
        self.assertEqual(expected, seen, scrape.text)

    def test_the_text_is_what_prometheus_reads(self):
        for name in LABS:
            with self.subTest(lab=name), Lab(name, "--metrics", STATS) as lab:
                send(lab, get("/"))
                scrape = Scrape(lab)
                self.assertEqual(
                    "text/plain; version=0.0.4; charset=utf-8", scrape.content_type
                )
                self.assertEqual([], scrape.repeated)
                for family in scrape.families.values():
                    self.assertRegex(family.name, "^looplab_[a-z_]+$")
                    self.assertIn(family.type, ("counter", "gauge", "histogram", "summary"),
                                  family.name)
                    self.assertTrue(family.documentation, family.name)
                    self.assertTrue(family.samples, family.name)
                # The parser takes the suffix that a counter's name must have off the family's.
                for counter in re.findall(r"^# TYPE (\S+) counter$", scrape.text, re.M):
                    self.assertTrue(counter.endswith("_total"), counter)

    def test_requests_are_counted_by_status_and_end(self):
        for name in LABS:
            with self.subTest(lab=name), Lab(name, "--metrics") as lab:
                for target in ("/", "/", "/json", "/nowhere", "/error", "/error", "/native"):
                    send(lab, get(target))
                send(lab, b"\x16\x03\x01")
                scrape = Scrape(lab)
                self.expect(
                    scrape,
                    {
                        ("requests_total", ("code", "200")): 4,
                        ("requests_total", ("code", "404")): 1,
                        ("requests_total", ("code", "500")): 2,
                        ("requests_total", ("code", "400")): 1,
                        ("requests_total", ("end", "answered")): 8,
                        "requests_total": 8,
                        "requests_parsed_total": 9,  # and that of /metrics, which isn't over
                        "requests_in_flight": 1,
                        "connections_accepted_total": 9,
                        "connections_open": 1,
                        "completions_queued": 0,
                        "handler_errors_total": 2,
                        "request_duration_seconds_count": 8,
                    },
                )
                again = Scrape(lab)
                self.expect(
                    again, {("requests_total", ("code", "200")): 5, "requests_total": 9}
                )
                self.assertGreater(
                    again["response_bytes_total"],
                    scrape["response_bytes_total"] + len(scrape.text) - 1,
                )

    def test_buckets_add_up(self):
        with Lab("lab3", "--metrics") as lab:
            for ms in (0, 0, 0, 3, 60):
                send(lab, get(f"/wait?ms={ms}"))
            family = Scrape(lab).families["looplab_request_duration_seconds"]
        buckets = {
            float(s.labels["le"]): s.value for s in family.samples if s.name.endswith("_bucket")
        }
        figures = {s.name[len(family.name) :]: s.value for s in family.samples if not s.labels}
        self.assertEqual(list(buckets), sorted(buckets))
        self.assertEqual(list(buckets.values()), sorted(buckets.values()))
        self.assertEqual(5, buckets[math.inf])
        self.assertEqual(5, figures["_count"])
        self.assertGreaterEqual(figures["_sum"], 0.063)
        self.assertLessEqual(buckets[0.05], 4, "60 ms are more than 50")
        self.assertLessEqual(buckets[0.0025], 3, "3 ms are more than 2.5")

    def test_a_request_in_flight_and_a_client_that_leaves(self):
        for name in ("lab1", "lab2"):
            with self.subTest(lab=name), Lab(name, "--metrics") as lab:
                client = socket.create_connection(("127.0.0.1", lab.port), DEADLINE_S)
                client.sendall(get("/wait?ms=60000"))
                scrape = self.scrape_until(lab, lambda s: s["requests_in_flight"] == 2)
                self.expect(scrape, {"connections_open": 2, ("requests_total", ("code", "0")): 0})
                reset(client)
                scrape = self.scrape_until(lab, lambda s: s["connections_open"] == 1)
                self.expect(
                    scrape,
                    {
                        ("requests_total", ("code", "0"), ("end", "abandoned")): 1,
                        "handler_errors_total": 0,
                    },
                )

    def test_each_worker_says_how_many_requests_it_has(self):
        def depths(scrape):
            return [scrape["worker_queued", ("worker", str(i))] for i in range(3)]

        with Lab("lab2", "--metrics", "--workers=3") as lab:
            self.assertEqual([0, 0, 0], depths(Scrape(lab)))
            clients = [socket.create_connection(("127.0.0.1", lab.port), DEADLINE_S)
                       for _ in range(4)]
            for client in clients:
                client.sendall(get("/wait?ms=60000"))
            self.scrape_until(lab, lambda s: sorted(depths(s)) == [1, 1, 2])
            for client in clients:
                reset(client)
            scrape = self.scrape_until(lab, lambda s: depths(s) == [0, 0, 0])
            self.assertEqual(3, len(scrape.families["looplab_worker_queued"].samples))
        with Lab("lab1", "--metrics") as lab:
            self.assertNotIn("looplab_worker_queued", Scrape(lab).families)

    def test_hops_of_traced_requests(self):
        count = 5
        for name in LABS:
            with self.subTest(lab=name), Lab(name, "--metrics", STATS) as lab:
                for _ in range(count):
                    send(lab, get("/"))
                scrape = Scrape(lab)
                gaps = collections.defaultdict(dict)
                for sample in scrape.families["looplab_hop_seconds"].samples:
                    figure = sample.labels.get("quantile", sample.name.rpartition("_")[2])
                    gaps[sample.labels["from"], sample.labels["to"]][figure] = sample.value
                path = "parsed"  # each hop leads to the next one
                for (start, end), figures in gaps.items():
                    self.assertEqual(path, start, scrape.text)
                    path = end
                    self.assertEqual(count, figures["count"])
                    self.assertLessEqual(figures["0.5"], figures["0.99"])
                    self.assertLessEqual(figures["0.99"], figures["sum"])
                self.assertEqual("written", path)
                in_gaps = sum(figures["sum"] for figures in gaps.values())
                self.assertLessEqual(in_gaps, scrape["request_duration_seconds_sum"])
                self.assertEqual(name == "lab2", ("woken_worker", "started") in gaps)

    def test_without_tracing_there_are_no_hops(self):
        with Lab("lab3", "--metrics") as lab:
            send(lab, get("/"))
            self.assertNotIn("looplab_hop_seconds", Scrape(lab).families)

    def test_lost_lines_of_the_access_log_are_there_if_one_is_kept(self):
        with Lab("lab3", "--metrics", "--access-log=/dev/null") as lab:
            self.expect(Scrape(lab), {"access_log_lines_lost_total": 0})
            self.assertIn("looplab_access_log_lines_lost", Scrape(lab).families)
        with Lab("lab3", "--metrics") as lab:
            self.assertNotIn("looplab_access_log_lines_lost", Scrape(lab).families)

    def test_without_the_option_there_is_no_such_route(self):
        with Lab("lab3") as lab:
            connection = http.client.HTTPConnection("127.0.0.1", lab.port, timeout=DEADLINE_S)
            connection.request("GET", "/metrics")
            self.assertEqual(404, connection.getresponse().status)
            connection.close()


if __name__ == "__main__":
    unittest.main()
