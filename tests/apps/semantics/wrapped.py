"""Handlers that are no plain coroutine functions."""

import asyncio
import collections.abc
import functools

from .serving import async_app, soon


class Stepped(collections.abc.Coroutine):
    """What a compiler's coroutines look like: it has the methods, and not the type."""

    def __init__(self, inner):
        self.send, self.throw, self.close = inner.send, inner.throw, inner.close

    def __await__(self):
        return self

    def send(self, value):
        raise NotImplementedError

    throw = close = send


def returning(make):
    """A route whose handler is wrapped, so that it returns what `make` makes of its coroutine."""

    def decorate(handler):
        @functools.wraps(handler)
        def wrapper(request):
            return make(handler(request))

        return async_app.get(f"/{handler.__name__}")(wrapper)

    return decorate


def instead(value):
    def make(coroutine):
        coroutine.close()
        return value() if callable(value) else value

    return make


@returning(Stepped)
async def stepped(request):
    asyncio.current_task()
    return await soon("stepped")


@returning(instead("no coroutine"))
async def a_value(request):
    pass


@returning(instead(lambda: asyncio.get_running_loop().create_future()))
async def a_future(request):
    pass
