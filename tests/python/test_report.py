"""The report says what the stored runs say, whole and by itself."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import support
from driver import reports, results, stats
from driver.blocks import Configuration
from picture import canvas, page, sections, source, traced
from report_page import Page
import report


def store(runs, folder):
    for name, run in runs.items():
        results.save(name, run, folder)


def figures_of(path):
    return reports.figures_of(source.read(path).data)


class Judged:
    """What a mark should say, from the results files of a folder."""

    def __init__(self, folder):
        self.folder, self._figures = folder, {}

    def data(self, kind):
        return source.read(os.path.join(self.folder, results.RECORDS[kind])).data

    def figures(self, kind):
        if kind not in self._figures:
            self._figures[kind] = figures_of(os.path.join(self.folder, results.RECORDS[kind]))
        return self._figures[kind]

    def value(self, mark):
        kind = mark["file"]
        if kind == "traces":
            return self._hop(mark)
        if "gap" in mark or mark.get("field") == "category_ms":
            return self._of_breakdown(mark)
        if "base" in mark:
            return self.figures(kind).ratio(mark["key"], mark["base"], mark["field"])[0]
        return self.figures(kind).median(mark["key"], mark["field"])

    def _hop(self, mark):
        block = next(b for b in self.data("traces")["blocks"]
                     if (b["lab"], b["load"]) == (mark["lab"], mark["load"]))
        return next(h["at_us"] for h in block["hops"]
                    if (h["name"], h["lane"]) == (mark["hop"], mark["lane"]))

    def _of_breakdown(self, mark):
        key, _, category = mark["key"].partition(" | ")
        found = sorted(self.figures("breakdown").values(key, "report"),
                       key=lambda r: r["end_to_end_us"]["mean"])
        shown = found[(len(found) - 1) // 2]
        if category:
            return next(c["mean_us"] for c in shown["categories"] if c["name"] == category) / 1000
        return next(h["mean_us"] for h in shown["hops"]
                    if f"{h['from']} → {h['to']}" == mark["gap"])


class Whole(unittest.TestCase):
    """A report of a run of every kind."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="looplab-test-")
        cls.addClassCleanup(cls.folder.cleanup)
        store(support.every_run(), cls.folder.name)
        cls.made, cls.absent = report.collected(cls.folder.name)
        cls.text = page.whole(cls.made, cls.absent)
        cls.page = Page(cls.text)

    def test_nothing_is_missing(self):
        self.assertEqual(self.absent, [])
        self.assertEqual(self.page.sections, [one.name for one in sections.SECTIONS])
        for made in self.made:
            lacking = [note for note in made.lacking if not note.startswith("the picture lanes-")]
            self.assertEqual(lacking, [], made.section.name)

    def test_every_picture_but_the_untraced_labs_is_there(self):
        missing = set(sections.PICTURES) - set(self.page.figures)
        self.assertEqual({name for name in missing if not re.match("lanes-lab[2-5]", name)}, set())

    def test_every_picture_has_words_and_a_table(self):
        for name, figure in self.page.figures.items():
            with self.subTest(name):
                self.assertEqual(figure.role, "img")
                self.assertGreater(len(figure.texts["title"]), 5)
                self.assertGreater(len(figure.texts["desc"]), 30)
                self.assertGreater(len(figure.rows), 1)
                self.assertEqual({len(row) for row in figure.rows}, {len(figure.rows[0])})
                self.assertTrue(figure.marks)

    def test_marks_say_what_the_files_say(self):
        judged = Judged(self.folder.name)
        for name, figure in self.page.figures.items():
            for mark in figure.marks:
                with self.subTest(name, mark=mark):
                    self.assertEqual(float(mark["value"]), judged.value(mark))

    def test_the_table_behind_says_the_same(self):
        self.assertEqual(self.page.figures["rates"].rows[1:], [
            ["lab1: one loop", "10,000", "-", "10,000, 10,000, 10,000", "13,000"],
            ["lab2: 8 loops", "2,500", "-", "2,500, 2,500, 2,500", "3,000"],
            ["lab3: sync", "60,000", "-", "60,000, 60,000, 60,000", "72,000"],
        ])
        rungs = self.page.figures["ladder-pinned"].rows
        self.assertEqual(rungs[2][2:], ["floor", "12.0", "+2.00"])

    def test_a_labs_latencies_are_a_curve_from_end_to_end(self):
        for name, placement in (("latencies", "pinned"), ("latencies-unpinned", "unpinned")):
            figure = self.page.figures[name]
            self.assertEqual(figure.rows[0][1:], ["lab1: one loop", "lab2: 8 loops", "lab3: sync"])
            self.assertEqual([row[0] for row in figure.rows[1:]],
                             [f"{share} %" for share in support.QUANTILES])
            self.assertEqual(figure.rows[1][1:], ["4,000", "16,000", "667"])
            self.assertIn(f"{placement}", figure.texts["title"])
            self.assertIn("from 1 % to 99.99 % of them", figure.texts["desc"])
            self.assertEqual({mark["field"] for mark in figure.marks},
                             {f"quantiles_us:{share}" for share in support.QUANTILES})

    def test_what_a_rung_adds_is_the_difference_within_rounds(self):
        figures = figures_of(os.path.join(self.folder.name, "ladder.json"))
        keys = [Configuration(name).key for name in ("03 loop", "02 coroutine")]
        pairs = zip(*(figures.values(key, "cpu_us") for key in keys))
        mark = next(m for m in self.page.figures["ladder-pinned"].marks if m["key"] == keys[0])
        self.assertEqual(float(mark["added"]), stats.median([a - b for a, b in pairs]))

    def test_nothing_comes_from_elsewhere(self):
        self.assertTrue(self.page.policy.startswith("default-src 'none'; "))
        for link in self.page.links:
            self.assertRegex(link, r"^(#[\w-]+|data:,)$")
        for tag in ("img", "iframe", "object", "embed", "audio", "video", "base", "form"):
            self.assertNotIn(tag, self.page.tags)
        self.assertEqual(self.page.tags.count("script"), 1)
        self.assertNotRegex(self.text, r"url\((?!#)|@import")

    def test_ids_are_unique_and_what_is_referred_to_is_there(self):
        self.assertEqual(len(self.page.ids), len(set(self.page.ids)))
        for name in self.page.references + [l[1:] for l in self.page.links if l[0] == "#"]:
            self.assertIn(name, self.page.ids)

    def test_every_colour_of_a_picture_is_the_themes(self):
        for made in self.made:
            for one in made.pictures:
                self.assertEqual(re.findall(r"#[0-9a-f]{6}\b", one.svg), [], one.name)

    def test_the_same_runs_make_the_same_bytes(self):
        self.assertEqual(page.whole(*report.collected(self.folder.name)), self.text)


