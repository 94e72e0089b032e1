"""What a user turn does, as the slots of a persona see it: deeds, and the context that they are done in."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus
from understudy.conversations.text import tokens
from understudy.measures import behaviour_lexicons as lexicons
from understudy.users.intents import NONE, form_features
from understudy.users.material import Side, Turns, flatten
from understudy.users.retrieval import TurnTable, build_table

if TYPE_CHECKING:
    from understudy.users.speaker import Speaker

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LENGTH, LEAVES = "writes_long", "leaves"
MARKS = ("questions", "exclaims", "digits", "full_stops", "lower_case")
ITEM, INTENT = "item:", "intent:"
_FEWEST_NAMING = 60  # turns that name an item, below which items are not grouped
_GROUPS = 6
# Reactions, by the word lists that tell them (either of them); a language without a list has no such slot.
_REACTIONS = {
    "pushes_back": ("rejection", "negative"),
    "agrees": ("acknowledgement", "positive"),
    "polite": ("polite", "thanks"),
    "hedges": ("hedges",),
    "greets": ("greeting",),
    "asks_for": ("request",),
    "states_wishes": ("explicit_preference",),
}


class Rows(NamedTuple):
    """User turns, a row each, sessions in a row: `done` (n, K) with NaN where the deed could not be done; context;
    `starts` (S,) of the sessions, `talks` and `user_of_talk` (S,) theirs, `directions` (S, D) where their words lie."""

    names: tuple[str, ...]
    done: Array
    topic: Ints
    place: Ints
    act: Ints
    previous: Ints
    sizes: tuple[int, int, int]
    starts: Ints
    talks: Ints
    user_of_talk: Ints
    directions: Array


class DeedReader:
    """Reads deeds off turns by what a population was fitted to: its intents, its acts, its named things."""

    def __init__(self, speaker: Speaker) -> None:
        from understudy.users.partner_acts import language_of

        self._speaker = speaker
        self._form = form_features(speaker.texts)
        turns = speaker.turns
        begins = np.searchsorted(turns.talk, np.arange(turns.n_talks + 1)).tolist()
        said = list(zip(turns.is_user.tolist(), turns.texts, strict=True))
        language = language_of([said[a:b] for a, b in itertools.pairwise(begins)])
        patterns = {
            name: [p for part in parts if (p := lexicons.pattern(language, part))] for name, parts in _REACTIONS.items()
        }
        self.reactions = {name: found for name, found in patterns.items() if found}
        self.groups = _Items.of(speaker)
        intents = tuple(f"{INTENT}{name}" for name in speaker.side.labels)
        items = tuple(f"{ITEM}{k}" for k in range(self.groups.groups))
        self.names = (LENGTH, *MARKS, *self.reactions, LEAVES, *intents, *items)

    def done(self, texts: list[str], table: TurnTable, group: Ints) -> Array:
        """(n, K) what each turn of a table does."""
        import polars as pl

        words = np.array([len(tokens(text)) for text in texts], dtype=np.float64)
        form = form_features(texts)
        ends = [text.rstrip()[-1:] in (".", "。") for text in texts]
        lower = [not any(c.isupper() for c in text) for text in texts]
        marks = np.column_stack([form[:, 1], form[:, 2], form[:, 3], ends, lower]) if texts else np.zeros((0, 5))
        low = pl.Series(texts, dtype=pl.String).str.to_lowercase().str.replace_all("’", "'")
        reactions = []
        for bodies in self.reactions.values():
            found = np.zeros(len(texts), dtype=bool)
            for body in bodies:
                found |= low.str.contains(body).to_numpy()
            reactions.append(found)
        leaves = table.position == table.length - 1
        intents = table.intent[:, None] == np.arange(len(self._speaker.side.labels))
        items = np.where(group[:, None] == NONE, np.nan, group[:, None] == np.arange(self.groups.groups))
        columns = [np.log1p(words)[:, None], marks, *(r[:, None] for r in reactions), leaves[:, None], intents, items]
        return np.hstack([np.asarray(c, dtype=np.float64).reshape(len(texts), -1) for c in columns])

    def pool(self) -> Rows:
        """The engine's own turns, read as those of a log are."""
        return self._rows(self._speaker.turns, self._speaker.embedded)

    def read(self, corpus: Corpus) -> Rows:
        """The user turns of a log."""
        turns = flatten(corpus)
        return self._rows(turns, self._speaker.vectors.embed_many(turns.texts))

    def _rows(self, turns: Turns, embedded: npt.NDArray[np.float32]) -> Rows:
        s = self._speaker
        own, other = (self._labelled(turns, embedded, user=user) for user in (True, False))
        table = build_table(turns, own, other, embedded, user_side=True)
        at = table.corpus_row.tolist()
        texts = [turns.texts[k] for k in at]
        number = {name: k for k, name in enumerate(s.turns.topics)}
        known = np.array([number.get(name, NONE) for name in turns.topics] + [NONE], dtype=np.int64)
        done = self.done(texts, table, self.groups.read(texts, table, [turns.mentions[k] for k in at]))
        starts = np.flatnonzero(np.r_[True, table.talk[1:] != table.talk[:-1]]) if at else table.talk
        summed = np.add.reduceat(table.own, starts, axis=0) if at else table.own[:0]
        length = np.linalg.norm(summed, axis=1, keepdims=True)
        directions = np.asarray(summed / np.where(length > 0, length, 1.0), dtype=np.float64)
        sizes = (len(s.turns.topics), len(s.other.labels), len(s.side.labels))
        return Rows(
            self.names, done, known[table.topic], table.position, table.before_act, table.previous, sizes, starts,
            table.talk[starts], table.user[starts], directions,
        )  # fmt: skip

    def _labelled(self, turns: Turns, embedded: npt.NDArray[np.float32], *, user: bool) -> Side:
        """The side of a log with the population's labels: its acts where they are known, else the nearest centre."""
        s = self._speaker
        side = s.side if user else s.other
        mine = np.flatnonzero(turns.is_user == user)
        own = embedded[mine]
        pool = np.flatnonzero(s.turns.is_user == user)
        if not len(pool) or not len(mine):
            return side._replace(label=np.zeros(len(mine), dtype=np.int64))
        space, asked = s.embedded[pool], own
        if not side.from_acts:
            form = self._form if user else form_features([s.turns.texts[k] for k in pool.tolist()])
            spread = np.where(form.std(axis=0) > 0, form.std(axis=0), 1.0)
            new = form_features([turns.texts[k] for k in mine.tolist()])
            space = np.hstack([space, 0.5 * (form - form.mean(axis=0)) / spread])
            asked = np.hstack([own, 0.5 * (new - form.mean(axis=0)) / spread])
        size = np.bincount(side.label, minlength=len(side.labels))
        centres = np.zeros((len(side.labels), space.shape[1]))
        np.add.at(centres, side.label, space)
        centres /= np.maximum(size, 1)[:, None]
        far = (centres**2).sum(axis=1) - 2 * asked @ centres.T
        label = np.where(size > 0, far, np.inf).argmin(axis=1)
        if side.from_acts:
            number = {name: k for k, name in enumerate(side.labels)}
            for n, k in enumerate(mine.tolist()):
                label[n] = number.get("+".join(sorted(set(turns.acts[k]))), label[n])
        return side._replace(label=label.astype(np.int64))


