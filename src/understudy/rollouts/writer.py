"""One thread that commits: whatever is waiting when a commit ends goes into the next one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Rows = list[tuple[str, tuple[Any, ...]]]
_MOST_AT_ONCE = 2000  # statements of one commit


class Writer:
    """Hands rows to `commit` from one thread, in the order in which they came; a `Future` tells when they are in.

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
        self._waiting: queue.SimpleQueue[tuple[Rows, Future[None]] | None] = queue.SimpleQueue()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="understudy-journal", daemon=True)
        self._thread.start()

    def put(self, rows: Rows) -> Future[None]:
        """Have `rows` committed together."""
        done: Future[None] = Future()
        self._waiting.put((rows, done))
        return done

    def close(self) -> None:
        """Commit what is waiting, then end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        open_still = True
        while open_still:
            batch = [self._waiting.get()]
            size = 0
            while size < _MOST_AT_ONCE and batch[-1] is not None:
                size += len(batch[-1][0])
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            open_still = batch[-1] is not None
            self._settle([item for item in batch if item is not None])

    def _settle(self, batch: list[tuple[Rows, Future[None]]]) -> None:
        if batch and self.failure is None:
            try:
                self._commit([row for rows, _ in batch for row in rows])
            except BaseException as error:  # noqa: BLE001 - handed to everyone who waits for it
                self.failure = error
        for _, done in batch:
            if not done.set_running_or_notify_cancel():
                continue  # Whoever waited was cancelled; the rows are in all the same.
            if self.failure is None:
                done.set_result(None)
            else:
                done.set_exception(self.failure)
