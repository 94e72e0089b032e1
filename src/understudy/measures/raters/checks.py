"""What no panel can have written: an answer that is not on its scale, or that somebody gave twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from understudy.measures.pmq import ATTENTION, ITEMS, POINTS
from understudy.measures.raters.records import RATING_ITEMS, RATING_POINTS, PanelRecord, Rater

MOST_SECONDS = 1e12  # a clock that was set while somebody answered is no reason to lose the answers
_LINES = {*(item.key for item in ITEMS), ATTENTION.key}
_STATEMENTS = {item.key for item in RATING_ITEMS}


def refuse_impossible(panel: PanelRecord) -> None:
    """Raise ValueError where a record cannot come from a panel: its numbers would be of nobody's answers.

    >>> refuse_impossible(PanelRecord(raters=(Rater("1", True), Rater("1", True))))
    Traceback (most recent call last):
    ValueError: there are two of rater '1'
    """
    if panel.withdrawn < 0:
        raise ValueError(f"{panel.withdrawn} raters withdrew")
    _once("rater", (rater.id for rater in panel.raters))
    for rater in panel.raters:
        try:
            _refuse(rater)
        except ValueError as error:
            raise ValueError(f"rater {rater.id!r}: {error}") from None


def _refuse(rater: Rater) -> None:
    filled = rater.questionnaire
    lines = filled.lines if filled is not None else ()
    _once("judgement of", (j.pair for j in rater.judgements))
    _once("rating of", ((r.dialogue, r.item) for r in rater.ratings))
    _once("answer to", (line.key for line in lines))
    for rating in rater.ratings:
        _known("statement", rating.item, _STATEMENTS)
        _on_scale(rating.item, rating.points, RATING_POINTS)
    for line in lines:
        _known("line of the questionnaire", line.key, _LINES)
        _on_scale(line.key, line.point, POINTS)
    timed = (*rater.judgements, *rater.ratings, *(() if filled is None else (filled,)))
    for answer in timed:
        if answer.seconds is not None and not abs(answer.seconds) <= MOST_SECONDS:
            raise ValueError(f"an answer took {answer.seconds:g} seconds")


def _once(what: str, names: Iterable[Any]) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise ValueError(f"there are two of {what} {name!r}")
        seen.add(name)


def _known(what: str, name: str, names: set[str]) -> None:
    if name not in names:
        raise ValueError(f"there is no {what} {name!r}")


def _on_scale(name: str, points: int | None, most: int) -> None:
    if points is not None and not 1 <= points <= most:
        raise ValueError(f"{name!r} is answered with {points}, on a scale of 1 to {most}")
