"""course/kit/markers.py: which statements a student writes, and what the hand-out shows instead."""

import os
import sys
import textwrap
import unittest

COURSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "course")
sys.path.insert(0, COURSE)

from kit import markers  # noqa: E402

GOOD = """\
int f(int x)
{
    /* LAB 1, STEP 2 { add one */
    int y = x + 1;

    return y;
    /* } LAB 1, STEP 2; until then:
     *     (void)x; // not yet
     *     if (x)
     *         return 2;
     *     return 0;
     */
}

void g(void)
{
    /* LAB 2, STEP 1 { nothing */
    h();
    /* } LAB 2, STEP 1 */
}
"""

GOOD_HASH = """\
def f(x):
    # LAB 0, STEP 2 { add one
    y = x + 1
    return y
    # } LAB 0, STEP 2; until then:
    #     if x:
    #         return 2  # not //


f(1)
"""

# (what is wrong, text, line that the error names, words in it)
BAD = [
    ("never closed", "a;\n/* LAB 1, STEP 1 { t */\nb;\n", 2, "never closed"),
    ("nested", "/* LAB 1, STEP 1 { t */\n/* LAB 1, STEP 2 { t */\n", 2, "inside the gap"),
    ("not open", "/* } LAB 1, STEP 1 */\n", 1, "isn't open"),
    (
        "closed by another step",
        "/* LAB 1, STEP 1 { t */\nb;\n/* } LAB 1, STEP 2 */\n",
        3,
        "has opened LAB 1, STEP 1",
    ),
    (
        "closed by another lab",
        "/* LAB 1, STEP 1 { t */\nb;\n/* } LAB 2, STEP 1 */\n",
        3,
        "has opened LAB 1, STEP 1",
    ),
    ("no title", "/* LAB 1, STEP 1 { */\n", 1, "looks like one"),
    ("misspelt", "/* Lab 1, STEP 1 { t */\n", 1, "looks like one"),
    ("misspelt inside", "/* LAB 1, STEP 1 { t */\nb;\n/* } STEP 1 */\n", 3, "looks like one"),
    ("empty", "/* LAB 1, STEP 1 { t */\n\n/* } LAB 1, STEP 1 */\n", 3, "nothing stands"),
    (
        "no stub",
        "/* LAB 1, STEP 1 { t */\nb;\n/* } LAB 1, STEP 1; until then:\n */\n",
        3,
        "no line of a stub",
    ),
    (
        "stub not closed",
        "/* LAB 1, STEP 1 { t */\nb;\n/* } LAB 1, STEP 1; until then:\n *  x;",
        3,
        "never closed",
    ),
    (
        "stub not a comment",
        "/* LAB 1, STEP 1 { t */\nb;\n/* } LAB 1, STEP 1; until then:\nreturn;\n",
        4,
        "a stub's line begins",
    ),
]


class Markers(unittest.TestCase):
    def test_the_labs_own_gaps_hold_stubs(self):
        expected = textwrap.dedent(
            """\
            int f(int x)
            {
                /* STEP 2, yours: add one */
                (void)x; /* not yet */
                if (x)
                    return 2;
                return 0;
            }

            void g(void)
            {
                /* lab 2's: nothing */
            }
            """
        )
        self.assertEqual(markers.render("f.c", GOOD, lab=1), expected)

    def test_filled_steps_and_earlier_labs_hold_solutions(self):
        for lab, filled in ((2, {1}), (3, ())):
            shown = markers.render("f.c", GOOD, lab, filled)
            self.assertIn("    return y;\n", shown)
            self.assertIn("    h();\n", shown)
            self.assertNotIn("STEP", shown)
            self.assertNotIn("return 0;", shown)
        self.assertIn("    return y;\n", markers.render("f.c", GOOD, 1, {2}))

    def test_where_comments_begin_with_a_hash_markers_do_too(self):
        self.assertEqual(
            markers.render("lab0/f.py", GOOD_HASH, lab=0),
            "def f(x):\n    # STEP 2, yours: add one\n    if x:\n        return 2  # not //\n"
            "\n\nf(1)\n",
        )
        self.assertEqual(
            markers.render("lab0/f.py", GOOD_HASH, 0, {2}),
            "def f(x):\n    y = x + 1\n    return y\n\n\nf(1)\n",
        )
        with self.assertRaisesRegex(markers.MarkerError, "never closed"):
            markers.parse("lab0/f.py", "# LAB 0, STEP 1 { t\nb\n")
        with self.assertRaisesRegex(markers.MarkerError, "looks like one"):
            markers.parse("lab0/f.py", "# Lab 0, STEP 1 { t\nb\n")

    def test_a_gap_knows_where_it_is(self):
        first, second = markers.gaps("f.c", GOOD)
        self.assertEqual(
            (first.line, first.lab, first.step, first.title), (3, 1, 2, "add one")
        )
        self.assertEqual(len(first.solution), 3)
        self.assertEqual((second.lab, second.step, second.stub), (2, 1, ()))

    def test_whatever_cannot_be_right_is_an_error_with_file_and_line(self):
        for what, text, line, words in BAD:
            with self.subTest(what), self.assertRaises(markers.MarkerError) as raised:
                markers.parse("f.c", text)
            self.assertTrue(str(raised.exception).startswith(f"f.c:{line}: "), raised.exception)
            self.assertIn(words, str(raised.exception))


if __name__ == "__main__":
    unittest.main()
