"""The report in a real browser: of the stored runs, and of one that has a run of every kind."""

import os
import tempfile
import unittest

from browser import InBrowser, contrast
import support
from driver import results
from picture import page
import report

COLOUR = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
# Texts that reach out of their picture, by more than a rounding.
CUT_OFF = """
const found = [];
for (const svg of document.querySelectorAll("figure svg")) {
  const box = svg.getBoundingClientRect();
  for (const text of svg.querySelectorAll("text")) {
    const its = text.getBoundingClientRect();
    if (its.left < box.left - 2 || its.right > box.right + 2 || its.top < box.top - 2 ||
        its.bottom > box.bottom + 2)
      found.push(svg.closest("figure").id + ": " + text.textContent);
  }
}
return found;
"""
SMALLEST_TEXT = """
return Math.min(...[...document.querySelectorAll("figure svg text")].map((text) =>
  parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().d));
"""


class OfEveryRun(InBrowser):
    """Charts of every kind."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory(prefix="looplab-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.fill(folder.name)
        cls.made, absent = report.collected(folder.name)
        cls.file = os.path.join(folder.name, "report.html")
        report.write(cls.file, page.whole(cls.made, absent))

    @classmethod
    def fill(cls, folder):
        for name, run in support.every_run().items():
            results.save(name, run, folder)

    def show(self, width, theme="light", media=""):
        self.look(width, theme, media)
        self.open(f"file://{self.file}")

    def test_no_complaints_and_nothing_asked_for(self):
        self.show(1200)
        self.run_script("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        self.assertEqual(self.complaints(), [])
        asked = [url for url in self.asked_for() if not url.startswith("data:")]
        self.assertEqual(asked, [f"file://{self.file}"])
        took = self.run_script("return performance.getEntriesByType('navigation')[0].loadEventEnd")
        size = os.path.getsize(self.file)
        print(f"{type(self).__name__}: loaded in {took:.0f} ms, {size:,} bytes")

    def test_every_chart_is_there_at_every_width(self):
        for width in (380, 768, 1400):
            self.show(width)
            boxes = self.run_script(
                "return [...document.querySelectorAll('figure svg')].map((svg) => {"
                "const box = svg.getBoundingClientRect(); return [box.width, box.height] })")
            self.assertEqual(len(boxes), sum(len(made.pictures) for made in self.made))
            for box in boxes:
                self.assertGreater(min(box), 90)
            self.assertEqual(self.run_script(CUT_OFF), [], width)
            self.keep_picture(f"{type(self).__name__}-{width}")

    def test_a_phone_scrolls_down_only(self):
        self.show(380)
        for opened in ("false", "true"):
            self.run_script(
                f"document.querySelectorAll('details').forEach((d) => d.open = {opened})")
            widest = self.run_script("return document.documentElement.scrollWidth")
            self.assertLessEqual(widest, 380)
        self.assertGreaterEqual(self.run_script(SMALLEST_TEXT), 7)

    def test_both_themes_can_be_read(self):
        grounds = []
        for theme in ("light", "dark"):
            self.show(1200, theme)
            ground = self.run_script(COLOUR, "html", "backgroundColor")
            grounds.append(ground)
            self.keep_picture(f"{type(self).__name__}-{theme}")
            for selector, key, least in (("p", "color", 7), ("figure svg text", "fill", 4.5),
                                         ("section .soft", "color", 4.5), ("nav a", "color", 4.5)):
                colour = self.run_script(COLOUR, selector, key)
                self.assertGreaterEqual(contrast(colour, ground), least, (theme, selector))
        self.assertNotEqual(*grounds)

    def test_the_button_changes_the_theme(self):
        for theme in ("light", "dark"):
            self.show(1200, theme)
            before = self.run_script(COLOUR, "html", "backgroundColor")
            self.run_script("document.getElementById('theme').click()")
            self.assertNotEqual(self.run_script(COLOUR, "html", "backgroundColor"), before)
            self.run_script("document.getElementById('theme').click()")
            self.assertEqual(self.run_script(COLOUR, "html", "backgroundColor"), before)

    def test_print_is_light_and_shows_every_table(self):
        self.show(1000, "dark", media="print")
        self.assertEqual(self.run_script(COLOUR, "html", "backgroundColor"), "rgb(255, 255, 255)")
        self.assertEqual(self.run_script(COLOUR, "nav", "display"), "none")
        closed = "return document.querySelectorAll('details:not([open])').length"
        before = self.run_script(closed)
        self.run_script("dispatchEvent(new Event('beforeprint'))")
        self.assertEqual(self.run_script(closed), 0)
        self.run_script("dispatchEvent(new Event('afterprint'))")
        self.assertEqual(self.run_script(closed), before)

    def test_the_accessible_names_are_the_pictures_titles(self):
        self.show(1200)
        self.command("Accessibility.enable")
        tree = self.command("Accessibility.getFullAXTree")["nodes"]
        images = [node["name"]["value"] for node in tree
                  if node.get("role", {}).get("value") == "image" and not node.get("ignored")]
        for picture in (one for made in self.made for one in made.pictures):
            found = [name for name in images if name.startswith(picture.title)]
            self.assertTrue(found, picture.title)
            self.assertTrue(any(picture.alt in name for name in found), picture.name)

    def test_the_keyboard_reaches_tables_that_scroll(self):
        self.show(380)
        self.run_script("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        unreachable = self.run_script(
            "return [...document.querySelectorAll('.scroll')].filter((box) => {"
            "box.focus(); return document.activeElement !== box }).length")
        self.assertEqual(unreachable, 0)


class OfTheStoredRuns(OfEveryRun):
    """What a reader gets from `make report`."""

    @classmethod
    def fill(cls, folder):
        for name in os.listdir(results.FOLDER):
            if name in results.RECORDS.values():
                os.symlink(os.path.join(results.FOLDER, name), os.path.join(folder, name))


if __name__ == "__main__":
    unittest.main()
