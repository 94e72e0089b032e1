"""When a partner lets its user down, and what that does: events, a level, and the odds of leaving."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Conversation, Corpus, Turn
from understudy.measures import behaviour_lexicons as lexicons
from understudy.measures.behaviours import writing
from understudy.users.material import Bools, Floats, Ints, Turns
from understudy.users.vectors import WordVectors

if TYPE_CHECKING:
    from understudy.users.retrieval import TurnTable

NEAR_COPY = 0.98  # cosine from which two partner turns say the same
MISFITS = 0.05  # share of the real partner's turns that fit their user's worse than the threshold
USUAL = 0.95  # share of real turns at or below the level from which a user is frustrated
LEAST = 1.25  # level that nobody minds: an event that comes once in twenty turns alone
FEWEST = 100  # real replies from which fit is judged
SEEN = 0.99  # share of real turns at or below the level beyond which little can be learned
_KEPT = 0.5  # of the level, at a turn that lets nobody down
_RIDGE = 20.0
_COPIES = 4
_UNIT = math.log(20)  # an event as rare as one turn in twenty weighs 1
_HEAVIEST = 2.0
PRIOR_SLOPE = 2.5  # log odds of leaving for each unit above the usual level
PRIOR_LEAVERS = 50.0  # frustrated real departures that the prior counts for
_SAMPLE = 4000


class Events(NamedTuple):
    """What the partner's last turn did: how many of its own earlier turns it repeats, how many of these in a row up
    to now, whether it misfits, whether it fails."""

    copies: int
    running: int
    misfits: bool
    fails: bool


NOTHING = Events(0, 0, False, False)


class Said(NamedTuple):
    """A partner turn as later ones are compared with it."""

    key: str
    vector: Floats


class _Learned(NamedTuple):
    copies: npt.NDArray[np.float64]  # weight by number of copies
    running: npt.NDArray[np.float64]  # weight by number of copies in a row
    misfits: float
    fails: float
    usual: float
    slope: float
    seen: float  # units above the usual level up to which the slope is learned
    rows: tuple[Ints, ...]  # user turns after each kind of event


def plain(text: str) -> str:
    """As the word lists are matched."""
    return text.lower().replace("’", "'")


def _key(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


class Frustration:
    """How real users take it when their partner repeats itself, answers beside the point, or fails.

    An event weighs the logarithm of its rarity in the fitting data (one turn in twenty weighs 1), so that what the
    usual partner does often hardly counts. The level is their sum, halved at each turn without an event; `usual` is
    the level that one real turn in twenty exceeds, and at least `LEAST`. Above it, each unit multiplies the odds of
    leaving by `exp(slope / patience)`. The slope is learned from the real turns above it: the log odds ratio of
    leaving, given the position, a unit, shrunk to `PRIOR_SLOPE` as if by `PRIOR_LEAVERS` departures. Beyond the
    level that one real turn in a hundred exceeds there is little to learn from, and the slope is the prior's.
    Repeats and fit are read in any language, failures where there is a word list for them.
    """

    def __init__(self, turns: Turns, table: TurnTable, vectors: WordVectors) -> None:
        self.vectors = vectors
        self._table = table
        users = [text for text, mine in zip(turns.texts, turns.is_user, strict=True) if mine]
        some = users[:: max(1, len(users) // _SAMPLE)]
        kind = writing(Corpus([Conversation("words", tuple(Turn("user", text) for text in some))]))
        self.language = kind.language
        body = lexicons.partner_pattern(kind.language, "trouble")
        self._trouble = re.compile(body) if body else None
        self._closes = [re.compile(p) for n in ("thanks", "closing", "acknowledgement") if (p := self._list(n))]
        self._closing_intents = frozenset[int]() if self._closes else _closing_intents(table)
        self._map, self._low, misfits = _fit_replies(table)
        self._learned = self._learn(turns, body, misfits)
        sessions = int((table.position == 0).sum())
        self.hazard = math.log((sessions + 1) / (len(table.position) - sessions + 1))  # log odds at any one turn

    def _list(self, name: str) -> str | None:
        return lexicons.pattern(self.language, name)

    @property
    def usual(self) -> float:
        return self._learned.usual

    def log_odds_ratio(self, above: float) -> float:
        """What `above` units more than the usual level add to the log odds of leaving, at patience 1."""
        learned = self._learned
        return learned.slope * min(above, learned.seen) + PRIOR_SLOPE * max(above - learned.seen, 0.0)

    def closes(self, text: str, intent: int) -> bool:
        """Whether a user's turn closes, thanks or confirms: by word lists, else by an intent that ends sessions."""
        if self._closes:
            return any(pattern.search(plain(text)) for pattern in self._closes)
        return intent in self._closing_intents

    def events(self, text: str, vector: Floats, before: Sequence[Said], asked: Floats | None) -> tuple[Events, Said]:
        """What a partner turn does after its own turns `before` and the user's turn `asked`."""
        said = Said(_key(text), vector)
        same = [one.key == said.key or float(one.vector @ vector) >= NEAR_COPY for one in before]
        running = next((k for k, alike in enumerate(reversed(same)) if not alike), len(same))
        misfits = False
        if self._low is not None and asked is not None:
            told = before[-1].vector if before else np.zeros_like(vector)
            misfits = bool(_fit(self._map, asked[None], told[None], vector[None])[0] < self._low)
        fails = self._trouble is not None and self._trouble.search(plain(text)) is not None
        return Events(min(sum(same), _COPIES), min(running, _COPIES), misfits, fails), said

    def level(self, before: float, events: Events) -> float:
        """The level after `events`, from the level before."""
        weight = self._weight(events)
        return before + weight if weight > 0 else before * _KEPT

    def _weight(self, events: Events) -> float:
        learned = self._learned
        copies = max(learned.copies[events.copies], learned.running[events.running])
        return float(copies + events.misfits * learned.misfits + events.fails * learned.fails)

    def letdowns(self, events: Events, above: float) -> Ints | None:
        """Real user turns that followed events of these kinds, where the user takes them as a let-down: above its
        usual level, or at once where the partner says again what it has just said and seldom does."""
        if not any(events) or (above <= 0 and self._learned.running[events.running] < 1):
            return None
        return np.concatenate(
            [_NO_ROWS, *(rows for rows, seen in zip(self._learned.rows, events, strict=True) if seen)]
        )

    def _learn(self, turns: Turns, trouble: str | None, misfits: Bools) -> _Learned:
        t = self._table
        told = t.before_row >= 0
        texts = [turns.texts[k] for k in t.before_row[told].tolist()]
        copies, running = np.zeros((2, len(t.talk)), dtype=np.int64)
        copies[told], running[told] = _count_copies(t.talk[told], texts, t.before[told])
        fails = np.zeros(len(t.talk), dtype=bool)
        if trouble:
            import polars as pl

            low = pl.Series(texts, dtype=pl.String).str.to_lowercase().str.replace_all("’", "'")
            fails[told] = low.str.contains(trouble).to_numpy()
        n = int(told.sum())
        by_copies, by_running = _rarities(copies[told]), _rarities(running[told])
        by_misfit, by_failure = _rarity(int(misfits.sum()), n), _rarity(int(fails.sum()), n)
        after = tuple(np.flatnonzero(seen) for seen in (copies > 0, running > 0, misfits, fails))
        weight = np.maximum(by_copies[copies], by_running[running]) + misfits * by_misfit + fails * by_failure
        level = _levels(weight, t.position)
        usual = max(float(np.quantile(level[told], USUAL)), LEAST) if n else LEAST
        slope = _slope(level - usual, t.position, t.length)
        seen = max(float(np.quantile(level[told], SEEN)) - usual, 0.0) if n else 0.0
        return _Learned(by_copies, by_running, by_misfit, by_failure, usual, slope, seen, after)


