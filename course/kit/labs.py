"""The labs: their folders, and the files that are the student's."""

import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

FOLDERS = {1: "lab1_single_loop", 2: "lab2_threadpool", 3: "lab3_sync_handlers"}

# What a student may change, and all that is taken from them. Each exists in the hand-out.
ALLOWED = {
    1: ["lab1_single_loop/dispatch.c", "common/bridge/completions.c"],
    2: ["lab2_threadpool/dispatch.c"],
    3: ["lab3_sync_handlers/dispatch.c"],
}
