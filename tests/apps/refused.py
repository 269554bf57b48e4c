"""Apps that no lab serves, each for its own reason, as pairs of an async and a sync one."""

from looplab import App


def pair(fill):
    """An async app and a sync one, filled by the same function."""
    apps = App(), App()
    for app, asynchronous in zip(apps, (True, False)):
        fill(app, asynchronous)
    return apps


def handler(asynchronous):
    async def async_handler(request):
        return "never served"

    def sync_handler(request):
        return "never served"

    return async_handler if asynchronous else sync_handler


def route(path):
    return pair(lambda app, asynchronous: app.get(path)(handler(asynchronous)))


def duplicate(app, asynchronous):
    app.get("/same")(handler(asynchronous))
    app.get("/same")(handler(asynchronous))


def hook(app, asynchronous):
    @app.on_startup
    def fails():
        raise LookupError("no database")


def method(app, asynchronous):
    app.route("/x", methods=("GET", "BREW"))(handler(asynchronous))


async_native, sync_native = route("/native/mine")
async_metrics, sync_metrics = route("/metrics")
async_pattern, sync_pattern = route("/users/{id}x")
async_slash, sync_slash = route("users")
async_duplicate, sync_duplicate = pair(duplicate)
async_hook, sync_hook = pair(hook)
async_method, sync_method = pair(method)

async_hook_in_sync = App()


@async_hook_in_sync.on_startup
async def connect():
    """Lab 3 has no loop to run it on."""


async def wrong_for_lab3(request):
    """Stands on a line that the message has to name."""


def wrong_without_async(request):
    """So does this one."""


async_wrong = App()
async_wrong.get("/wrong")(wrong_without_async)
sync_wrong = App()
sync_wrong.get("/wrong")(wrong_for_lab3)
