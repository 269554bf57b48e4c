#!/usr/bin/env python3
"""`make handout LAB=N`: build/handout/labN/, the starter tree of a lab, and its tarball."""

import os
import sys

from kit import handout, labs, markers


def main():
    lab = labs.parser(__doc__).parse_args().lab
    folder = os.path.join(labs.ROOT, "build/handout")
    tree = os.path.join(folder, f"lab{lab}")
    try:
        gaps = markers.gaps_of(labs.ROOT, lab)
        paths = handout.write_tree(tree, lab)
    except markers.MarkerError as error:
        sys.exit(str(error))
    handout.write_tarball(tree, paths, f"{tree}.tar.gz")
    for gap in gaps:
        print(f"  step {gap.step}  {gap.file}: {gap.title} ({len(gap.solution)} lines)")
    if not gaps:
        sys.exit(f"lab {lab} has no markers: there is nothing to hand out")
    print(f"{tree}: {len(paths)} files; {tree}.tar.gz")


if __name__ == "__main__":
    main()
