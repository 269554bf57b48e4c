#!/usr/bin/env python3
"""`make grade LAB=N [FROM=DIR]`: grade the student's files of DIR. Prints the score table and
writes build/grade/labN/results.json. Exit status: 0 if it came to a grade, whatever that is."""

import os
import sys

from kit import grading, labs, running, sandbox


def main():
    parser = labs.parser(__doc__)
    parser.add_argument("--from", dest="student", default=labs.ROOT)
    parser.add_argument(
        "--leaderboard", action="store_true", help="with full marks: speed beside the solution's"
    )
    parser.add_argument("--verbose", action="store_true", help="say what failed")
    arguments = parser.parse_args()
    lab = arguments.lab
    results = os.path.join(labs.ROOT, f"build/grade/lab{lab}/results.json")
    if os.path.exists(results):
        os.remove(results)  # nobody shall take the last student's for this one's
    sandbox.adopt_orphans()
    try:
        graded = grading.grade(
            lab,
            arguments.student,
            leaderboard=arguments.leaderboard,
            show=lambda outcome: arguments.verbose and print(running.describe(outcome), flush=True),
        )
    except grading.GraderError as error:
        sys.exit(f"grade: {error}")
    for complaint in graded.complaints:
        print(complaint)
    print(grading.table(graded))
    for entry in graded.leaderboard:
        print(f"  {entry['name']}: {entry['value']}")
    print(grading.write_results(graded, lab))


if __name__ == "__main__":
    main()
