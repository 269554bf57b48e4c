"""Builds labs with some of their steps filled in, for the red gate and the mutants.

Many variants, so several processes judge them at once, each in a tree of its own. The trees begin as
copies of one that has been built, so that what all labs share is compiled once; later only what a
variant changes is compiled again. More processes than cores: a variant that hangs, as many should,
waits for a deadline and needs none.
"""

import functools
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor

from . import grading, handout, sandbox, sanitizers
from .labs import ROOT, lock

PROCESSES = (os.cpu_count() or 1) + 1

_tree = ""  # of this process

_bin_dir = functools.cache(grading.bin_dir)  # it is always the same


def _path(name):
    return os.path.join(ROOT, "build/course", name)


def _prepare(labs, count):
    """Make the trees: of the last of the labs, which has those before it too, solved and built."""
    global _tree
    _tree = base = _path("base")
    lock(base)
    grading.share_dependencies(base)
    handout.write_solution(base, max(labs))
    build(max(labs))
    for lab in labs:  # a build that is made for what each lab's checks want
        build(lab, [sanitizers.RACES])
    for number in range(1, count + 1):
        shutil.rmtree(_path(str(number)), ignore_errors=True)
        shutil.copytree(base, _path(str(number)), symlinks=True)


def _begin(counter):
    """In each process, before its first job."""
    global _tree
    with counter:
        counter.value += 1
        _tree = _path(str(counter.value))
    sandbox.adopt_orphans()


def judge_all(judge, jobs):
    """
    Call judge(*job) for each job, in several processes, where it may write() and build(). A job's
    first item is its lab. yields the results, in the order of the jobs
    """
    count = min(len(jobs), PROCESSES)
    _prepare({job[0] for job in jobs}, count)
    counter = multiprocessing.Value("i", 0)
    context = multiprocessing.get_context("fork")  # with the checks that have been loaded
    with ProcessPoolExecutor(count, context, _begin, (counter,)) as pool:
        try:
            yield from pool.map(judge, *zip(*jobs))
        finally:
            pool.shutdown(cancel_futures=True)


def write(lab, filled):
    """returns the tree"""
    handout.write_tree(_tree, lab, filled)
    return _tree


def build(lab, builds=tuple(sanitizers.TARGETS), warnings=False):
    """
    returns where its programs are, those of the plain build. Unless `warnings`, each is an error: a
    starter has none.
    """
    targets = [sanitizers.TARGETS[name] for name in builds]
    status, output, _ = grading.make(
        _tree, "-j2", *targets, f"LAB={lab}", limits=sandbox.UNLIMITED
    )
    if status != 0 or ("warning:" in output and not warnings):
        raise grading.GraderError(f"lab {lab} doesn't build, or with warnings:\n{output}")
    return _bin_dir(_tree)
