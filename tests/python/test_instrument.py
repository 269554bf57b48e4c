"""What tracing costs, and whether it adds up: the tables, and that a figure can fail."""

import unittest

import support
from driver import instrument, tables


class Cost(unittest.TestCase):
    def test_lab1_s_speed_alone_has_a_target(self):
        for share, so in ((0.971, "PASS"), (0.969, "FAIL")):
            with self.subTest(share):
                _, rows = instrument.cost(support.tracing_run(share))
                self.assertEqual([row[-1] for row in rows], [so] * 3 + [""] * 12)
                self.assertEqual({row[2] for row in rows},
                                 {tables.with_interval(share, share, share)})

    def test_every_lab_is_there_on_each_interpreter(self):
        _, rows = instrument.cost(support.tracing_run())
        self.assertEqual([tuple(row[:2]) for row in rows],
                         [(lab, python) for lab in ("lab1", "lab2", "lab3", "lab4", "lab5")
                          for python in ("system", "3.13", "3.13t")])


class Sums(unittest.TestCase):
    def found(self, **planted):
        run = support.tracing_run()
        run["breakdowns"]["lab2 on 3.13"].update(planted)
        rows = {tuple(row[:2]): row[2:] for row in instrument.sums(run)[1]}
        others = [row[-1] for key, row in rows.items() if key != ("lab2", "3.13")]
        self.assertEqual(others, ["PASS"] * 14)
        self.assertEqual(instrument.passes(run), rows[("lab2", "3.13")][-1] == "PASS")
        return rows[("lab2", "3.13")]

    def test_what_adds_up_passes(self):
        self.assertEqual(self.found()[-1], "PASS")

    def test_a_sum_that_is_off_fails(self):
        mean = support.breakdown_report()["end_to_end_us"]["mean"]
        self.assertEqual(self.found(gaps_sum_us=mean * 1.021)[1:], ["+2.10%", "1.0%", "FAIL"])
        self.assertEqual(self.found(gaps_sum_us=mean * 0.979)[-1], "FAIL")

    def test_too_much_that_is_unattributed_fails(self):
        self.assertEqual(self.found(unattributed_share=0.1)[-1], "FAIL")

    def test_gaps_that_are_not_counted_once_a_request_fail(self):
        one_more = support.breakdown_report()["requests"] + 1
        self.assertEqual(self.found(requests=one_more)[-1], "FAIL")


if __name__ == "__main__":
    unittest.main()
