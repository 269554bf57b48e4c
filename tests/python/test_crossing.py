"""From which wait on async handlers serve more: the figure that is computed, and the tables."""

import unittest

import support
from driver import crossing, tables


class Crossing(unittest.TestCase):
    def found(self, run):
        return {row[0]: row[1:] for row in crossing.crossings(run)[1]}

    def test_they_cross_where_holding_the_thread_takes_as_long_as_the_loop(self):
        found = self.found(support.crossover_run())
        self.assertEqual(found["lab4 over lab3, held"][0], "5.00")
        self.assertEqual(found["lab1 over lab3, held"][0], "15.0")

    def test_between_two_waits_a_line_is_straight(self):
        waits = crossing.WAITS_US
        for own_us, expected in ((8, 3.0), (30, 25.0), (104, 99.0)):
            found = crossing._crossing([1e6 / own_us] * len(waits), [1e6 / (5 + w) for w in waits])
            self.assertAlmostEqual(found, expected)

    def test_a_loop_that_is_ahead_at_once_overtakes_at_no_wait(self):
        self.assertEqual(self.found(support.crossover_run())["lab1 over lab3"][0], "0")

    def test_a_loop_that_never_is_has_no_figure(self):
        run = support.crossover_run()
        for one in run["blocks"]:
            if one["server"].startswith("lab1, ") and one["round"] == 2:
                one["rps"] = 1.0
        self.assertEqual(self.found(run)["lab1 over lab3, held"], ["never", "-", "-"])
        self.assertEqual(self.found(run)["lab4 over lab3, held"][0], "5.00")

    def test_the_interval_is_of_the_rounds(self):
        run = support.crossover_run(5)
        for one in run["blocks"]:
            if one["server"].startswith("lab4, "):
                one["rps"] = 1e6 / (9 + one["round"])
        self.assertEqual(self.found(run)["lab4 over lab3, held"], ["7.00", "5.00", "9.00"])


class Tables(unittest.TestCase):
    def test_what_sleeps_take_stands_beside_the_rates(self):
        headers, rows = crossing.rates(support.crossover_run())
        row = dict(zip(headers, rows[1]))
        self.assertEqual((row["requests/s"], row["lab4"], row["lab3"]),
                         ("wait 5 µs", "100,000", "12,500"))
        self.assertEqual((row["time.sleep µs"], row["without slack"]), ("75.0", "-"))

    def test_tables_fit_a_terminal(self):
        for make in (crossing.rates, crossing.crossings):
            text = tables.text(*make(support.crossover_run()))
            self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_every_configuration_has_a_server(self):
        self.assertEqual({c.server for c in crossing.configurations()},
                         set(crossing.specs("/nonexistent")))


if __name__ == "__main__":
    unittest.main()
