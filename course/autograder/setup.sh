#!/bin/sh
#
# Gradescope runs this once, as root, when it builds the image: what is needed gets installed, and
# an empty submission is graded, so that all that isn't a student's is compiled by then.

set -eu
cd "$(dirname "$0")"
course/setup.sh
python3 course/grade.py {N} --from "$(mktemp -d)"