_NO_ROWS = np.zeros(0, dtype=np.int64)


def _rarity(seen: int, of: int) -> float:
    return min(math.log((of + 1) / (seen + 0.5)) / _UNIT, _HEAVIEST) if 2 * seen < of else 0.0


def _rarities(copies: Ints) -> npt.NDArray[np.float64]:
    """The weight of each number of copies: how rare as many or more are."""
    return np.array([0.0, *(_rarity(int((copies >= k).sum()), len(copies)) for k in range(1, _COPIES + 1))])


def _answered(table: TurnTable) -> Ints:
    """User turns of which the partner's turn before answered an earlier one."""
    return np.flatnonzero((table.before_row >= 0) & (table.position > 0))


def _fit_replies(table: TurnTable) -> tuple[Floats, float | None, Bools]:
    """Where replies to a user's turn point, as a ridge regression; the fit below which few real replies lie; and
    which those are. Each half of the sessions is judged by what the other half teaches: a new partner's replies
    have taught nothing either."""
    rows = _answered(table)
    misfits = np.zeros(len(table.talk), dtype=bool)
    if len(rows) < FEWEST:
        return np.zeros((0, 0), dtype=np.float32), None, misfits
    asked, told, replied = table.own[rows - 1], table.before[rows - 1], table.before[rows]
    known = _known(asked, told)
    half = table.talk[rows] % 2 == 0
    fit = np.zeros(len(rows))
    for judged in (half, ~half):
        fit[judged] = _fit(_ridge(known[~judged], replied[~judged]), asked[judged], told[judged], replied[judged])
    low = float(np.quantile(fit, MISFITS))
    misfits[rows] = fit < low
    return _ridge(known, replied), low, misfits


