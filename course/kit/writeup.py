"""The pointers from the code to the write-up, which no hand-out holds: there they are left out."""

import re

# The last paragraph of a file's opening comment, in one line.
POINTER = re.compile(r'\n \*\n \* In the write-up: WRITEUP\.md, "([^"\n]+)"\.(?=\n)')


def without_pointer(text):
    return POINTER.sub("", text)
