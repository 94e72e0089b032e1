"""Do users take as long to answer as people, where it is known when turns were said; and what that time goes on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np

from understudy.conversations import Corpus, Turn
from understudy.conversations.text import tokens
from understudy.measures.distributions import Labels
from understudy.measures.measurement import Measurement, MeasureSpec, measure, unscored
from understudy.measures.relational.gaps import Sheet
from understudy.measures.relational.threads import kept_for
from understudy.measures.resampling import Floats

WAITED = ("latency_s", "response_time_s", "delay_s")  # seconds from the turn before to this one
STAMPS = ("timestamp", "time", "sent_at", "created_at", "date")
LONGEST = 24 * 3600.0  # beyond, somebody came back another day
FEWEST = 30
SPEC = MeasureSpec(
    name="relational.latency",
    question="real",
    asks="Do users take as long to answer as people?",
    unit="log seconds a reply, synthetic minus real; 0 = as people",
    range=(None, None),
    better="match",
    source="response latency in text chat, doi:10.1093/jcmc/zmy009",
)


class Waits(NamedTuple):
    """Replies whose latency is known: conversation, who replies, seconds, words read and words written."""

    conversation: Labels
    by_user: Any
    seconds: Floats
    read: Floats
    written: Floats


class LatencyModel(NamedTuple):
    """Seconds to a reply: `(start + per_word_read * read + per_word_written * written) * exp(spread * N(0, 1))`."""

    start: float
    per_word_read: float
    per_word_written: float
    spread: float
    replies: int

    def median(self, read: float, written: float) -> float:
        """The seconds that half of the replies take.

        >>> LatencyModel(2.0, 0.25, 0.5, 0.6, 100).median(8, 4)
        6.0
        """
        return self.start + self.per_word_read * read + self.per_word_written * written

    def draw(self, read: float, written: float, rng: np.random.Generator) -> float:
        """One latency."""
        return self.median(read, written) * float(np.exp(self.spread * rng.normal()))


def stamp_of(turn: Turn) -> float | None:
    """When a turn was said, in seconds, from its metadata: a number, or ISO 8601. None where that is not known.

    >>> stamp_of(Turn("user", "hi", meta={"timestamp": "2024-05-01T10:00:00Z"}))
    1714557600.0
    """
    for key in STAMPS:
        raw = turn.meta.get(key)
        if isinstance(raw, bool) or raw is None:
            continue
        if isinstance(raw, int | float):
            return float(raw) / (1000.0 if raw > 1e11 else 1.0)  # milliseconds since 1970
        try:
            return datetime.fromisoformat(str(raw)).timestamp()
        except ValueError:
            continue
    return None


def _waited(before: Turn, turn: Turn) -> float | None:
    for key in WAITED:
        raw = turn.meta.get(key)
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            return float(raw)
    first, second = stamp_of(before), stamp_of(turn)
    return None if first is None or second is None else second - first


def waits(real: Corpus, synthetic: Corpus) -> Waits:
    """Every reply of both sides, real first, that came after the other speaker's turn and within a day of it."""
    found: Waits = kept_for(real, synthetic, "waits", lambda: _waits(real, synthetic))
    return found


def _waits(real: Corpus, synthetic: Corpus) -> Waits:
    rows = []
    for number, talk in enumerate((*real, *synthetic)):
        for before, turn in zip(talk.turns, talk.turns[1:], strict=False):
            if before.role == turn.role or not (turn.meta or before.meta):
                continue
            seconds = _waited(before, turn)
            if seconds is not None and 0 < seconds <= LONGEST:
                words = (len(tokens(before.text)), len(tokens(turn.text)))
                rows.append((number, turn.role == "user", seconds, *words))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Waits(table[:, 0].astype(np.int64), table[:, 1] > 0, table[:, 2], table[:, 3], table[:, 4])


def fit_latency(seconds: Floats, read: Floats, written: Floats) -> LatencyModel | None:
    """Least squares in log seconds, all three coefficients at least 0; None of fewer than 30 replies.

    Robust (soft L1), so that who went for a coffee does not make everybody slow.
    """
    from scipy.optimize import least_squares

    if len(seconds) < FEWEST:
        return None
    columns = np.column_stack([np.ones_like(read), read, written])
    usual = float(np.median(seconds))
    first = np.array([usual / 2, usual / 4 / max(read.mean(), 1), usual / 4 / max(written.mean(), 1)])

    def off(coefficients: Floats) -> Floats:
        gap: Floats = np.log(np.maximum(columns @ coefficients, 1e-6)) - np.log(seconds)
        return gap

    found = least_squares(off, np.maximum(first, 1e-6), bounds=(0.0, np.inf), loss="soft_l1", x_scale=first + 1e-6)
    rest = off(found.x)
    spread = float(1.4826 * np.median(np.abs(rest - np.median(rest))))
    start, read_a_word, write_a_word = (float(x) for x in found.x)
    return LatencyModel(start, read_a_word, write_a_word, spread, len(seconds))


@measure(SPEC)
def latency(real: Corpus, synthetic: Corpus, *, rng: np.random.Generator, permutations: int = 999) -> Measurement:
    """Do users take as long to answer as people?

    Level: mean log seconds from the partner's turn to the user's reply, from the turns' metadata (seconds as
    `latency_s`, or the difference of two `timestamp`s, as numbers or ISO 8601); value: synthetic minus real, so that
    .69 is twice as slow. Parts: `spread`, the mean distance of log seconds from the people's mean; `partner`, the
    partner's latency. `evidence["model"]`: for both sides seconds = (start + a word read + a word written) with
    log-normal noise (`fit_latency`), which `LatencyModel.draw` draws from. Unscored where turns carry no times.

    >>> from understudy.conversations import Conversation
    >>> def side(seconds):
    ...     turns = (Turn("assistant", "Which one?"), Turn("user", "the red one", meta={"latency_s": seconds}))
    ...     return Corpus([Conversation(str(i), turns) for i in range(20)])
    >>> m = latency(side(8.0), side(2.0), rng=np.random.default_rng(0), permutations=99)
    >>> round(m.value, 2), m.p_value
    (-1.39, 0.01)

    Source: Lew, Walther, Pang & Shin (2018), doi:10.1093/jcmc/zmy009, where latency moderates contingency; the model is
    this project's.
    """
    found = waits(real, synthetic)
    if not len(found.seconds):
        return unscored(SPEC, real, synthetic, "no turn says when it was said (meta latency_s, or timestamp)")
    log = np.log(found.seconds)
    side = found.conversation >= len(real)
    people = found.by_user & ~side
    sheet = Sheet(SPEC, real, synthetic)

    def add(name: str, says: str, value: Floats, chosen: Any) -> None:
        sheet.ratio(name, says, found.conversation[chosen], value[chosen], unit="log seconds a reply")

    add("", "log seconds to a user reply", log, found.by_user)
    middle = float(log[people].mean()) if people.any() else 0.0
    add("spread", "distance of user replies' log seconds from people's mean", np.abs(log - middle), found.by_user)
    add("partner", "log seconds to a partner reply", log, ~found.by_user)
    models: dict[str, Mapping[str, float] | None] = {}
    for name, chosen in (("real", people), ("synthetic", found.by_user & side)):
        model = fit_latency(found.seconds[chosen], found.read[chosen], found.written[chosen])
        models[name] = None if model is None else {k: round(v, 4) for k, v in model._asdict().items()}
    return sheet.measured(rng, permutations, {"model": models})
