"""Reading a corpus for a verb: what could not be read is told on stderr, by line, before the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from understudy.errors import CorpusError, UsageError

if TYPE_CHECKING:
    from understudy.cli.output import Output
    from understudy.conversations import Corpus
    from understudy.conversations.reading import Reading

PROBLEMS_SHOWN = 5


def load_corpus(
    path: str, *, user_role: str | None, origin: Literal["real", "synthetic"], output: Output
) -> Corpus:
    """Read `path`, say what was left out, and insist on something to work with."""
    from understudy.conversations.reading import read_corpus

    reading = read_corpus(path, user_role=user_role, origin=origin)
    tell_problems(path, reading, output)
    if not len(reading.corpus):
        raise CorpusError(
            f"{path}: no conversation in it",
            why="there is nothing to learn from or to measure",
            fix="check that it is the right file; `understudy fit --help` lists the formats",
        )
    if not any(turn.role == "user" for talk in reading.corpus for turn in talk.turns):
        raise CorpusError(
            f"{path}: no turn by a user in {len(reading.corpus):,} conversation(s)",
            why="simulated users are fitted to, and measured on, what users say",
            fix="name the user's role with --user-role NAME",
        )
    return reading.corpus


def tell_problems(path: str, reading: Reading, output: Output) -> None:
    """Broken rows with file, line and reason; remarks of the reader."""
    broken = reading.problems
    if broken:
        output.warn(f"{path}: {len(broken):,} row(s) left out, {len(reading.corpus):,} read")
        for problem in broken[:PROBLEMS_SHOWN]:
            output.warn(f"  {problem}")
        if len(broken) > PROBLEMS_SHOWN:
            output.warn(f"  and {len(broken) - PROBLEMS_SHOWN:,} more")
    for remark in reading.notes:
        output.note(f"{path}: {remark}", "dim")


def describe(corpus: Corpus) -> str:
    """How much there is, in a line."""
    units = len(set(corpus.unit_ids.tolist()))
    turns = sum(turn.role == "user" for talk in corpus for turn in talk.turns)
    who = f"{units:,} users" if corpus.has_users else "users not named"
    return f"{len(corpus):,} conversations, {who}, {turns:,} user turns"


def refuse_same(real: str, synthetic: str) -> None:
    """A corpus held against itself says nothing; the floor inside the audit is the honest form of it."""
    first, second = Path(real), Path(synthetic)
    if first.exists() and second.exists() and first.samefile(second):
        raise UsageError(
            f"the real and the synthetic corpus are the same file: {synthetic}",
            why="an audit compares two sets of conversations",
            fix="give the synthetic file first and the real one with --real; real against real is in every report",
        )


def refuse_swapped(real: Corpus, real_path: str) -> None:
    """Conversations that a simulator wrote cannot stand for people."""
    simulated = sum(talk.profile is not None or talk.provenance is not None for talk in real)
    if simulated * 2 > len(real):
        raise UsageError(
            f"--real {real_path}: {simulated:,} of {len(real):,} conversations say that a simulator wrote them",
            why="the yardstick of an audit is what people said",
            fix="if the two files are swapped: understudy audit SYNTHETIC --real REAL",
        )
