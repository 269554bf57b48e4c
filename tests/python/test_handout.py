"""What gets into a hand-out, and above all what doesn't."""

import json
import os
import re
import sys
import tarfile
import unittest

from support import WithFolder

COURSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "course")
sys.path.insert(0, COURSE)

from kit import commands, handout, labs, markers  # noqa: E402

GAPS = markers.all_gaps(labs.ROOT)
LABS = sorted({gap.lab for gap in GAPS})

# Lines that stand in a gap and elsewhere, and tell nothing: idioms of the whole code base.
# Whitespace folded, comments left out.
IDIOMS = {
    "(*req)->result = NULL;",
    "PyErr_Clear();",
    "PyObject *value = NULL;",
    "Py_DECREF(value);",
    "PyErr_WriteUnraisable(task);",
    "Py_XDECREF(callable);",
    "Py_XDECREF(callback);",
    "Py_XDECREF(handle);",
    "Py_XDECREF(known);",
    "Py_XDECREF(none);",
    "Py_XDECREF(value);",
    "bridge_attach(lab->python);",
    "bridge_attach(me);",
    "bridge_log_through_loop(self->bridge);",
    "compat_set_exception(take_outcome(self));",
    "PyErr_WriteUnraisable(lab->loop.loop);",
    "const worker_setup_t *setup = &member->handle.setup;",
    "except ValueError:",
    "bridge_detach(lab->python);",
    "bridge_detach(me);",
    "http_respond_transfer(req, resp);",
    "if (callback != NULL)",
    "if (err != 0)",
    "if (err != 0) {",
    "if (known == NULL)",
    "if (none == NULL)",
    "nested_loop_wake(self);",
    "on_end(lab, req, value);",
    "on_end(lab, step->req, NULL);",
    "return resume(self, arg, result);",
    "self->alarm_is_set = false;",
    "self->state = WAITING;",
    "self->status = 1;",
    "self->stopping = true;",
    "team_t *self = member->team;",
    "trace_mark(req->trace, TRACE_POSTED);",
    "trace_mark(req->trace, TRACE_SCHEDULED);",
    "trace_mark(req->trace, TRACE_WOKEN);",
    "return false;",
    "return true;",
    "uv_async_send(&self->async);",
    "uv_mutex_lock(&self->lock);",
    "uv_mutex_unlock(&self->lock);",
    "while ((req = http_request_list_pop(ready)) != NULL) {",
}


def folded(line):
    return " ".join(re.sub(r"/\*.*?\*/", "", line).split())


def telling(gap):
    """The lines of a solution that would tell somebody something, and that its stub doesn't say."""
    lines = {folded(line) for line in gap.solution} - {folded(line) for line in gap.stub}
    return {
        line for line in lines if len(line) > 12 and not re.fullmatch(r"\w+ \*?\w+;", line)
    } - IDIOMS


class Handout(WithFolder):
    def tree(self, lab):
        path = os.path.join(self.folder, f"lab{lab}")
        return path, handout.write_tree(path, lab)

    def test_no_line_of_a_solution_is_in_the_hand_out(self):
        self.assertTrue(GAPS)
        for lab in LABS:
            tree, paths = self.tree(lab)
            wanted = {line: gap for gap in GAPS if gap.lab >= lab for line in telling(gap)}
            earlier = tuple(f"{labs.FOLDERS[n]}/" for n in labs.FOLDERS if n < lab)
            for path in paths:
                if path.startswith(earlier) and earlier:
                    continue  # a lab that is solved there on purpose
                with open(os.path.join(tree, path), encoding="utf-8") as file:
                    for number, line in enumerate(file, 1):
                        gap = wanted.get(folded(line))
                        where = gap and f"{gap.file}:{gap.line}"
                        self.assertIsNone(
                            where, f"{path}:{number} shows a line of that gap: {line}")

    def test_no_marker_is_left(self):
        for lab in LABS:
            tree, paths = self.tree(lab)
            for path in paths:
                with open(os.path.join(tree, path), encoding="utf-8") as file:
                    if path.endswith((".c", ".h")):
                        self.assertEqual(markers.gaps(path, file.read()), [], path)

    def test_no_later_lab_no_ladder_no_hidden_test_no_instructors_notes(self):
        for lab in LABS:
            _, paths = self.tree(lab)
            for path in paths:
                number = re.match(r"lab(\d)_", path)
                self.assertFalse(number and int(number.group(1)) > lab, path)
                self.assertNotRegex(
                    path,
                    r"^ladder|^bench/(ladder|driver/(rungs|ladder))|^WRITEUP|hidden|INSTRUCTOR"
                    r"|mutants|redgate|kit/(handout|markers)",
                )

    def test_what_students_change_is_there(self):
        for lab in LABS:
            _, paths = self.tree(lab)
            for path in labs.ALLOWED[lab]:
                self.assertIn(path, paths)
            for gap in GAPS:
                if gap.lab == lab:
                    self.assertIn(gap.file, labs.ALLOWED[lab])

    def test_the_weights_of_hidden_tests_stay_behind(self):
        for lab in LABS:
            tree, _ = self.tree(lab)
            with open(os.path.join(tree, "course/weights.json"), encoding="utf-8") as file:
                self.assertNotIn("hidden", json.dumps(json.load(file)))

    def test_gaps_take_at_most_60_percent_of_a_file(self):
        for path in {gap.file for gap in GAPS}:
            with open(os.path.join(labs.ROOT, path), encoding="utf-8") as file:
                lines = len(file.readlines())
            inside = sum(len(gap.solution) for gap in GAPS if gap.file == path)
            self.assertLessEqual(inside, 0.6 * lines, path)

    def test_a_second_build_touches_nothing_and_removes_what_is_no_longer_wanted(self):
        tree, paths = self.tree(LABS[0])
        os.mkdir(os.path.join(tree, "build"))
        for path in ("build/kept", "stray.c"):
            with open(os.path.join(tree, path), "w", encoding="utf-8") as file:
                file.write("x")
        before = {path: os.stat(os.path.join(tree, path)).st_mtime_ns for path in paths}
        self.tree(LABS[0])
        after = {path: os.stat(os.path.join(tree, path)).st_mtime_ns for path in paths}
        self.assertEqual(before, after)
        self.assertTrue(os.path.exists(os.path.join(tree, "build/kept")))
        self.assertFalse(os.path.exists(os.path.join(tree, "stray.c")))

    def test_the_tarball_is_the_same_bytes_each_time(self):
        tree, paths = self.tree(LABS[0])
        seen = []
        for name in ("one", "two"):
            file = os.path.join(self.folder, name)
            handout.write_tarball(tree, paths, file)
            with open(file, "rb") as opened:
                seen.append(opened.read())
        self.assertEqual(seen[0], seen[1])
        with tarfile.open(os.path.join(self.folder, "one")) as tar:
            self.assertEqual(sorted(tar.getnames()), [f"looplab-lab{LABS[0]}/{p}" for p in paths])


