"""How likely is a turn a copy of the user it points at, and not the likeness that strangers have?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from understudy.measures.privacy.spans import Said, only
from understudy.measures.privacy.standing_out import Lead, leads
from understudy.measures.resampling import Floats, Ints

COPIED = 0.01  # the share of copies that the chances are told for
TOUCHED = 0.15  # of the words of a copy that was touched up, those replaced
MOST_STRANGERS, MOST_COPIES = 40_000, 6_000  # real turns that the odds are learned from
_LEADS = 13
_SHARES = (0.35, 0.6, 0.8, 0.99)


class CopyOdds(NamedTuple):
    """What is learned of the likeness of copies and of strangers, real users being told apart by nothing but number.

    `chance` is the chance that a turn is a copy where one in a hundred is, by its lead (0 to 12 and more) and the
    share of its spans in the nearest turn (in five classes). `drawn[u]` adds up these chances over the turns of
    other real users that point at user u: what strangers give away of a user by talking alike. `own` is the chance
    of each real turn, were it repeated word for word.
    """

    chance: Floats
    drawn: Floats
    own: Floats

    def of(self, found: Lead) -> Floats:
        """The chance of each turn to be a copy; 0 where it points at nobody."""
        kinds = _kinds(found)
        return np.where(found.owner >= 0, self.chance[kinds], 0.0)


def _kinds(found: Lead) -> tuple[np.ndarray, np.ndarray]:
    return np.minimum(found.lead, _LEADS - 1).astype(np.int64), np.digitize(found.share, _SHARES)


def _table(found: Lead, kept: np.ndarray) -> Floats:
    """Of all turns, the share of each kind among those `kept`."""
    table = np.zeros((_LEADS, len(_SHARES) + 1))
    np.add.at(table, tuple(side[kept] for side in _kinds(found)), 1.0)
    return table / max(len(found.owner), 1)


def _rows(them: Said, rows: Ints) -> Said:
    kept = np.zeros(len(them.length), dtype=bool)
    kept[rows] = True
    return only(them, kept)


def learn_odds(real: Said, *, rng: np.random.Generator) -> CopyOdds:
    """The odds of a copy by likeness, from real users alone.

    Strangers: real turns held against the turns of all other users. Copies: the same turns held against all users,
    their own included, half of them word for word and half with some words replaced by others.
    """
    own = leads(real, real, own=real.unit)
    order = rng.permutation(len(real.length))
    some, few = (_rows(real, order[:most]) for most in (MOST_STRANGERS, MOST_COPIES))
    strangers = leads(some, real, apart=some.unit)
    code = few.code.copy()
    changed = rng.random(len(code)) < TOUCHED
    code[changed] = rng.permutation(code)[: changed.sum()]
    touched = leads(few._replace(code=code), real)
    unlike = _table(strangers, (strangers.owner >= 0) & (strangers.lead > 0)) + 0.5 / len(some.length)
    verbatim = _table(own, own.lead > 0)
    alike = (verbatim + _table(touched, (touched.owner == few.unit) & (touched.lead > 0))) / 2
    chance = COPIED * alike / (COPIED * alike + unlike)
    odds = CopyOdds(chance, np.zeros(0), chance[_kinds(own)])
    drawn: Floats = np.bincount(np.maximum(strangers.owner, 0), odds.of(strangers), minlength=real.units).astype(float)
    return odds._replace(drawn=drawn)
