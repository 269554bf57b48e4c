"""What a run says while it runs: what is being measured, and how long it will take yet."""

import sys


class Progress:
    """One line that is written over on a terminal, one line a block elsewhere."""

    def __init__(self, seconds, stream=None):
        self.seconds_left = seconds  # as planned; the run takes off what it has done
        self.stream = stream or sys.stderr
        self.overwrite = self.stream.isatty()

    def show(self, what, round_number, rounds, note=""):
        minutes, seconds = divmod(max(0, round(self.seconds_left)), 60)
        left = f"about {minutes}:{seconds:02d} left"
        self._write(f"round {round_number}/{rounds}  {what:<44} {left}  {note}".rstrip())

    def say(self, line):
        """Something that stays."""
        self.clear()
        print(line, file=self.stream, flush=True)

    def clear(self):
        if self.overwrite:
            print("\r\033[K", end="", file=self.stream, flush=True)

    def _write(self, line):
        if self.overwrite:
            print(f"\r\033[K{line}", end="", file=self.stream, flush=True)
        else:
            print(line, file=self.stream, flush=True)
