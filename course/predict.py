#!/usr/bin/env python3
"""`make predict LAB=N`: write your predictions down before you measure; once they are written, it
shows them, beside the place for what came out. Being right is never graded; having thought is."""

import argparse
import datetime
import os
import sys

from kit import labs

QUESTIONS = {
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
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lab", choices=["1", "2", "3"], help="LAB=1, 2 or 3")
    lab = int(parser.parse_args().lab)
    path = os.path.join(labs.ROOT, f"predictions-lab{lab}.md")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            print(file.read(), end="")
        return
    lines = [f"# Predictions for lab {lab}, {datetime.date.today()}", ""]
    lines += ["| question | I expect, because | measured | so |", "|---|---|---|---|"]
    for question in QUESTIONS[lab]:
        try:
            answer = input(f"{question}\n  ").strip().replace("|", "/")
        except EOFError:
            sys.exit("\npredict: a prediction for every question, please")
        lines.append(f"| {question} | {answer} | | |")
    with open(path, "x", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print(f"kept in {path}; the measured column is yours to fill in")


if __name__ == "__main__":
    main()
