"""What a rater sent: read from the form, checked against the step that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs

from understudy.measures.pmq import POINTS
from understudy.measures.raters.records import RATING_ITEMS, RATING_POINTS
from understudy.web.panel.sessions import Line, Step

MOST_FIELDS = 64
LONGEST_MESSAGE = 1000
Points = dict[str, int | None]


class Fields(dict[str, str]):
    """The fields of a form; of one that comes twice the first, and nothing for one that did not come."""

    def __missing__(self, name: str) -> str:
        return ""


class Taken(NamedTuple):
    """An answer to keep, or what is wrong with it in words; `points` are what was ticked, to be shown again."""

    answer: Mapping[str, object] | None
    problem: str = ""
    points: Mapping[str, int | None] = {}
    missing: tuple[str, ...] = ()


def read_fields(body: bytes) -> Fields | None:
    """The fields of an urlencoded body; None where it is none."""
    try:
        found = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        return None
    return Fields({name: values[0] for name, values in found.items()})


def take(step: Step, fields: Fields, questionnaire: tuple[bool, tuple[Line, ...]] = (False, ())) -> Taken:
    """The answer to `step`, with what was shown: neither must have to be worked out again later."""
    if step.kind == "pair" and step.pair is not None:
        side = fields["side"]
        if side not in ("a", "b"):
            return Taken(None, "Choose conversation A or conversation B. Where you cannot tell, guess.")
        return Taken({"side": side, "pair": step.pair.name, "real_side": step.real_side})
    if step.kind == "rating":
        keys = tuple(item.key for item in RATING_ITEMS)
        return _points(fields, keys, RATING_POINTS, {"dialogue": step.dialogue})
    if step.kind == "pmq":
        mirrored, lines = questionnaire
        return _points(fields, tuple(line.key for line in lines), POINTS, {"mirrored": mirrored})
    return Taken({"read": True})


def _points(fields: Fields, keys: tuple[str, ...], most: int, shown: Mapping[str, object]) -> Taken:
    """Points by key, in the order shown. Lines may be left out, but only knowingly: at first they are pointed at."""
    points: Points = {}
    for key in keys:
        text = fields[key]
        points[key] = int(text) if text in {str(k) for k in range(1, most + 1)} else None
    missing = tuple(key for key in keys if points[key] is None)
    if missing and fields["leave"] != "yes":
        lines = "One line has" if len(missing) == 1 else f"{len(missing)} lines have"
        return Taken(None, f"{lines} no answer. Go to the first, or leave them so and go on.", points, missing)
    return Taken({"points": points, **shown})


def clean_message(text: str) -> str:
    """What a rater says in the chat: one line of at most a thousand characters.

    >>> clean_message(" hi\\r\\nthere\\x00 ")
    'hi there'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_MESSAGE]