class Pages(WithFolder):
    """What a student reads first names nothing that isn't in the tree."""

    def setUp(self):
        super().setUp()
        self.trees = {}
        for lab in LABS:
            self.trees[lab] = os.path.join(self.folder, f"lab{lab}")
            handout.write_tree(self.trees[lab], lab)

    def read(self, lab, *paths):
        text = ""
        for path in paths:
            with open(os.path.join(self.trees[lab], path), encoding="utf-8") as file:
                text += file.read()
        return text

    def pages(self):
        """(lab, path, text) of each."""
        for lab in LABS:
            for path in ("README.md", f"{labs.FOLDERS[lab]}/README.md"):
                yield lab, path, self.read(lab, path)

    def test_links_lead_somewhere(self):
        for lab, page, text in self.pages():
            for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
                path = os.path.join(self.trees[lab], os.path.dirname(page), link)
                self.assertTrue(os.path.exists(path), f"lab {lab}, {page}: {link}")

    def named(self, pattern):
        """(lab, the match) wherever a command of a page has that."""
        for lab, page, text in self.pages():
            found = commands.of_page(text)
            self.assertTrue(found, page)
            for command in found:
                for match in re.finditer(pattern, command.text):
                    yield lab, match

    def test_make_knows_what_it_is_told_to(self):
        for lab, match in self.named(r"\bmake (\S+)((?: \w+=\S+)*)"):
            makefiles = self.read(lab, "Makefile", "course/course.mk")
            self.assertRegex(makefiles, rf"(?m)^([\w-]+ )*{match[1]}( [\w-]+)*:", f"lab {lab}")
            for variable in re.findall(r"(\w+)=", match[2]):
                self.assertRegex(makefiles, rf"(?m)^##.*\b{variable}=", f"lab {lab}: {match[0]}")

    def test_labs_know_their_options(self):
        for lab, match in self.named(r"\./lab(\d)((?: -\S+)*)"):
            self.assertLessEqual(int(match[1]), lab)
            for option in re.findall(r" --([\w-]+)", match[2]):
                options = self.read(lab, "common/lab/options.c")
                self.assertIn(f'"{option}"', options, f"lab {lab}: {match[0]}")


class Commands(unittest.TestCase):
    """What course/kit/commands.py makes of a page."""

    def of(self, text):
        return commands.of_page(text)

    def test_those_of_blocks_and_of_sentences_come_in_their_order(self):
        text = "```sh\nmake lab1   # builds it\n```\nThen `make\ncheck LAB=1`; `./labN` too.\n"
        self.assertEqual([c.text for c in self.of(text)], ["make lab1", "make check LAB=1"])

    def test_a_loop_is_one(self):
        text = "```sh\nfor c in 1 2; do\n    ./lab1 & sleep 1\ndone\nmake\n```\n"
        self.assertEqual([c.text.count("\n") for c in self.of(text)], [2, 0])
        self.assertEqual(self.of(text)[0].server, "")

    def test_a_server_runs_on_and_what_asks_it_comes_meanwhile(self):
        text = "```sh\nmake lab1 && ./lab1 --debug\ncurl http://x/\n./lab1 --bench\n```\n"
        server, other = self.of(text)
        self.assertEqual((server.server, server.meanwhile), ("lab1", ("curl http://x/",)))
        self.assertEqual(other.server, "")


if __name__ == "__main__":
    unittest.main()
