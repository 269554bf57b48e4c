"""The course's tools: hand-outs from markers, checks, the grader. Standard library only."""
