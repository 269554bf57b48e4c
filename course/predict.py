#!/usr/bin/env python3
"""`make predict LAB=N`: write your predictions down before you measure; once they are written, it
shows them. `make reproduce` measures what they ask and puts it beside them."""

import sys

from kit import labs, predictions


def main():
    lab = labs.parser(__doc__).parse_args().lab
    path = predictions.path_of(lab)
    rows = predictions.read(lab)
    if rows:
        with open(path, encoding="utf-8") as file:
            print(file.read(), end="")
        return
    for question in predictions.QUESTIONS[lab]:
        try:
            answer = input(f"{question}\n  ").strip().replace("|", "/")
        except EOFError:
            answer = ""
        if not answer:
            sys.exit("predict: a prediction for every question, please")
        rows.append((question, answer, ""))
    predictions.write(lab, rows)
    print(f"kept in {path}; `make reproduce` fills in what came out")


if __name__ == "__main__":
    main()
