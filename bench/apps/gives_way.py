"""A hello whose handler suspends once, so that its loop has to go on with it."""

import asyncio

from looplab import App

app = App()


@app.get("/")
async def hello(request):
    await asyncio.sleep(0)
    return "Hello, World!"
