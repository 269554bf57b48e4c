"""An app that the test holds up twice while it starts: in its import, and in its start-up hook."""

from harness import event, wait_at
from looplab import App

async_app = sync_app = App()


@async_app.on_startup
def hook():
    event("in the hook")
    wait_at(1)


event("in the import")
wait_at(0)
