"""Whatever a results file holds, the report says what is missing and draws the rest."""

import copy
import json
import os
import unittest
from xml.etree import ElementTree

import support
from driver import results
from picture import canvas, page, sections, source
from report_page import Page
import report

HOSTILE = '<script>alert("x")</script> \' & $x_{$ \x00\x1b\ud800 ]]> --> \\alpha %s'


class Files(support.WithFolder):
    """Files that can't be used at all."""

    def problem(self, content, kind="reproduce"):
        path = os.path.join(self.folder, "reference.json")
        mode = "wb" if isinstance(content, bytes) else "w"
        with open(path, mode) as file:
            file.write(content if isinstance(content, (bytes, str)) else json.dumps(content))
        found = source.read(path, kind)
        self.assertIsNone(found.data)
        made, absent = report.collected(self.folder, [path])
        self.assertEqual(made, [])
        self.assertIn(("reference.json", found.problem), [one[:2] for one in absent])
        self.assertIn(page.text(found.problem), page.whole(made, absent))
        return found.problem

    def test_damaged(self):
        whole = json.dumps(support.lab_run(1))
        for content in ("", "{", whole[:len(whole) // 2], b"\xff\xfe\x00", b"\x00" * 64):
            self.assertIn("is damaged", self.problem(content))
        self.assertIn("is damaged", self.problem("[" * 100_000))

    def test_no_results_file(self):
        for content in ([], 3, "text", None):
            self.assertEqual(self.problem(json.dumps(content)), "is no results file")

    def test_another_version(self):
        for version in (0, 2, "1", None):
            run = {**support.lab_run(1), "schema_version": version}
            self.assertIn(f"has schema version {version!r}", self.problem(run))

    def test_another_kind(self):
        self.assertIn("an unknown kind", self.problem({**support.lab_run(1), "kind": "neither"}))
        path = os.path.join(self.folder, "ladder.json")
        results.save("ladder.json", support.lab_run(1), self.folder)
        self.assertIn("of kind reproduce, not ladder", source.read(path, "ladder").problem)

    def test_nothing_measured(self):
        for blocks in ([], None, {}):
            self.assertIn("no blocks", self.problem({**support.lab_run(1), "blocks": blocks}))
        self.assertIn("what machine", self.problem({**support.lab_run(1), "environment": None}))

    def test_a_folder_in_place_of_a_file(self):
        self.assertIn("can't be read", source.read(self.folder).problem)


class Lacking(support.WithFolder):
    """Files of which something can be used."""

    def made(self, run, name="labs"):
        file = results.RECORDS[run["kind"]]
        results.save(file, run, self.folder)
        made, _ = report.collected(self.folder)
        text = page.whole(made, ())
        self.page = Page(text)
        return next(one for one in made if one.section.name == name)

    def test_a_run_without_a_lab_says_so_and_shows_the_others(self):
        for lab in ("lab1", "lab2", "lab3"):
            run = support.lab_run(2)
            run["blocks"] = [b for b in run["blocks"] if b["server"] != lab]
            made = self.made(run)
            self.assertIn(f"it lacks {lab}", made.lacking)
            shown = [row[0][:4] for row in self.page.figures["rates"].rows[1:]]
            self.assertEqual(shown, [one for one in ("lab1", "lab2", "lab3") if one != lab])

    def test_damaged_blocks_are_left_out_with_their_round(self):
        run = support.lab_run(3)
        run["blocks"][0]["rps"] = float("nan")
        run["blocks"][1] = "a block"
        del run["blocks"][2]["p99_us"]
        made = self.made(run)
        self.assertIn("3 of 36 blocks are damaged and left out", made.lacking)
        self.assertIn("2 of 3 rounds are complete; only these are used", made.lacking)
        self.assertEqual(self.page.figures["rates"].rows[1][1], "10,000")

    def test_an_environment_without_anything(self):
        run = {**support.lab_run(2), "environment": {}}
        made = self.made(run)
        self.assertEqual(len(made.pictures), 5)
        self.assertIn("where it was measured can't be made", " ".join(made.lacking))

    def test_a_run_without_quantiles_has_its_latencies_as_dots(self):
        run = support.lab_run(2)
        for block in run["blocks"]:
            del block["quantiles_us"]
        made = self.made(run)
        self.assertEqual(made.lacking, [])
        self.assertNotIn("latencies-unpinned", self.page.figures)
        self.assertEqual({mark["field"] for mark in self.page.figures["latencies"].marks},
                         {"p50_us", "mean_us", "p99_us"})

    def test_a_lab_without_quantiles_in_one_block_has_no_curve(self):
        for instead in ({}, None, [1], {"50": 1.0}):
            run = support.lab_run(2)
            for block in run["blocks"]:
                if block["server"] == "lab2" and block["round"] == 2:
                    block["quantiles_us"] = instead
            self.made(run)
            shown = self.page.figures["latencies"].rows[0][1:]
            with self.subTest(instead=instead):
                self.assertEqual("lab2: 8 loops" in shown, instead == {"50": 1.0})
                self.assertIn("lab1: one loop", shown)

    def test_quantiles_that_are_no_numbers_are_said(self):
        run = support.lab_run(2)
        for block in run["blocks"]:
            block["quantiles_us"] = {"50": "slow", "what": 3}
        made = self.made(run)
        self.assertIn("the picture latencies can't be made", " ".join(made.lacking))

    def test_a_breakdown_without_a_report_of_one_lab(self):
        run = support.breakdown_run(2)
        for block in run["blocks"]:
            if block["server"] == "lab2":
                block["report"] = {"hops": "none"}
        made = self.made(run, "breakdown")
        self.assertEqual([one.name for one in made.pictures], ["breakdown-lab1", "breakdown-lab3",
                                                               "breakdown-lab4", "breakdown-lab5"])
        self.assertIn("the picture breakdown-lab2 can't be made", " ".join(made.lacking))

    def test_any_part_may_be_missing_or_of_another_type(self):
        for file, run in support.every_run().items():
            if file in ("workloads.json", "ladder.json", "interpreters.json", "scaling.json"):
                continue  # the same shape as others, and many pictures
            for key in set(run) - {"kind", "schema_version"}:
                for instead in ("absent", None, [None, 3], {"a": []}, -1):
                    with self.subTest(file, key=key, instead=instead):
                        self.change_one(file, run, key, instead)

    def change_one(self, file, run, key, instead):
        changed = copy.copy(run)
        changed[key] = instead
        if instead == "absent":
            del changed[key]
        results.save(file, changed, self.folder)
        found = source.read(os.path.join(self.folder, file), run["kind"])
        if found.data is None:
            self.assertNotEqual(found.problem, "")
            return
        section = next(s for s in sections.SECTIONS if s.kind == run["kind"])
        few = [name for name in section.pictures if not name.startswith("lanes-lab")][:1]
        made = sections.make(sections.Section(section.name, "", run["kind"], "", tuple(few),
                                              section.tables, caption=section.caption), found)
        page.section(made)


class Escaped(support.WithFolder):
    def setUp(self):
        super().setUp()
        run = support.peers_run((HOSTILE, "lab1"), 2)
        run["environment"] = {**support.ENVIRONMENT, "cpu": HOSTILE}
        run["left_out"] = {HOSTILE: HOSTILE}
        results.save("peers.json", run, self.folder)
        self.made, absent = report.collected(self.folder)
        self.text = page.whole(self.made, absent + [(HOSTILE, HOSTILE, HOSTILE)])

    def test_a_files_text_stays_text(self):
        found = Page(self.text)
        self.assertEqual(found.tags.count("script"), 1)
        self.assertEqual(self.text.count("<script>"), 1)
        self.assertIn("&lt;script&gt;alert(", self.text)
        self.assertTrue(any("<script>alert" in row[0] for row in found.figures["peers"].rows))
        self.text.encode("utf-8")
        self.assertNotIn("\x00", self.text)

    def test_a_picture_of_it_is_good_xml(self):
        drawn = next(one for made in self.made for one in made.pictures)
        root = ElementTree.fromstring(canvas.standalone(drawn))
        texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertTrue(any("<script>alert" in text and "$x_{$" in text for text in texts))


if __name__ == "__main__":
    unittest.main()
