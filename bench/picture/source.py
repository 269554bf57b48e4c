"""A results file as it is found. It may be missing, damaged, of another version, or lack something:
then that is said, and the rest is used."""

import json
import math
import os
from dataclasses import dataclass, field

from driver import results
from driver.blocks import Configuration
from driver.reports import figures_of

LARGEST = 100 * 2**20  # bytes; no run comes near
# What a block of a run in rounds must have as a number; for kinds that aren't here, that is their
# own affair.
FIELDS = ("rps", "mean_us", "p50_us", "p99_us", "cpu_us")
IN_ROUNDS = {
    **dict.fromkeys(("reproduce", "pythons", "measure", "peers", "interpreters", "ladder",
                     "workloads", "crossover", "scaling", "compare", "eager"),
                    FIELDS + ("switches",)),
    "breakdown": FIELDS,
    "open-loop": ("requests", "outstanding", "cpu_us"),
}
EXPECTED = {kind: ("lab1", "lab2", "lab3") for kind in ("reproduce", "pythons", "breakdown")}


@dataclass
class Source:
    kind: str
    file: str  # its name, for the reader
    data: dict = None  # None: nothing of it can be used, `problem` says why
    problem: str = ""
    notes: list = field(default_factory=list)  # what lacks


def read(path, kind=None):
    """The file as a Source; of `kind`, or of the kind that it says it is."""
    source = Source(kind or "", os.path.basename(path))
    try:
        data = _parsed(path)
        source.problem = _unusable(data, kind)
        if not source.problem:
            source.kind = data["kind"]
            source.data = _sound(data, source.notes)
    except FileNotFoundError:
        source.problem = "there is no such file"
    except OSError as error:
        source.problem = f"can't be read: {error.strerror}"
    except (ValueError, RecursionError) as error:
        source.problem = f"is damaged: {str(error)[:120]}"
    return source


def _parsed(path):
    if os.path.isfile(path) and os.path.getsize(path) > LARGEST:
        raise ValueError(f"more than {LARGEST:,} bytes")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _unusable(data, kind):
    """Why nothing of it can be used, or "". Some kinds of early files had no version in them."""
    if not isinstance(data, dict):
        return "is no results file"
    version = data.get("schema_version")
    if version != results.SCHEMA_VERSION:
        return f"has schema version {version!r}; this program reads {results.SCHEMA_VERSION}"
    if data.get("kind") not in results.RECORDS:
        return f"holds a run of an unknown kind, {data.get('kind')!r}"
    if kind not in (None, data["kind"]):
        return f"holds a run of kind {data['kind']}, not {kind}"
    if not isinstance(data.get("blocks"), list) or not data["blocks"]:
        return "has no blocks: nothing was measured"
    if not isinstance(data.get("environment"), dict):
        return "doesn't say on what machine it was measured"
    return ""


# ---- What can be used ----------------------------------------------------------------------------


def _sound(data, notes):
    """The data with sound blocks only, and the configurations that have some."""
    fields = IN_ROUNDS.get(data["kind"])
    if fields is None:
        return data
    blocks = [block for block in data["blocks"] if _is_sound(block, fields)]
    if len(blocks) < len(data["blocks"]):
        notes.append(f"{len(data['blocks']) - len(blocks)} of {len(data['blocks'])} blocks are "
                     "damaged and left out")
    there = {block["key"] for block in blocks}
    configurations, lost = [], []
    planned = data.get("configurations")
    for one in planned if isinstance(planned, list) else []:
        key = _key(one)
        (configurations if key in there else lost).append(one)
        if key not in there:
            notes.append(f"nothing was measured of {key or repr(one)[:80]}")
    sound = {"left_out": {}, "unfit": {}, "missing": [], "groups": [], **data, "blocks": blocks,
             "configurations": configurations}
    _note_absent(sound, notes)
    return sound


def _key(configuration):
    try:
        found = Configuration(**configuration)
        return found.key if isinstance(found.server, str) else None
    except TypeError:
        return None


def _is_sound(block, fields):
    if not isinstance(block, dict):
        return False
    if not isinstance(block.get("key"), str) or not _is_number(block.get("round")):
        return False
    block.setdefault("rejected", [])
    block.setdefault("disturbed", False)
    return all(_is_number(block.get(name)) for name in fields)


def _is_number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value < 1e15 and math.isfinite(value)


def _note_absent(data, notes):
    there = {configuration["server"] for configuration in data["configurations"]}
    notes += [f"it lacks {lab}" for lab in EXPECTED.get(data["kind"], ()) if lab not in there]
    whole, begun = figures_of(data).rounds, {block["round"] for block in data["blocks"]}
    if whole < len(begun):
        notes.append(f"{whole} of {len(begun)} rounds are complete; only these are used")
