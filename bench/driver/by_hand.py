"""Figures that no command makes again: of builds that were changed for one question and not kept.
Each series says what was run, when, of which commit, and how good its figures are."""

from .tables import thousands


def _in_words(figure):
    if figure is None:
        return "-"
    if isinstance(figure, list):
        return " to ".join(map(thousands, figure))
    return f"{figure:.10g}"


def _series(data, name):
    return next(one for one in data["blocks"] if one["series"] == name)


def table(name):
    """The table of one series, as a function of the stored data."""

    def make(data):
        one = _series(data, name)
        rows = [[entry["what"], *map(_in_words, entry["figures"])] for entry in one["entries"]]
        return ["by hand", *one["columns"]], rows

    return make


def legend(data, name):
    one = _series(data, name)
    rounds = (f"{one['rounds']} rounds of {one['seconds']} s each" if one["rounds"] != 1 else
              f"{one['seconds']} s")
    return (f"By hand: {one['what']}. {one['command']}; {rounds} on {one['date']}, about commit "
            f"{one['commit']}; {one['intervals']}. No command makes these figures again.")
