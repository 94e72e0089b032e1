"""How a view of the partner moves a speaker: in what it says, and in when it leaves."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from understudy.seeds import stream
from understudy.users.intents import NONE
from understudy.users.tilting import Array, Choices, tilt

if TYPE_CHECKING:
    from understudy.users.retrieval import TurnTable
    from understudy.users.speaker import Speaker

_SAMPLE = 300
_PRIOR_SESSIONS = 5.0  # of the usual chance of leaving, at any place
_STEP = 0.02  # standard deviations; shifts are rounded to it, so that their weights are worked out once


class Sway:
    """What to weigh a speaker's turns with so that it writes longer, politer, or asks for more by so much on average;
    and when people leave, which is what a view multiplies the odds of.

    At most moments a speaker has one thing to say, its plan, and whatever is added to the weights it says it. What
    weights do therefore shows only over many moments: turns of the real sessions, each answered by somebody who follows
    another session of that topic, without the session that the moment is from.
    """

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._known: dict[tuple[int, ...], Array] = {}
        self._usual = _log_odds(speaker.table)

    @cached_property
    def choices(self) -> Choices:
        """The moments."""
        return _choices(self._speaker)

    def lean(self, shift: Array) -> Array:
        """By how much likelier each row is said, in log odds, for a mean `shift` of outcomes in standard deviations."""
        key = tuple(int(k) for k in np.rint(shift / _STEP))
        weights = self._known.get(key)
        if weights is None:
            weights = self._known[key] = tilt(self.choices, np.array(key) * _STEP)
        lean: Array = self._speaker.outcomes @ weights
        return lean

    def leaving(self, said: int) -> float:
        """Log odds at which people leave after so many turns of theirs, of those still there."""
        return float(self._usual[min(said, len(self._usual) - 1)])


def _log_odds(table: TurnTable) -> Array:
    """By turns said; the last entry stands for all later ones. Who has the last word leaves with it, not after it."""
    length = np.diff(table.first_row)
    ends = (length - table.spoke_last)[length > 0]
    left = np.bincount(ends, minlength=2).astype(np.float64)
    there = left[::-1].cumsum()[::-1]
    usual = left.sum() / max(there.sum(), 1.0)
    chance = (np.r_[left, 0.0] + _PRIOR_SESSIONS * usual) / (np.r_[there, 0.0] + _PRIOR_SESSIONS)
    chance = np.clip(chance, 1e-3, 1 - 1e-3)
    odds: Array = np.log(chance / (1 - chance))
    return odds


def _choices(speaker: Speaker) -> Choices:
    from understudy.users.speaker import Thread

    t, topic_of = speaker.table, speaker.turns.topic_of_talk
    heard_rows = np.flatnonzero(t.before_row >= 0)
    some = heard_rows[:: max(1, len(heard_rows) // _SAMPLE)].tolist()
    length = np.diff(t.first_row)
    score, features, first, count = [np.zeros(0)], [np.zeros((0, 3))], [], 0
    for row in some:
        rng = stream(speaker.seed, "sway", row)
        talk, place = int(t.talk[row]), int(t.position[row])
        able = np.flatnonzero((length > place) & (topic_of == topic_of[talk]))
        able = able[able != talk]
        if not len(able):
            continue
        other = int(able[rng.integers(len(able))])
        told = int(t.before_row[row])
        heard = speaker.hear(speaker.turns.texts[told], speaker.turns.acts[told])
        closing = place == length[other] - 1 if t.spoke_last[other] else None
        last = row - 1 if place else NONE
        thread = Thread(other, place, place, int(topic_of[talk]), int(t.previous[row]), (), last)
        rows, weights, _ = speaker.weigh(thread, heard, closing, rng)
        kept = t.talk[rows] != talk
        if kept.any():
            score.append(weights[kept])
            features.append(speaker.outcomes[rows[kept]])
            first.append(count)
            count += int(kept.sum())
    return Choices(np.concatenate(score), np.concatenate(features), np.array(first, dtype=np.int64))
