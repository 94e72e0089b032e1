"""From the journal of a run to a corpus file: sorted by id, and whole or not at all."""

from __future__ import annotations

import os

from understudy.conversations.writing import write_corpus
from understudy.errors import IncompleteError
from understudy.rollouts.journal import Journal


def export_journal(journal: Journal, path: str | os.PathLike[str], *, partial: bool = False) -> int:
    """Write the conversations that came through, in the order of their ids, and say how many.

    A run that was killed and gone on with gives, byte for byte, the file of one that was not, at any concurrency.
    The file appears when it is complete and on disk (`write_corpus`). A journal that lacks planned units raises
    `IncompleteError`, unless `partial`.

    >>> import asyncio, tempfile
    >>> from pathlib import Path
    >>> from understudy.conversations import Conversation, Ending, Turn
    >>> from understudy.rollouts.loop import Rollout
    >>> folder = Path(tempfile.mkdtemp())
    >>> with Journal.create(folder / "run", settings={}, ids=["a"]) as journal:
    ...     talk = Conversation("a", (Turn("user", "bye"),), ending=Ending("user", "done"))
    ...     asyncio.run(journal.finish(0, Rollout(talk)))
    ...     export_journal(journal, folder / "out.jsonl")
    1
    """
    done, planned = journal.finished, journal.planned
    if done < planned and not partial:
        raise IncompleteError(
            f"{done:,} of {planned:,} conversations are done",
            why="a file with less than was planned would look like a finished run",
            fix="go on with --resume",
        )
    return write_corpus(path, (r.conversation for r in journal.rollouts() if r.fault is None))
