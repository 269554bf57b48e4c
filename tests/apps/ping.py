"""A thread of the app's own: it speaks once gate 0 opens, whatever the server does."""

import threading

from harness import event, wait_at
from looplab import App

sync_app = App()


def ping():
    wait_at(0)
    event("ping")


@sync_app.on_startup
def start():
    threading.Thread(target=ping, daemon=True).start()


@sync_app.get("/")
def hello(request):
    return "hello"
