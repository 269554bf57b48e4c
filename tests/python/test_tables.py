"""Tables line up, and say what the blocks say."""

import unittest

import support
from driver import reports, tables
from driver.blocks import Configuration


class Layout(unittest.TestCase):
    def test_text_aligns_first_left_others_right(self):
        self.assertEqual(
            tables.text(["name", "n"], [["a", 1], ["longer", 1000]]).splitlines(),
            ["name       n", "------------", "a          1", "longer  1000"],
        )

    def test_text_without_rows_is_its_head(self):
        self.assertEqual(tables.text(["a", "b"], []).splitlines(), ["a  b", "----"])

    def test_markdown(self):
        self.assertEqual(
            tables.markdown(["name", "n"], [["a", 1]]).splitlines(),
            ["| name | n |", "|---|---:|", "| a | 1 |"],
        )

    def test_numbers_keep_three_digits(self):
        cases = {0.5123: "0.512", 5.123: "5.12", 51.23: "51.2", 512.3: "512", 1512345: "1,512,345",
                 0: "0.000", 1: "1.00"}
        for value, expected in cases.items():
            with self.subTest(value=value):
                self.assertEqual(tables.number(value), expected)

    def test_an_interval_that_is_a_point_is_left_out(self):
        self.assertEqual(tables.with_interval(0.28, 0.27, 0.3), "0.280 (0.270..0.300)")
        self.assertEqual(tables.with_interval(0.28, 0.28, 0.28), "0.280")


class Labs(unittest.TestCase):
    def test_headline_stands_beside_the_report(self):
        headers, rows = reports.headline(support.lab_run())
        self.assertEqual([len(row) for row in rows], [len(headers)] * 3)
        by_lab = dict(zip(("lab1", "lab2", "lab3"), rows))
        self.assertEqual(by_lab["lab1"][1], "10,000")
        self.assertEqual(by_lab["lab2"][-3:], ["0.25", "3,000", "0.23"])
        self.assertEqual(by_lab["lab3"][-3:], ["6.00", "72,000", "5.5"])

    def test_headline_fits_a_terminal(self):
        run = support.lab_run()
        for number, block in enumerate(run["blocks"]):
            block["rps"] *= 1 + number / 97  # so that there are intervals
        for table in (reports.headline(run), reports.other_loads(run)):
            self.assertLessEqual(max(map(len, tables.text(*table).splitlines())), 100)

    def test_a_gap_in_littles_law_is_flagged_where_it_is(self):
        run = support.lab_run()
        for block in run["blocks"]:
            if block["server"] == "lab3":
                block["mean_us"] *= 0.8
        column = [row[reports.headline(run)[0].index("λ×W")] for row in reports.headline(run)[1]]
        self.assertEqual(column, ["100", "100", "80 !"])
        self.assertIn("more than 5 %", reports.little_note(run))

    def test_other_loads_has_each_placement_and_load(self):
        headers, rows = reports.other_loads(support.lab_run())
        self.assertEqual(len(rows), 9)
        self.assertEqual([row[0] for row in rows if row[0]],
                         ["unpinned, plain", "pinned, 16 pipelined", "unpinned, 16 pipelined"])

    def test_caption_has_machine_and_versions(self):
        caption = reports.caption(support.lab_run(rounds=1))
        for part in ("2026-01-02", "A CPU", "2 cores", "Linux 6.1", "Python 3.11.2 GIL, -O2",
                     "wrk 4.1.0", "0123456789ab", "1 round of 3 s", "100 connections"):
            self.assertIn(part, caption)

    def test_slow_answers_are_counted(self):
        run = support.lab_run()
        self.assertNotIn("2 s", reports.disturbance(run))
        run["blocks"][0]["timeouts"] = 3
        self.assertIn("more than 2 s: 3", reports.disturbance(run))

    def test_disturbance_counts_and_names(self):
        run = support.lab_run()
        run["blocks"][0].update(disturbed=True, rejected=[support.figures()])
        line = reports.disturbance(run)
        self.assertIn("1 of 120 blocks", line)
        self.assertIn("lab1, pinned, plain (round 1)", line)


class Peers(unittest.TestCase):
    def setUp(self):
        fast, slow = Configuration("fast"), Configuration("slow")
        piped = Configuration("fast", pipelined=True)
        blocks = [support.block(slow, 1, cpu_us=70.0), support.block(fast, 1, cpu_us=6.0),
                  support.block(piped, 1, cpu_us=0.5)]
        self.run_data = support.stored("peers", [slow, fast, piped], blocks, rounds=1,
                                       unfit={"slow": "answers 1 of 16"}, missing=["x is left out"])

    def test_cheapest_first(self):
        rows = reports.peers(self.run_data)[1]
        self.assertEqual([row[0] for row in rows], ["fast", "slow"])

    def test_a_dash_where_pipelining_fails_and_its_reason(self):
        rows = reports.peers(self.run_data)[1]
        self.assertEqual(rows[0][-2], "0.500")
        self.assertEqual(rows[1][-2:], ["-", "-"])
        notes = "\n".join(reports.peers_notes(self.run_data))
        self.assertIn("slow answers 1 of 16", notes)
        self.assertIn("x is left out", notes)


if __name__ == "__main__":
    unittest.main()
