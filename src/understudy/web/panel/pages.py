"""From a rater's step to a page: templates with everything escaped, no script, one style sheet."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from understudy.measures.pmq import POINTS
from understudy.measures.raters.records import RATING_ITEMS, RATING_LABELS
from understudy.web.panel.forms import LONGEST_MESSAGE, Taken
from understudy.web.panel.sessions import FEWEST_MESSAGES, MOST_MESSAGES, Design, Step, questionnaire_of, steps_of
from understudy.web.panel.storage import Chat

if TYPE_CHECKING:
    from jinja2 import Environment

# Control characters are no part of HTML, and overrides of writing direction could make a text look like another.
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
PARTS = {"pair": "Real or not", "rating": "Rating", "chat": "A conversation", "pmq": "Your impression"}
NOTHING_TAKEN = Taken(None)
NO_CHAT = Chat((), False)


@functools.cache
def style() -> str:
    """The report's style sheet, and what only the panel needs."""
    from importlib.resources import files

    report = (files("understudy.reports") / "templates" / "report.css").read_text("utf-8")
    return report + (files("understudy.web.panel") / "templates" / "panel.css").read_text("utf-8")


@functools.cache
def _environment() -> Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("understudy.web.panel"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _visible(value: object) -> object:
    return _UNSEEN.sub("\ufffd", value) if type(value) is str else value


def page(name: str, **context: Any) -> str:
    """The page `name`. Nothing in it comes from outside unescaped."""
    whole = {"code": "", "token": "", "problem": "", "progress": None, **context}
    return _environment().get_template(f"{name}.html.j2").render(whole)


def spaced(code: str) -> str:
    """A code as people copy it.

    >>> spaced("0123456789abcdef")
    '0123-4567-89ab-cdef'
    """
    return "-".join(code[k : k + 4] for k in range(0, len(code), 4))


def is_waiting(chat: Chat) -> bool:
    """Whether the partner has yet to answer."""
    return bool(chat.turns) and chat.turns[-1].role == "user"


def task_page(
    design: Design,
    rater: int,
    step: Step,
    *,
    code: str,
    token: str,
    taken: Taken = NOTHING_TAKEN,
    chat: Chat = NO_CHAT,
    fault: str = "",
) -> str:
    """The page of a step. Nothing on it tells which conversation is real: no name, no order, no mark."""
    steps = steps_of(design, rater)
    context: dict[str, Any] = {
        "code": spaced(code),
        "token": token,
        "step": step,
        "problem": taken.problem or fault,
        "ticked": taken.points,
        "missing": taken.missing,
        "progress": (step.number - 1, len(steps)),
        "part": PARTS.get(step.kind, "Before you begin"),
    }
    excerpts = design.stimuli.excerpts
    if step.kind == "pair":
        assert step.pair is not None
        sides = (step.pair.real, step.pair.other)
        left, right = sides if step.real_side == "a" else sides[::-1]
        context["talks"] = (("A", excerpts[left]), ("B", excerpts[right]))
    elif step.kind == "rating":
        context |= {"talk": excerpts[step.dialogue], "items": RATING_ITEMS, "labels": RATING_LABELS}
    elif step.kind == "chat":
        said = sum(turn.role == "user" for turn in chat.turns)
        context |= {
            "chat": chat.turns,
            "ended": chat.ended,
            "about": design.about,
            "waiting": is_waiting(chat),
            "may_say": said < MOST_MESSAGES and not chat.ended,
            "may_end": said >= FEWEST_MESSAGES or chat.ended,
            "still": max(FEWEST_MESSAGES - said, 0),
            "longest": LONGEST_MESSAGE,
        }
    elif step.kind == "pmq":
        context |= {"lines": questionnaire_of(design, rater)[1], "points": range(1, POINTS + 1)}
    else:
        kinds = [one.kind for one in steps]
        context |= {"pairs": kinds.count("pair"), "rated": kinds.count("rating"), "chats": "chat" in kinds}
    return page(step.kind, **context)