class Stored(support.WithFolder):
    """The report of the repository's runs: of those for the record, whatever lies beside them."""

    def test_marks_say_what_the_files_say(self):
        for name in results.RECORDS.values():
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(os.path.join(results.FOLDER, name), self.folder)
        text = page.whole(*report.collected(self.folder))
        judged, seen = Judged(self.folder), 0
        for name, figure in Page(text).figures.items():
            for mark in figure.marks:
                seen += 1
                self.assertEqual(float(mark["value"]), judged.value(mark), (name, mark))
        self.assertGreater(seen, 100)
        self.assertLess(len(text.encode()), 3 * 2**20)


class Compared(support.WithFolder):
    def compare(self, one, other):
        store({"a.json": one, "b.json": other}, self.folder)
        paths = [os.path.join(self.folder, name) for name in ("a.json", "b.json")]
        made, absent = report.collected(self.folder, paths)
        return [one for one in made if one.section.name == "compared"], absent, made

    def test_ratios_are_of_medians(self):
        slower = support.lab_run(3)
        for block in slower["blocks"]:
            block["rps"] /= 2
        (made,), absent, _ = self.compare(support.lab_run(3), slower)
        found = Page(page.whole([made], absent)).figures["compared-rps"]
        self.assertEqual({float(mark["value"]) for mark in found.marks}, {0.5})
        self.assertEqual(found.rows[1], ["lab1, pinned, plain", "0.50"])
        table = dict((title, rows) for title, (_, rows), _ in made.tables)["requests/s"]
        self.assertEqual(table[0], ["lab1, pinned, plain", "10,000", "5,000", "0.50", "differs"])

    def test_what_else_differs_is_said(self):
        other = support.lab_run(3)
        other["environment"] = {**other["environment"], "cpu": "Another CPU"}
        (made,), _, _ = self.compare(support.lab_run(3), other)
        self.assertIn(["cpu", "A CPU", "Another CPU"], made.tables[-1][1][1])

    def test_the_first_stands_in_place_of_the_stored_one(self):
        _, _, made = self.compare(support.lab_run(3), support.lab_run(4))
        self.assertEqual(next(one.file for one in made if one.section.name == "labs"), "a.json")

    def test_two_kinds_are_not_compared(self):
        made, absent, _ = self.compare(support.lab_run(3), support.ladder_run(3))
        self.assertEqual(made, [])
        self.assertIn("reproduce and ladder can't be compared", [why for _, why, _ in absent])

    def test_a_configuration_that_one_of_them_lacks_is_left_out(self):
        other = support.lab_run(3)
        other["configurations"] = [c for c in other["configurations"] if c["server"] != "lab3"]
        (made,), _, _ = self.compare(support.lab_run(3), other)
        self.assertIn("B: it lacks lab3", made.lacking)
        self.assertEqual([row for row in made.tables[0][1][1] if row[0].startswith("lab3")], [])


