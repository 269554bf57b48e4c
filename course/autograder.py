#!/usr/bin/env python3
"""`make autograder LAB=N`: build/autograder/labN.zip, to be uploaded to Gradescope as it is."""

import os

from kit import bundle, labs


def main():
    lab = labs.parser(__doc__).parse_args().lab
    path = os.path.join(labs.ROOT, f"build/autograder/lab{lab}.zip")
    print(f"{path}: {bundle.write(lab, path)} files")


if __name__ == "__main__":
    main()