class _Items(NamedTuple):
    """Groups of named things by the words that they are spoken of with; `of_surface` knows those of the population."""

    speaker: Speaker
    centres: Array
    of_surface: dict[str, int]

    @property
    def groups(self) -> int:
        return len(self.centres)

    @classmethod
    def of(cls, speaker: Speaker) -> _Items:
        nothing = cls(speaker, np.zeros((0, speaker.vectors.dimensions)), {})
        named: dict[str, list[int]] = {}
        for row in range(len(speaker.texts)):
            for entity in speaker.entities_of(row):
                if not entity.kind.startswith("number"):
                    named.setdefault(entity.surface.lower(), []).append(row)
        if sum(map(len, named.values())) < _FEWEST_NAMING or len(named) < 2 * _GROUPS:
            return nothing
        from sklearn.cluster import KMeans

        surfaces = sorted(named)
        space = np.stack([speaker.table.own[named[s]].mean(axis=0) for s in surfaces]).astype(np.float64)
        count = min(_GROUPS, len(np.unique(space, axis=0)))
        weight = np.array([len(named[s]) for s in surfaces], dtype=np.float64)
        model = KMeans(count, n_init=2, random_state=speaker.seed % 2**32).fit(space, sample_weight=weight)
        groups = dict(zip(surfaces, model.labels_.tolist(), strict=True))
        return cls(speaker, np.asarray(model.cluster_centers_), groups)

    def read(self, texts: list[str], table: TurnTable, mentions: list[tuple[tuple[str, str], ...]]) -> Ints:
        """The group of the first named thing of each turn, `NONE` without one."""
        find = self.speaker.gazetteer.find
        found = [self._group(find(text, said), own) for text, said, own in zip(texts, mentions, table.own, strict=True)]
        return np.array(found, dtype=np.int64)

    def _group(self, entities: list, own: npt.NDArray[np.float32]) -> int:  # type: ignore[type-arg]
        named = [e for e in entities if not e.kind.startswith("number")] if self.groups else []
        if not named:
            return NONE
        known = self.of_surface.get(named[0].surface.lower())
        return int(((self.centres - own) ** 2).sum(axis=1).argmin()) if known is None else known
