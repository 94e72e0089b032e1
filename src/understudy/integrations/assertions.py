"""A test on transfer for other people's suites: it fails where the data do not show that training on them works."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from understudy.conversations import Conversation, Corpus

if TYPE_CHECKING:
    from understudy.measures.measurement import Measurement
    from understudy.transfer.task import Task

Talks = Corpus | Iterable[Conversation] | str | os.PathLike[str]


def assert_transfers(
    synthetic: Talks,
    real: Talks,
    *,
    task: Task | str,
    at_least: float = 0.0,
    real_train: Talks | None = None,
    seed: int = 0,
    size: int | None = None,
    redraws: int = 8,
    workers: int = 1,
) -> Measurement:
    """Pass where a model trained on `synthetic` is shown to work on real conversations; else `AssertionError`.

    What is held against `at_least` is the lower bound of the 95 % interval of gap closed, (S-B)/(I-B): 0 is training
    on nothing, 1 is training on real conversations. It has to lie above 0, and at `at_least` or higher. A gap that
    could not be scored does not pass, nor do users that were fitted to the people who test. `real` tests; `real_train`
    is what the in-domain arm trains on, by default half of `real`, by user. Corpora are given as such or by path.
    Returns the measurement. See `understudy transfer`, which shows the same with its arms.
    """
    __tracebackhide__ = True
    from understudy.conversations.splitting import split_corpus
    from understudy.transfer.gap_closed import gaps_closed
    from understudy.transfer.task import open_task

    whole = _corpus(real)
    if real_train is None:
        train, test = split_corpus(whole, (0.5, 0.5), seed=seed)
    else:
        train, test = _corpus(real_train), whole
    (found,) = gaps_closed(
        train,
        test,
        {"synthetic": _corpus(synthetic)},
        task=open_task(task) if isinstance(task, str) else task,
        seed=seed,
        size=size,
        redraws=redraws,
        workers=workers,
        whole=whole,
    )
    why = _why_not(found, at_least)
    if why:
        raise AssertionError(f"{found.name}: {why}{_told(found)}")
    return found


def _corpus(talks: Talks) -> Corpus:
    if isinstance(talks, Corpus):
        return talks
    if isinstance(talks, str | os.PathLike):
        from understudy.conversations.reading import read_corpus

        return read_corpus(talks).corpus
    return Corpus(list(talks))


def _why_not(found: Measurement, at_least: float) -> str:
    """Why the measurement does not show transfer; empty where it does."""
    from understudy.reports.bounds import held

    above, enough = held(found, ">", 0.0), held(found, ">=", at_least)
    if above.met and enough.met:
        return ""
    if found.interval is None or above.judged_on is None:
        return f"not shown to transfer, {above.reason}"
    low, high = found.interval
    wanted = f"{at_least:g} or more" if at_least > 0 else "above 0"
    verdict = "not shown to transfer" if high > at_least else "does not transfer"
    return f"{verdict}: gap closed {found.value:.2f} (95 % {low:.2f} to {high:.2f}); the lower bound has to be {wanted}"


def _told(found: Measurement) -> str:
    """The arms and the flags, a line each."""
    arms = found.evidence.get("arms", {"arm": [], "score": [], "low": [], "high": []})
    rows = zip(*(arms[name] for name in ("arm", "score", "low", "high")), strict=True)
    lines = [f"{name}: {score:.3f} ({low:.3f} to {high:.3f})" for name, score, low, high in rows]
    lines += [f"! {flag}" for flag in found.evidence.get("flags", ()) if flag != found.reason]
    return "".join(f"\n  {line}" for line in lines)
