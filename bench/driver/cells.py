"""Finds a cell of a Markdown table again, for prose that states a figure of it."""


class CellError(Exception):
    """No cell or several answer to that name; the message is for the user."""


def _cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _tables(text):
    """The tables in a text: lists of rows, the headers first, without the rule below them."""
    table = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append(_cells(line))
        elif table:
            yield [table[0], *table[2:]]
            table = []


def _names(rows):
    """Each row by its first cell, and by "first > second" too; an empty first cell repeats."""
    first = ""
    for row in rows:
        first = row[0] or first
        yield {first, f"{first} > {row[1]}"} if row[0] else {f"{first} > {row[1]}"}, row


def find(text, row, column):
    """The figure in that row and column, without the interval that follows it."""
    found = [
        cells[table[0].index(column)]
        for table in _tables(text)
        if column in table[0]
        for names, cells in _names(table[1:])
        if row in names
    ]
    if len(found) != 1:
        raise CellError(f"{len(found)} cells answer to row {row!r}, column {column!r}")
    return found[0].partition(" (")[0].removesuffix(" !")