class Command(support.WithFolder):
    def run_it(self, *arguments):
        script = os.path.join(support.BENCH, "report.py")
        output = os.path.join(self.folder, "report.html")
        done = subprocess.run(
            [sys.executable, script, "--results", self.folder, "--output", output, *arguments],
            capture_output=True, text=True, timeout=120)
        self.assertNotIn("Traceback", done.stderr)
        return done, output

    def test_it_says_what_is_in_and_what_is_not(self):
        store({"reference.json": support.lab_run(2)}, self.folder)
        done, output = self.run_it()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("5 pictures in 1 sections", done.stdout)
        self.assertIn("(peers.json): there is no such file (make bench-peers)", done.stdout)
        with open(output, encoding="utf-8") as file:
            self.assertIn("there is no such file", file.read())

    def test_a_quick_run_stands_in_and_says_so(self):
        store({"latest.json": support.lab_run(2)}, self.folder)
        _, output = self.run_it()
        with open(output, encoding="utf-8") as file:
            text = file.read()
        self.assertIn("a quick run, for orientation", text)
        self.assertIn("From latest.json", text)

    def test_exit_status(self):
        cases = ((["--output", "/nonexistent/report.html"], 1), (["a", "b", "c"], 2), (["a"], 0))
        for arguments, status in cases:
            self.assertEqual(self.run_it(*arguments)[0].returncode, status, arguments)


class Traced(unittest.TestCase):
    def test_a_request_of_a_trace_file(self):
        path = os.path.join(support.BENCH, "..", "lab0_first_run", "trace.json")
        found = traced.typical(traced.read(path))
        self.assertEqual(found["hops"][0], {"name": "parsed", "lane": "http", "at_us": 0.0})
        self.assertEqual(found["hops"][-1]["at_us"], found["total_us"])
        self.assertEqual([lane["name"] for lane in found["lanes"]], ["http", "python"])
        for lane in found["lanes"]:
            ends = [part["to_us"] for part in lane["slices"]]
            self.assertEqual(ends, sorted(ends))
            self.assertLessEqual(ends[-1], found["total_us"])
            self.assertIn("request", [part["doing"] for part in lane["slices"]])

    def test_a_trace_without_a_whole_request_is_said(self):
        with self.assertRaisesRegex(ValueError, "no whole request"):
            traced.typical([{"ph": "M", "name": "thread_name", "tid": 0, "args": {"name": "http"}}])


class Drawn(unittest.TestCase):
    def test_every_colour_can_be_told_from_both_grounds(self):
        def luminance(colour):
            parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
            return sum(share * (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4)
                       for share, p in zip((0.2126, 0.7152, 0.0722), parts))

        for side, ground in enumerate(canvas.THEME["paper"]):
            for name in set(canvas.THEME) - {"paper", "grid"}:
                low, high = sorted(map(luminance, (canvas.THEME[name][side], ground)))
                self.assertGreaterEqual((high + 0.05) / (low + 0.05), 3, (name, ground))

    def test_another_matplotlib_may_write_other_bytes_but_no_other_figures(self):
        one = '<svg data-drawn-by="matplotlib 1"><g data-value="1.0" d="M 1"/></svg>'
        other = one.replace("matplotlib 1", "matplotlib 2").replace("M 1", "M 2")
        self.assertTrue(canvas.same(one, other))
        self.assertFalse(canvas.same(one, other.replace("1.0", "1.1")))
        self.assertFalse(canvas.same(one, one.replace("M 1", "M 2")))


if __name__ == "__main__":
    unittest.main()