def _ridge(known: Floats, replied: Floats) -> Floats:
    gram = known.T @ known + _RIDGE * np.eye(known.shape[1], dtype=np.float32)
    return np.asarray(np.linalg.solve(gram, known.T @ replied), dtype=np.float32)


def _known(asked: Floats, told: Floats) -> Floats:
    """What a reply is expected from: the user's turn, the partner's before it, and how they go together."""
    return np.hstack([asked, told, asked * told, np.ones((len(asked), 1), dtype=np.float32)])


def _fit(weights: Floats, asked: Floats, told: Floats, replied: Floats) -> Floats:
    """The cosine between each reply and the reply to be expected."""
    d = asked.shape[1]
    expected = asked @ weights[:d] + told @ weights[d : 2 * d] + (asked * told) @ weights[2 * d : -1] + weights[-1]
    length = np.sqrt((expected * expected).sum(axis=1))
    return np.asarray((expected * replied).sum(axis=1) / np.maximum(length, 1e-9))


def _count_copies(talk: Ints, texts: list[str], vectors: Floats) -> tuple[Ints, Ints]:
    """For each partner turn, how many earlier ones of its session it repeats, and how many in a row up to it."""
    copies, running = np.zeros((2, len(talk)), dtype=np.int64)
    if not len(talk):
        return copies, running
    _, key = np.unique(np.array([_key(text) for text in texts] or [""]), return_inverse=True)
    ends = [*(np.flatnonzero(np.diff(talk)) + 1).tolist(), len(talk)]
    begin = 0
    for end in ends:
        here = vectors[begin:end]
        same = (here @ here.T >= NEAR_COPY) | (key[begin:end, None] == key[None, begin:end])
        copies[begin:end] = np.tril(same, -1).sum(axis=1)
        other = np.tril(~same, -1)
        at = np.arange(end - begin)
        nearest = np.where(other.any(axis=1), end - begin - 1 - other[:, ::-1].argmax(axis=1), -1)
        running[begin:end] = at - nearest - 1
        begin = end
    return np.minimum(copies, _COPIES), np.minimum(running, _COPIES)


def _levels(weight: npt.NDArray[np.float64], position: Ints) -> npt.NDArray[np.float64]:
    """The level at each turn: all sessions a step at a time."""
    level = np.array(weight, dtype=np.float64)
    for step in range(1, int(position.max(initial=0)) + 1):
        rows = np.flatnonzero(position == step)
        before = level[rows - 1]
        level[rows] = np.where(weight[rows] > 0, before + weight[rows], before * _KEPT)
    return level


def _slope(excess: npt.NDArray[np.float64], position: Ints, length: Ints) -> float:
    over: Bools = position == length - 1
    hazard = np.bincount(position, weights=over) / np.maximum(np.bincount(position), 1)
    above = excess > 0
    seen, expected, n = float(over[above].sum()), float(hazard[position[above]].sum()), float(above.sum())
    ratio = math.log((seen + 1) / (expected + 1)) - math.log((n - seen + 1) / (n - expected + 1))
    mean = float(excess[above].mean()) if n else 1.0
    learned = min(max(ratio / max(mean, 0.25), 0.0), 2 * PRIOR_SLOPE)
    return (expected * learned + PRIOR_LEAVERS * PRIOR_SLOPE) / (expected + PRIOR_LEAVERS)


def _closing_intents(table: TurnTable) -> frozenset[int]:
    """Intents at least half of whose turns end their session, and twice as many as of all turns."""
    over = table.position == table.length - 1
    share = np.bincount(table.intent, weights=over) / np.maximum(np.bincount(table.intent), 1)
    usual = float(over.mean()) if len(over) else 1.0
    return frozenset(np.flatnonzero((share >= 0.5) & (share >= 2 * usual)).tolist())
