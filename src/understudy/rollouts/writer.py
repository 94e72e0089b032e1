"""One thread that commits: whatever is waiting when a commit ends goes into the next one."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

Rows = list[tuple[str, tuple[Any, ...]]]
_MOST_AT_ONCE = 2000  # statements of one commit


class _Waiting(NamedTuple):
    """Rows to commit, and who waits for them: a thread (`done`), or a coroutine (`here`), or nobody."""

    rows: Rows
    done: Future[None] | None = None
    here: asyncio.Future[None] | None = None


class Writer:
    """Hands rows to `commit` from one thread, in the order in which they came, and tells when they are in.

    A commit that fails fails all that was in it, and nothing after it is tried: what comes later may stand on it.

    >>> seen = []
    >>> writer = Writer(seen.append)
    >>> writer.put([("INSERT", (1,))]).result()
    >>> writer.close()
    >>> seen
    [[('INSERT', (1,))]]
    """

    def __init__(self, commit: Callable[[Rows], None]) -> None:
        self._commit = commit
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="understudy-journal", daemon=True)
        self._thread.start()

    def put(self, rows: Rows) -> Future[None]:
        """Have `rows` committed together; the future tells a thread."""
        done: Future[None] = Future()
        self._waiting.put(_Waiting(rows, done))
        return done

    def put_soon(self, rows: Rows) -> None:
        """Have `rows` committed together, with nobody waiting."""
        self._waiting.put(_Waiting(rows))

    async def write(self, rows: Rows) -> None:
        """Have `rows` committed together, and wait for it. One wake-up of the loop serves all of a commit."""
        here: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(rows, here=here))
        await here

    def close(self) -> None:
        """Commit what is waiting, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_still = True
        while open_still:
            batch = [self._waiting.get()]
            size = 0
            while size < _MOST_AT_ONCE and (last := batch[-1]) is not None:
                size += len(last.rows)
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            open_still = batch[-1] is not None
            self._settle([item for item in batch if item is not None])

    def _settle(self, batch: list[_Waiting]) -> None:
        if batch and self.failure is None:
            try:
                self._commit([row for item in batch for row in item.rows])
            except BaseException as error:  # noqa: BLE001 - handed to everyone who waits for it
                self.failure = error
        loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for _, done, here in batch:
            if here is not None:
                loops.setdefault(here.get_loop(), []).append(here)
            elif done is not None and done.set_running_or_notify_cancel():
                # Whoever waited and was cancelled is not told; the rows are in all the same.
                _tell(done, self.failure)
        for loop, futures in loops.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell_all, futures, self.failure)


def _tell(future: Future[None] | asyncio.Future[None], failure: BaseException | None) -> None:
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)


def _tell_all(futures: list[asyncio.Future[None]], failure: BaseException | None) -> None:
    for future in futures:
        if not future.done():  # cancelled: the rows are in all the same
            _tell(future, failure)
