"""Builds a lab with some of its steps filled in, in a tree that is kept: only what changes is
compiled again. For the red gate and the mutants."""

import os

from . import grading, handout, sandbox, sanitizers
from .labs import ROOT, lock


def tree_of(lab):
    return os.path.join(ROOT, f"build/course/lab{lab}")


def write(lab, filled):
    tree = tree_of(lab)
    lock(tree)
    grading.share_dependencies(tree)
    handout.write_tree(tree, lab, filled)
    return tree


def build(lab, builds=tuple(sanitizers.TARGETS), warnings=False):
    """
    returns where its programs are, those of the plain build. Unless `warnings`, each is an error: a
    starter has none.
    """
    targets = [sanitizers.TARGETS[name] for name in builds]
    status, output, _ = grading.make(
        tree_of(lab), "-j2", *targets, f"LAB={lab}", limits=sandbox.UNLIMITED
    )
    if status != 0 or ("warning:" in output and not warnings):
        raise grading.GraderError(f"lab {lab} doesn't build, or with warnings:\n{output}")
    return grading.bin_dir(tree_of(lab))
