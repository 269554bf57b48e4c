"""The checker of trace files sees what is wrong with one, and nothing in one that is right."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).parent.parent / "support" / "check_trace.py"


def name(tid, text="a thread"):
    return {"ph": "M", "name": "thread_name", "pid": 1, "tid": tid, "args": {"name": text}}


def piece(tid, ts, dur):
    return {"ph": "X", "name": "request 1", "pid": 1, "tid": tid, "ts": ts, "dur": dur}


def mark(phase, ts, text="request 1", number=1):
    return {"ph": phase, "cat": "request", "name": text, "id": number, "pid": 1, "tid": 0, "ts": ts}


def arrow(phase, tid, ts):
    return {"ph": phase, "cat": "hand-off", "name": "a > b", "id": 0, "pid": 1, "tid": tid,
            "ts": ts}


def good():
    return [name(0), name(1), piece(0, 0, 10.5), piece(0, 10.5, 2), piece(1, 11, 4),
            mark("b", 1), mark("b", 1, "a > b"), mark("e", 11, "a > b"), mark("e", 12),
            arrow("s", 0, 11), arrow("f", 1, 11)]


def check(events, minimum=0):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"traceEvents": events}, file)
        file.flush()
        done = subprocess.run([sys.executable, CHECKER, file.name, str(minimum)],
                              capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


class CheckTrace(unittest.TestCase):
    def refused(self, events, said, minimum=0):
        status, output = check(events, minimum)
        self.assertEqual(status, 1, output)
        self.assertIn(said, output)

    def test_a_good_trace_is_accepted(self):
        status, output = check(good(), 1)
        self.assertEqual(status, 0, output)
        self.assertIn("2 threads, 1 requests, 1 arrows, 0 problems", output)

    def test_slices_that_overlap(self):
        self.refused(good() + [piece(0, 9, 2)], "overlaps")

    def test_a_thread_without_a_name(self):
        self.refused(good()[1:], "has 0 names")

    def test_a_request_that_does_not_end(self):
        self.refused(good() + [mark("b", 13, number=2)], "no end of request 1")

    def test_an_end_without_a_beginning(self):
        self.refused(good() + [mark("e", 13, "c > d")], "matches no beginning")

    def test_a_request_that_goes_back_in_time(self):
        self.refused(good() + [mark("b", 5), mark("e", 5)], "goes back in time")

    def test_an_arrow_with_one_end(self):
        self.refused(good()[:-1], "has one end")

    def test_an_arrow_that_ends_in_no_slice(self):
        self.refused(good()[:-1] + [arrow("f", 1, 20)], "is in no slice")

    def test_an_arrow_that_stays_on_its_thread(self):
        self.refused(good()[:-1] + [arrow("f", 0, 12)], "stays on thread")

    def test_too_few_requests(self):
        self.refused(good(), "1 requests, expected 2 or more", 2)


if __name__ == "__main__":
    unittest.main()
