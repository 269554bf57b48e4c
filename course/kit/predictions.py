"""What a student expects before measuring: the questions of each lab, and predictions-labN.md, a
table that is theirs to edit. Being right is never graded; having thought is."""

import datetime
import os

from .labs import ROOT

QUESTIONS = {
    0: [
        "Requests per second with 100 connections, as a share of those with 50?",
        "Mean latency with 100 connections, as a share of that with 50?",
    ],
    1: [
        "What share of a request's time does your Python handler take, with 1 connection?",
        "And with 100 connections?",
    ],
    2: [
        "Requests per second of lab 2 with one worker, as a share of lab 1's?",
        "The same with both pinned to one core?",
    ],
    3: [
        "Requests per second of /wait?ms=10 with 100 connections, on lab 1?",
        "And on lab 3?",
    ],
    4: [
        "Requests per second of lab 4 on /, as a share of lab 1's?",
        "The same on /wait?ms=0, whose handler gives way once?",
    ],
    5: [
        "Requests per second of /cpu?n=5000 with two workers, as a share of those with one?",
        "The same where they are threads of one interpreter (--isolation=threads)?",
    ],
}
_HEADER = "| question | I expect, because | measured |"


def path_of(lab):
    return os.path.join(ROOT, f"predictions-lab{lab}.md")


def read(lab):
    """[(question, expected, measured)]; empty where nothing has been predicted."""
    try:
        with open(path_of(lab), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    rows = []
    for line in lines[lines.index(_HEADER) + 2 :] if _HEADER in lines else []:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) >= 2:
            rows.append((*cells, "")[:3])
    return rows


def write(lab, rows):
    lines = [f"# Predictions for lab {lab}, {datetime.date.today()}", "", _HEADER, "|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    with open(path_of(lab), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
