"""Documents get the tables that belong to the stored runs, and nothing else of them changes."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import unittest

import support
import interpreters
import update_docs
from driver import cells, prose, pythons, results

DOCUMENT = """# Title

Before.
<!-- table:reproduce -->
old figures
<!-- /table -->
Between, with \\1 and $ and ünicode.
<!-- table:measure -->
<!-- /table -->
After.
"""


class Updated(support.WithFolder):
    def store_labs(self):
        results.save("reference.json", support.lab_run(), self.folder)

    def test_a_table_comes_with_its_source(self):
        self.store_labs()
        new = update_docs.updated(DOCUMENT, self.folder)
        self.assertIn("| lab2: 8 loops | 2,500 | 10.0 | 0.25 | 3,000 | 0.23 |", new)
        self.assertIn("From [reference.json](bench/results/reference.json): 2026-01-02, A CPU", new)
        self.assertNotIn("old figures", new)

    def test_what_stands_outside_is_left_alone(self):
        self.store_labs()
        new = update_docs.updated(DOCUMENT, self.folder)
        for part in ("# Title\n\nBefore.\n<!-- table:reproduce -->\n",
                     "<!-- /table -->\nBetween, with \\1 and $ and ünicode.\n<!-- table:mea",
                     "<!-- /table -->\nAfter.\n"):
            self.assertIn(part, new)

    def test_a_run_that_is_missing_is_asked_for(self):
        new = update_docs.updated(DOCUMENT, self.folder)
        self.assertIn("(no run is stored yet: `make reproduce FULL=1`", new)
        self.assertIn("(no run is stored yet: `make measure`", new)

    def test_again_changes_nothing(self):
        self.store_labs()
        new = update_docs.updated(DOCUMENT, self.folder)
        self.assertEqual(update_docs.updated(new, self.folder), new)

    def test_prose_takes_its_figure_from_a_table(self):
        text = (
            "It is <!-- cell:reproduce | lab2: 8 loops | ratio to lab1 -->9<!-- /cell --> of it,\n"
            "<!-- cell:reproduce-full | unpinned, plain > lab2 | requests/s -->9<!-- /cell -->/s."
        )
        self.assertIn(" -->-<!-- /cell -->", update_docs.updated(text, self.folder))
        self.store_labs()
        new = update_docs.updated(text, self.folder)
        self.assertIn("ratio to lab1 -->0.25<!-- /cell --> of it", new)
        self.assertIn("requests/s -->2,500<!-- /cell -->/s.", new)
        self.assertEqual(update_docs.updated(new, self.folder), new)

    def test_a_cell_in_a_table_has_its_bars_escaped(self):
        self.store_labs()
        text = "| a | <!-- cell:reproduce \\| lab2: 8 loops \\| ratio to lab1 -->9<!-- /cell --> |"
        new = update_docs.updated(text, self.folder)
        self.assertEqual(new, text.replace("-->9<", "-->0.25<"))
        update_docs.check_bars(new)
        with self.assertRaisesRegex(update_docs.DocumentError, "line 1: in a table"):
            update_docs.check_bars(new.replace("\\|", "|"))

    def test_a_cell_that_is_not_there_or_unclosed_is_an_error(self):
        self.store_labs()
        for text, said in (("<!-- cell:reproduce | lab9 | ratio -->1<!-- /cell -->", "0 cells"),
                           ("<!-- cell:reproduce | lab1: one loop | x -->1<!-- /cell -->", "0 cel"),
                           ("<!-- cell:reproduced | lab1 | ratio -->1<!-- /cell -->", "no table"),
                           ("<!-- cell:reproduce | lab1: one loop | ratio -->1", "/cell")):
            with self.assertRaisesRegex(update_docs.DocumentError, said):
                update_docs.updated(text, self.folder)

    def test_a_link_into_the_code_follows_it(self):
        text = ("<!-- code:common/http/turn.c hand_over -->"
                "[`hand_over`](common/http/turn.c#L1-L2)<!-- /code -->")
        new = update_docs.updated(text, self.folder)
        first = int(new.partition("#L")[2].partition("-")[0])
        with open(os.path.join(update_docs.ROOT, "common/http/turn.c"), encoding="utf-8") as file:
            self.assertIn(" hand_over(", file.read().split("\n")[first - 1])
        for bad in ("turned", "http_server_t"):
            with self.assertRaisesRegex(update_docs.DocumentError,
                                        f"no function or struct '{bad}'"):
                update_docs.updated(text.replace("hand_over -->", f"{bad} -->"), self.folder)
        with self.assertRaisesRegex(update_docs.DocumentError, "No such file"):
            update_docs.updated(text.replace("http/turn.c", "http/gone.c"), self.folder)

    def test_a_pointer_to_a_heading_that_is_gone_is_an_error(self):
        with open(os.path.join(update_docs.ROOT, "WRITEUP.md"), encoding="utf-8") as file:
            text = file.read()
        update_docs.check_pointers(text)
        with self.assertRaisesRegex(update_docs.DocumentError,
                                    "lab1_single_loop/dispatch.c points"):
            update_docs.check_pointers(text.replace("The three servers", "The four servers"))

    def test_a_text_without_tables_stays(self):
        self.assertEqual(update_docs.updated("plain\n", self.folder), "plain\n")

    def test_a_table_that_is_unknown_or_unclosed_is_an_error(self):
        for text, said in ((DOCUMENT.replace("measure", "measured"), "measured"),
                           (DOCUMENT.replace("<!-- /table -->\nAfter", "After"), "/table")):
            with self.assertRaisesRegex(update_docs.DocumentError, said):
                update_docs.updated(text, self.folder)

    def store_every_kind(self):
        self.store_labs()
        run = support.lab_run()
        run.update(kind="measure", groups=["native", "pipelined", "labs", "memory"],
                   missing=["nginx is left out"])
        results.save("measure.json", run, self.folder)
        run.update(kind="peers", unfit={"lab2": "answers 1 of 16"})
        run["configurations"] = [c for c in run["configurations"] if c["placement"] == "pinned"]
        results.save("peers.json", run, self.folder)
        several = [pythons.Python(name, "", (), about) for name, about in support.PYTHONS.items()]
        run = support.run_of_several("interpreters", interpreters.configurations(several))
        results.save("interpreters.json", run, self.folder)
        results.save("interpreters-dear-calls.json", run, self.folder)
        results.save("ladder.json", support.ladder_run(), self.folder)
        results.save("ladder-offline.json", support.offline_run(), self.folder)
        results.save("breakdown.json", support.breakdown_run(), self.folder)
        results.save("tracing.json", support.tracing_run(), self.folder)
        results.save("workloads.json", support.workloads_run(), self.folder)
        results.save("crossover.json", support.crossover_run(), self.folder)
        results.save("scaling.json", support.scaling_run(), self.folder)
        results.save("open-loop.json", support.open_loop_run(), self.folder)
        results.save("upstream.json", support.upstream_run(), self.folder)
        results.save("compare.json", support.compare_run(), self.folder)
        results.save("soak.json", support.soak_run(), self.folder)
        results.save("idle.json", support.idle_run(), self.folder)
        results.save("eager.json", support.eager_run(), self.folder)
        results.save("numbers.json", support.numbers_run(), self.folder)
        results.save("peers-dear-calls.json", support.peers_of_the_documents(), self.folder)
        shutil.copy(os.path.join(results.FOLDER, "by-hand.json"), self.folder)

    def test_every_table_can_be_made(self):
        self.store_every_kind()
        for name in update_docs.TABLES:
            with self.subTest(name):
                text = update_docs.generated(name, self.folder)
                self.assertIn("|---|", text)
                self.assertTrue(text.endswith("\n"))

    def test_every_figure_in_prose_is_one_cell_of_its_table(self):
        self.store_every_kind()
        tables = {}
        for document in update_docs.DOCUMENTS:
            with open(os.path.join(update_docs.ROOT, document), encoding="utf-8") as file:
                text = file.read()
            for _, name, row, column, *_ in update_docs.CELL.findall(text):
                if update_docs.TABLES[name][0] == "breakdown":
                    continue  # the run of one that is stored here has few hops and threads
                if name not in tables:
                    tables[name] = update_docs.generated(name, self.folder)
                with self.subTest(f"{name} | {row} | {column}"):
                    cells.find(tables[name], row, column)


class Prose(unittest.TestCase):
    """No figure that was measured is typed."""

    def test_a_typed_figure_is_seen(self):
        for text, figure in (("It takes 12.5 µs here.", "12.5 µs"), ("one, 1,234 of them", "1,234"),
                             ("lab 4 0.517; and", "0.517"), ("some 40 ns\n", "40 ns"),
                             ("| row | 8.84 |", "8.84"), ("by 7 %.", "7 %"), ("99/s", "99/s")):
            with self.subTest(text):
                self.assertEqual(prose.typed(f"line\n{text}"), [(2, figure)])

    def test_what_is_given_generated_or_code_is_not(self):
        for text in ("waits of 10 ms", "the report's 13,000 requests/s", "Python 3.13.5, on 3.11",
                     "[3](#3-results) of 100", "section 8", "`--wait 12.5 ms`", "2 x 4 loops",
                     "```\n12.5 µs\n```", "<!-- table:x -->\n12.5 µs\n<!-- /table -->",
                     "<!-- cell:x | a | b -->12.5<!-- /cell --> µs", "2026-11-28", "1.1.1.1:80",
                     "on [this](a/1.25) machine"):
            with self.subTest(text):
                self.assertEqual(prose.typed(text), [])

    def test_a_document_with_a_typed_figure_is_an_error(self):
        with self.assertRaisesRegex(update_docs.DocumentError, "line 1 states '12.5 µs'"):
            update_docs.check_prose("It takes 12.5 µs.")


class Elsewhere(support.WithFolder):
    """Documents of docs/."""

    def test_links_of_what_is_made_lead_out_of_the_folder(self):
        results.save("reference.json", support.lab_run(), self.folder)
        new = update_docs.updated(DOCUMENT, self.folder, up="../")
        self.assertIn("From [reference.json](../bench/results/reference.json)", new)
        self.assertEqual(update_docs.linked_from("../", "[a](b) [c](#d) [e](https://f)"),
                         "[a](../b) [c](#d) [e](https://f)")


class Verdicts(unittest.TestCase):
    """Every claim of the report has a verdict, and what would change our mind."""

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(update_docs.ROOT, "WRITEUP.md"), encoding="utf-8") as file:
            text = file.read()
        cls.section = text.partition("## 14. ")[2].partition("\n## ")[0]
        cls.rows = [row for row in re.findall(r"^\|(.+)\|$", cls.section, re.MULTILINE)
                    if re.match(r" \d+ \|", row)]

    def test_every_row_has_its_paragraph(self):
        paragraphs = re.findall(r"^\*\*(\d+), .*?(?=^\*\*\d+, |\Z)", self.section,
                                re.MULTILINE | re.DOTALL)
        self.assertEqual([row.split("|")[0].strip() for row in self.rows], paragraphs)
        self.assertEqual(paragraphs, [str(n) for n in range(1, len(paragraphs) + 1)])
        for match in re.finditer(r"^\*\*(\d+), .*?(?=^\*\*\d+, |\Z)", self.section,
                                 re.MULTILINE | re.DOTALL):
            self.assertRegex(match[0], r"\*What\s+would\s+change\s+our\s+mind\*", match[1])

    def test_every_row_names_a_section_and_a_command(self):
        with open(os.path.join(update_docs.ROOT, "Makefile"), encoding="utf-8") as file:
            targets = set(re.findall(r"^([\w-]+):", file.read(), re.MULTILINE))
        for row in self.rows:
            _, _, verdict, shown, again = (cell.strip() for cell in row.split("|"))
            self.assertTrue(verdict, row)
            self.assertRegex(shown, r"\[\d+\]", row)
            commands = re.findall(r"`make ([\w-]+)", again)
            self.assertTrue(commands or again == "arithmetic", row)
            self.assertLessEqual(set(commands), targets, row)


class Pictured(support.WithFolder):
    """Pictures are drawn beside the results, and held against them."""

    TEXT = "Before.\n<!-- picture:rates -->\n<!-- /picture -->\nAfter.\n"

    def run_it(self, check):
        """(is it good?, what was said)"""
        pictures, said = update_docs.Pictures(self.folder), io.StringIO()
        update_docs.updated(self.TEXT, self.folder, pictures)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return pictures.handle(check), said.getvalue()

    def test_a_picture_stands_between_its_markers(self):
        self.assertIn("(no run is stored yet: `make reproduce FULL=1`",
                      update_docs.updated(self.TEXT, self.folder))
        results.save("reference.json", support.lab_run(2), self.folder)
        new = update_docs.updated(self.TEXT, self.folder)
        self.assertRegex(new, r"-->\n!\[.*lab2: 8 loops 2,500.*\]"
                              r"\(bench/results/pictures/rates\.svg\)\n<!-- /picture -->\nAfter")
        self.assertEqual(update_docs.updated(new, self.folder), new)

    def test_the_check_sees_one_that_is_missing_old_or_changed_by_hand(self):
        results.save("reference.json", support.lab_run(2), self.folder)
        self.assertEqual(self.run_it(check=True),
                         (False, "rates.svg differs from the stored results: `make writeup`\n"))
        self.assertEqual(self.run_it(check=False), (True, "rates.svg is drawn\n"))
        self.assertEqual(self.run_it(check=True), (True, ""))
        path = os.path.join(self.folder, "pictures", "rates.svg")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("2,500", "2,501", 1))
        self.assertFalse(self.run_it(check=True)[0])
        self.run_it(check=False)
        run = support.lab_run(2)
        run["blocks"][0]["rps"] += 10
        results.save("reference.json", run, self.folder)
        self.assertFalse(self.run_it(check=True)[0])

    def test_a_picture_that_is_unknown_or_unclosed_is_an_error(self):
        for text, said in ((self.TEXT.replace("rates", "rats"), "no picture 'rats'"),
                           (self.TEXT.replace("<!-- /picture -->", ""), "/picture")):
            with self.assertRaisesRegex(update_docs.DocumentError, said):
                update_docs.updated(text, self.folder)


class Handled(support.WithFolder):
    def setUp(self):
        super().setUp()
        self.document = os.path.join(self.folder, "README.md")
        with open(self.document, "w", encoding="utf-8") as file:
            file.write(DOCUMENT)

    def text(self):
        with open(self.document, encoding="utf-8") as file:
            return file.read()

    def handle(self, check):
        """(is it good?, what was said)"""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            return update_docs.handle(self.document, self.folder, check), said.getvalue()

    def test_check_names_the_document_and_leaves_it(self):
        good, said = self.handle(check=True)
        self.assertFalse(good)
        self.assertIn("README.md differs", said)
        self.assertEqual(self.text(), DOCUMENT)

    def test_after_an_update_the_check_is_content(self):
        self.assertTrue(self.handle(check=False)[0])
        self.assertNotEqual(self.text(), DOCUMENT)
        self.assertEqual(self.handle(check=True), (True, ""))
        self.assertEqual(os.listdir(self.folder), ["README.md"])

    def test_newer_results_make_the_check_fail_again(self):
        self.handle(check=False)
        results.save("reference.json", support.lab_run(), self.folder)
        self.assertFalse(self.handle(check=True)[0])

    def test_exit_status(self):
        script = os.path.join(support.BENCH, "update_docs.py")
        command = [sys.executable, script, "--results", self.folder, self.document]
        for more, status in ((["--check"], 1), ([], 0), (["--check"], 0), (["/nonexistent"], 1)):
            done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, status, (more, done.stderr))
            self.assertNotIn("Traceback", done.stderr)


if __name__ == "__main__":
    unittest.main()
