"""An event loop in a thread of its own, for callers that have none, or several."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines on one loop, whichever thread or loop asks: connections and limits of a model belong to one.

    The thread starts with the first coroutine and ends with `close`, with this object, or with the program.

    >>> async def three() -> int:
    ...     return 3
    >>> loop = BackgroundLoop()
    >>> loop.submit(three()).result()
    3
    >>> loop.close()
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Any = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """The result of `coroutine`, to be waited for."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_run, args=(self._loop,), name="understudy-people", daemon=True)
                self._stop = weakref.finalize(self, _stop, self._loop, thread)
                thread.start()
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """End the thread, once what runs there is done with; it starts again when it is needed."""
        with self._lock:
            if self._loop is not None:
                self._loop = None
                self._stop()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join(timeout=5)
