"""Labs that take their requests apart: what is shown of their reports, and what is refused."""

import json
import os
import sys
import unittest

import support
from driver import taken_apart
from driver.servers import ServerError, Spec

# Stands in for a lab: does what its first argument says with the file that --stats names.
FAKE = """
import json, sys
file = next(a for a in sys.argv if a.startswith("--stats=")).partition("=")[2]
open(file, "w").write(sys.argv[1])
print("out of order")
sys.exit(int(sys.argv[2]))
"""


def lab(report, status=0, free_threaded=False):
    command = (sys.executable, "-c", FAKE, report, str(status))
    return taken_apart.Lab(Spec("lab1", command, free_threaded=free_threaded), None)


class OneBlock(unittest.TestCase):
    def report(self, **more):
        return json.dumps({**support.breakdown_report(), **more})

    def test_wrks_figures_and_the_report_are_kept(self):
        found = taken_apart.one_block(lab(self.report()), 1, None, None)
        self.assertEqual((found["rps"], found["mean_us"], found["cpu_us"]), (5000, 1100, 20))
        self.assertEqual(found["report"]["hops"][0]["from"], "parsed")
        self.assertGreaterEqual(found["others_share"], 0)

    def test_a_lab_that_fails_or_reports_nothing_is_an_error_with_its_words(self):
        for bad in (lab(self.report(), status=1), lab("{"), lab(self.report(bench=None))):
            with self.assertRaisesRegex(ServerError, "out of order"):
                taken_apart.one_block(bad, 1, None, None)

    def test_a_gil_that_came_back_is_an_error(self):
        with self.assertRaisesRegex(ServerError, "turned the GIL on"):
            taken_apart.one_block(lab(self.report(), free_threaded=True), 1, None, None)
        taken_apart.one_block(lab(self.report(gil=False), free_threaded=True), 1, None, None)

    def test_a_program_that_is_missing_is_an_error(self):
        gone = taken_apart.Lab(Spec("lab1", (os.path.join(support.BENCH, "nothing"),)), None)
        with self.assertRaisesRegex(ServerError, "can't be started"):
            taken_apart.one_block(gone, 1, None, None)


class Tables(unittest.TestCase):
    def test_the_block_of_the_median_latency_is_shown(self):
        run = support.breakdown_run(rounds=5)
        self.assertEqual(taken_apart.shown(run, "lab1", "3.13")["end_to_end_us"]["mean"], 3000)

    def test_gaps_have_their_states_and_a_sum(self):
        headers, rows = taken_apart.gaps(support.breakdown_run(), "lab2", "system")
        by_name = {row[0]: dict(zip(headers[1:], row[1:])) for row in rows}
        self.assertEqual(by_name["parsed → attached"]["in line"], "400")
        self.assertEqual(by_name["parsed → attached"]["core"], "-")
        self.assertEqual(by_name["sum of the gaps"]["in line"], "800")
        self.assertEqual(by_name["sum of the gaps"]["share"], "100.0%")

    def test_without_a_gil_nothing_is_said_to_wait_for_one(self):
        run = support.breakdown_run()
        for report in (block["report"] for block in run["blocks"]):
            report["categories"].append({"name": "GIL contention", "mean_us": 1.0, "queue_us": 0.0,
                                         "reported_ms": 10})
        with_it = (taken_apart.gaps(run, "lab1", "system"), taken_apart.demand("system")(run),
                   taken_apart.categories("system")(run))
        without = (taken_apart.gaps(run, "lab1", "3.13t"), taken_apart.demand("3.13t")(run),
                   taken_apart.categories("3.13t")(run))
        for one in with_it:
            self.assertIn("GIL", str(one))
        for one in without[:2]:
            self.assertNotIn("GIL", str(one))
        self.assertEqual([row[0] for row in without[2][1]],
                         ["thread scheduling", "locks (there is no GIL)", "end to end"])
        self.assertEqual(without[2][0][0], "ms, Python 3.13.5, free-threaded")

    def test_a_run_of_the_first_labs_alone_has_their_rows(self):
        run = support.breakdown_run()
        for name in ("configurations", "blocks"):
            run[name] = [one for one in run[name] if one["server"] < "lab4"]
        _, rows = taken_apart.summary(run)
        self.assertEqual([row[0] for row in rows if row[0]], ["lab1", "lab2", "lab3"])
        self.assertTrue(taken_apart.adds_up(run))

    def test_what_one_of_the_later_labs_leaves_unattributed_counts(self):
        run = support.breakdown_run()
        for one in run["blocks"]:
            if (one["server"], one["python"]) == ("lab5", "3.13t"):
                one["report"]["unattributed_share"] = 0.1
        self.assertFalse(taken_apart.adds_up(run))

    def test_workers_are_one_row(self):
        _, rows = taken_apart.demand()(support.breakdown_run())
        self.assertIn(["", "2 workers", "20.0", "50%", "25%", "20%", "-"], rows)

    def test_sums_within_two_percent_pass_and_others_fail(self):
        for error, good in ((1.0, True), (1.019, True), (1.021, False), (0.97, False)):
            run = support.breakdown_run(
                report=lambda mean, error=error: support.breakdown_report(mean, error * mean))
            self.assertEqual(taken_apart.adds_up(run), good, error)
            _, rows = taken_apart.summary(run)
            self.assertEqual({row[-1] for row in rows}, {"PASS" if good else "FAIL"})

    def test_what_the_marks_take_is_in_the_sum(self):
        run = support.breakdown_run(report=lambda mean: {
            **support.breakdown_report(mean, 0.95 * mean), "instrument_us": 0.05 * mean})
        self.assertTrue(taken_apart.adds_up(run))
        rows = {row[0]: row[3:5] for row in taken_apart.gaps(run, "lab1", "system")[1]}
        self.assertEqual(rows["sum of the gaps"], ["2,850", "95.0%"])
        self.assertEqual(rows["marks of the sampled ones"], ["150", "5.0%"])

    def test_much_that_is_unattributed_fails(self):
        run = support.breakdown_run(
            report=lambda mean: {**support.breakdown_report(mean), "unattributed_share": 0.1})
        self.assertFalse(taken_apart.adds_up(run))


if __name__ == "__main__":
    unittest.main()
