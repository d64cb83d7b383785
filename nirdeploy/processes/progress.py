"""progress: how far a long piece of work is, told to whoever listens. By default nobody does, and it costs nothing.

The command line listens (``nirdeploy/cli/watch.py``); a program does with :func:`listening`::

    with listening(lambda what, done, total: print(what, done, total)):
        nd.simulate(built, x)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

#: Called with what is done ("simulating in float64, step"), how many are done, and of how many.
Listener = Callable[[str, int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)

T = TypeVar("T")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have ``listener`` told of all that is done inside, in this thread."""
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def tell(what: str, done: int, total: int) -> None:
    """``done`` of ``total`` are done."""
    if (listener := _listener.get()) is not None:
        listener(what, done, total)


def each(what: str, items: Sequence[T]) -> Iterator[T]:
    """The items one by one, each told when it is taken; what is done for one of them is not told of its own."""
    listener = _listener.get()
    if listener is None:
        yield from items
        return
    _listener.set(None)
    try:
        for number, item in enumerate(items):
            listener(what, number, len(items))
            yield item
    finally:
        _listener.set(listener)
