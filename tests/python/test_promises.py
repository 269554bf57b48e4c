"""When a promise is kept, and what is said where it isn't or can't be told."""

import unittest

import support
from driver import promises
from driver.blocks import Configuration


class Verdict(unittest.TestCase):
    def test_the_median_decides_and_a_straddling_interval_is_said(self):
        cases = [
            # value, low, high, relation, target, kept, straddles
            (1.04, 1.03, 1.045, "<=", 1.05, True, False),
            (1.05, 1.05, 1.05, "<=", 1.05, True, False),
            (1.04, 1.03, 1.06, "<=", 1.05, True, True),
            (1.06, 1.04, 1.07, "<=", 1.05, False, True),
            (1.06, 1.055, 1.07, "<=", 1.05, False, False),
            (1.0, 1.0, 1.0, "<", 1.0, False, False),
            (0.999, 0.99, 1.01, "<", 1.0, True, True),
            (0.97, 0.97, 0.98, ">=", 0.97, True, False),
            (0.96, 0.95, 0.98, ">=", 0.97, False, True),
            (2.3, 2.2, 2.4, ">=", 2.0, True, False),
        ]
        for value, low, high, relation, target, kept, straddles in cases:
            with self.subTest(value=value, low=low, high=high, relation=relation):
                self.assertEqual(
                    promises.verdict(value, low, high, relation, target), (kept, straddles)
                )


class Promised(unittest.TestCase):
    def test_each_target_of_the_project_is_there(self):
        targets = [(p.group, p.relation, p.target) for p in promises.PROMISES if p.relation]
        self.assertEqual(targets, [
            ("native", "<=", 1.05), ("nginx", "<", 1.0), ("nginx", ">=", 0.97),
            ("pipelined", ">=", 1.5e6), ("pipelined", "<=", 0.6), ("pipelined", ">=", 0.9),
            ("uvicorn", ">=", 1.1), ("uvicorn", ">=", 2.0), ("memory", "<=", 512),
        ])

    def test_a_configuration_is_loaded_once_for_all_that_need_it(self):
        needed = promises.configurations(promises.PROMISES)
        self.assertEqual(len(needed), len(set(needed)))
        self.assertIn(Configuration("lab3", "pinned", True), needed)

    def test_memory_alone_needs_no_load(self):
        chosen = [p for p in promises.PROMISES if p.group == "memory"]
        self.assertEqual(promises.configurations(chosen), [])


NATIVE, FLOOR = Configuration("native"), Configuration("floor")


def native_run(native_us, **more):
    blocks = []
    for number in (1, 2, 3):
        blocks += [support.block(NATIVE, number, cpu_us=native_us),
                   support.block(FLOOR, number, cpu_us=5.0)]
    return support.stored("measure", [NATIVE, FLOOR], blocks, rounds=3,
                          **{"groups": ["native"], "missing": [], **more})


class Outcomes(unittest.TestCase):
    def test_pass_and_fail(self):
        for native_us, verdict in ((5.2, "PASS"), (5.3, "FAIL")):
            found = promises.outcomes(native_run(native_us))
            self.assertEqual([one.verdict for one in found], [verdict])
            self.assertAlmostEqual(found[0].measured[0], native_us / 5)
            self.assertEqual(promises.kept(found), verdict == "PASS")

    def test_what_was_not_measured_is_not_kept(self):
        found = promises.outcomes(native_run(5.0, groups=["native", "nginx"]))
        self.assertEqual([one.verdict for one in found], ["PASS", "not measured", "not measured"])
        self.assertFalse(promises.kept(found))

    def test_memory_is_the_median_of_its_repeats(self):
        samples = [{"bytes_each": value} for value in (440.0, 900.0, 450.0)]
        found = promises.outcomes(native_run(5.0, groups=["memory"], memory={"lab3": samples}))
        self.assertEqual(found[0].measured, (450.0, 440.0, 900.0))
        self.assertEqual((found[0].verdict, found[0].straddles), ("PASS", True))
        self.assertEqual(found[1].verdict, "not measured")

    def test_a_reported_figure_has_no_verdict_and_stands_beside_the_reports(self):
        run = support.lab_run()
        run.update(groups=["labs"], missing=[])
        found = promises.outcomes(run)
        self.assertTrue(promises.kept(found))
        rows = promises.table(found)[1]
        self.assertEqual(len(rows), 8)
        self.assertEqual(rows[0][1:], ["0.250", "the report: 0.23", "-"])

    def test_the_table_says_that_an_interval_straddles(self):
        run = native_run(5.0)
        for block, us in zip(run["blocks"][::2], (5.2, 5.24, 5.3)):
            block["cpu_us"] = us
        row = promises.table(promises.outcomes(run))[1][0]
        self.assertEqual(row[2:], ["<= 1.05", "PASS (interval straddles)"])


if __name__ == "__main__":
    unittest.main()
