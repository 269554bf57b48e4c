"""Medians, intervals and ratios of cases that can be worked out by hand."""

import unittest

import support
from driver import stats
from driver.blocks import Configuration
from driver.figures import Figures


class Interval(unittest.TestCase):
    def test_of_equal_blocks_is_a_point(self):
        self.assertEqual(stats.interval([5.0] * 10), (5.0, 5.0))

    def test_of_one_block_is_a_point(self):
        self.assertEqual(stats.interval([3.0]), (3.0, 3.0))

    def test_is_the_same_each_time(self):
        values = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
        self.assertEqual(stats.interval(values), stats.interval(values))

    def test_holds_the_median_and_lies_within_the_values(self):
        values = [float(n) for n in range(1, 22)]
        low, high = stats.interval(values)
        self.assertLess(low, stats.median(values))
        self.assertGreater(high, stats.median(values))
        self.assertGreater(low, min(values))
        self.assertLess(high, max(values))

    def test_of_two_blocks_reaches_both(self):
        """Each is drawn twice in a quarter of the resamples."""
        self.assertEqual(stats.interval([1.0, 3.0]), (1.0, 3.0))

    def test_of_an_even_number_knows_the_middle_between_two(self):
        """The median of two draws of 1 and 3 is 1, 2, 3 with odds 1:2:1."""
        self.assertEqual(stats.interval([1.0, 3.0], share=0.01), (2.0, 2.0))

    def test_leaves_half_of_the_rest_out_on_each_side(self):
        self.assertEqual(stats.interval([1.0, 3.0], share=0.6), (1.0, 3.0))
        self.assertEqual(stats.interval([1.0, 3.0], share=0.4), (2.0, 2.0))

    def test_one_outlier_of_eleven_does_not_reach_it(self):
        low, high = stats.interval([10.0] * 10 + [1000.0])
        self.assertEqual((low, high), (10.0, 10.0))


class Ratio(unittest.TestCase):
    def test_is_formed_within_rounds(self):
        """A drift that both share leaves the ratio alone."""
        base = [100.0, 200.0, 400.0, 800.0]
        value, low, high = stats.ratio([b / 4 for b in base], base)
        for seen in (value, low, high):
            self.assertAlmostEqual(seen, 0.25)

    def test_turned_round_is_its_inverse(self):
        a, b = [1.0, 2.0, 5.0, 7.0, 9.0], [2.0, 3.0, 3.0, 4.0, 20.0]
        value, low, high = stats.ratio(a, b)
        inverse, inverse_low, inverse_high = stats.ratio(b, a)
        self.assertAlmostEqual(value * inverse, 1)
        self.assertLessEqual(low, value)
        self.assertLessEqual(value, high)
        self.assertLessEqual(inverse_low, inverse)
        self.assertLessEqual(inverse, inverse_high)


A, B = Configuration("a"), Configuration("b")


class FromBlocks(unittest.TestCase):
    def figures(self, *blocks):
        return Figures(list(blocks), [A.key, B.key])

    def test_pairs_by_round_whatever_the_order(self):
        """Rounds run forwards and backwards; the blocks of one round belong together."""
        figures = self.figures(
            support.block(A, 1, rps=100.0), support.block(B, 1, rps=50.0),
            support.block(B, 2, rps=500.0), support.block(A, 2, rps=1000.0),
        )
        value, low, high = figures.ratio(B.key, A.key, "rps")
        for seen in (value, low, high):
            self.assertAlmostEqual(seen, 0.5)

    def test_values_come_in_the_order_of_rounds(self):
        blocks = [support.block(c, number, rps=rps) for c, number, rps in
                  ((A, 2, 100.0), (B, 2, 1.0), (B, 1, 900.0), (A, 1, 10.0))]
        figures = self.figures(*blocks)
        self.assertEqual(figures.values(A.key, "rps"), [10.0, 100.0])
        self.assertEqual(figures.values(B.key, "rps"), [900.0, 1.0])

    def test_leaves_out_a_round_that_lacks_a_block(self):
        figures = self.figures(
            support.block(A, 1, rps=100.0), support.block(B, 1, rps=50.0),
            support.block(B, 2, rps=9999.0),
        )
        self.assertEqual(figures.rounds, 1)
        self.assertEqual(figures.values(B.key, "rps"), [50.0])

    def test_an_interrupted_first_round_is_no_round(self):
        figures = self.figures(support.block(A, 1))
        self.assertEqual(figures.rounds, 0)
        self.assertFalse(figures.has(A.key))

    def test_littles_law_with_a_limit_of_five_per_cent(self):
        for mean_us, holds in ((100_000, True), (96_000, True), (94_000, False), (106_000, False)):
            with self.subTest(mean_us=mean_us):
                both = [support.block(c, 1, rps=1000.0, mean_us=mean_us) for c in (A, B)]
                self.assertAlmostEqual(self.figures(*both).in_flight(A.key), mean_us / 1000)
                self.assertEqual(self.figures(*both).little_holds(A.key), holds)

    def test_a_pipelined_batch_is_one_in_flight(self):
        piped = Configuration("a", pipelined=True)
        figures = Figures([support.block(piped, 1, rps=16_000.0, mean_us=100_000)], [piped.key])
        self.assertAlmostEqual(figures.in_flight(piped.key), 100)

    def test_counts_what_was_disturbed(self):
        figures = self.figures(
            support.block(A, 1, rejected=[support.figures()]),
            support.block(B, 1, rejected=[support.figures()], disturbed=True),
        )
        self.assertEqual(figures.repeated(), 2)
        self.assertEqual(figures.disturbed(), [(B.key, 1)])


if __name__ == "__main__":
    unittest.main()
