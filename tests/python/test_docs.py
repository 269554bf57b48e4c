"""The documents: Python examples of docs/ do what they show, links lead somewhere."""

import doctest
import glob
import os
import re
import sys
import unittest

import support  # noqa: F401 (bench/ on the path)
import update_docs

FOLDER = os.path.join(update_docs.ROOT, "docs")
sys.path.insert(0, os.path.join(update_docs.ROOT, "course"))

from kit import handout, labs  # noqa: E402

PAGES = sorted(glob.glob(f"{FOLDER}/*.md"))


class Docs(unittest.TestCase):
    def test_examples_do_what_they_show(self):
        attempted = 0
        for page in PAGES:
            with self.subTest(os.path.basename(page)):
                found = doctest.testfile(page, module_relative=False,
                                         optionflags=doctest.ELLIPSIS)
                self.assertEqual(found.failed, 0)
                attempted += found.attempted
        self.assertGreater(attempted, 20)

    def test_links_lead_to_files_that_every_hand_out_has(self):
        self.assertTrue(PAGES)
        for lab in labs.FOLDERS:
            held = set(handout.contents(labs.ROOT, lab))
            for page in PAGES:
                with open(page, encoding="utf-8") as file:
                    links = re.findall(r"\]\(([^)#:]+)\)", file.read())
                for link in links:
                    path = os.path.relpath(os.path.join(FOLDER, link), update_docs.ROOT)
                    self.assertIn(path, held, f"lab {lab}: {os.path.basename(page)}")


def anchors(text):
    """What a heading can be linked by."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


class Links(unittest.TestCase):
    """README.md, WRITEUP.md and docs/, among themselves and into the repository."""

    def test_links_lead_to_files_and_headings(self):
        for name in update_docs.DOCUMENTS:
            path = os.path.join(update_docs.ROOT, name)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            links = re.findall(r"\]\(([^)\s]+)\)", text)
            links += re.findall(r"^\[[^]]+\]: (\S+)$", text, re.MULTILINE)
            for link in links:
                target, _, heading = link.partition("#")
                if "://" in link or re.fullmatch(r"L\d+-L\d+", heading):
                    continue
                found = os.path.join(os.path.dirname(path), target) if target else path
                with self.subTest(f"{name}: {link}"):
                    self.assertTrue(os.path.exists(found))
                    if heading:
                        with open(found, encoding="utf-8") as file:
                            self.assertIn(heading, anchors(file.read()))


if __name__ == "__main__":
    unittest.main()
