"""An app that fails while it is imported."""

from looplab import App

app = App()


def divide(a, b):
    return a / b


divide(1, 0)
