"""One side of a fitted conversation: which real turn to say next, and in what words."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from understudy.conversations.text import tokens
from understudy.users.copy_guard import SPAN, CopyGuard
from understudy.users.entities import Entity, Filler, Gazetteer
from understudy.users.frustration import Frustration
from understudy.users.intents import NONE, IntentModel, leaving_odds, quarters
from understudy.users.labels import Labels, entities_as_said, labelled_kinds
from understudy.users.material import Floats, Ints, Material
from understudy.users.partner_learning import learn, turn_outcomes
from understudy.users.partner_model import PartnerModel
from understudy.users.phrases import PhraseBook, Piece, written
from understudy.users.retrieval import STYLE_NAMES, Neighbours, Styles, build_table, fit_styles, turn_style
from understudy.users.slots import SlotModel
from understudy.users.splicing import Splicer
from understudy.users.sway import Sway
from understudy.users.vectors import WordVectors
from understudy.users.weights import Weights

Guard = Literal["free", "guarded", "strict"]
BARRED: Mapping[Guard, int] = {"guarded": 8, "strict": 5}  # words of the shortest span that a setting keeps back
RARE = (0.04, 2, 10)  # share of units, and bounds: fewer use a word, and two such words in a row are kept back too
Rng = np.random.Generator

_NEAR = 40  # rows taken for their context
_KIN = 24  # rows taken for their speaker
_TEMPERATURE = 0.08


class Heard(NamedTuple):
    """What the other side has just said: its direction and its act (`NONE` if unknown)."""

    context: Floats
    act: int
    text: str


class Thread(NamedTuple):
    """Where a speaker stands: the session it follows, the step of it that is due, what it has said."""

    talk: int  # NONE: follows nobody yet
    due: int
    said: int
    topic: int
    previous: int  # intent
    used: tuple[int, ...]  # text keys
    row: int = NONE  # said last


class Line(NamedTuple):
    """A chosen turn: the row it came from, the text as it is to be said, whether it was reworded, its labels."""

    row: int
    text: str
    intent: str
    reworded: bool
    labels: Labels


class Speaker:
    """The engine of either role, derived from the stored material; shared by all sessions and never changed."""

    def __init__(
        self, material: Material, *, user_side: bool, embedded: Floats, gazetteer: Gazetteer, guard: Guard
    ) -> None:
        self.turns = material.turns
        self.embedded = embedded
        self.side = material.user if user_side else material.assistant
        self.other = material.assistant if user_side else material.user
        self.user_side = user_side
        self.guard = guard
        self.gazetteer = gazetteer
        self.seed = material.seed
        self._entities: dict[int, list[Entity]] = {}
        self.common = material.common
        self._stored = material.partner_model if user_side else None
        self.vectors = WordVectors({w: k for k, w in enumerate(material.words)}, material.matrix)
        self.table = build_table(self.turns, self.side, self.other, embedded, user_side=user_side)
        self.texts = [self.turns.texts[k] for k in self.table.corpus_row.tolist()]
        self.neighbours = Neighbours(self.table.before, self.side.centroids)
        t = self.table
        self.model = IntentModel(
            t.intent,
            t.previous,
            t.before_act,
            quarters(t.position, t.length),
            intents=len(self.side.labels),
            acts=len(self.other.labels),
        )
        self.weights = Weights() if user_side else Weights(thread=0.6, user=0.0, style=0.0)
        self.act_number = self._act_numbers() if self.other.from_acts else {}

    @cached_property
    def habits(self) -> npt.NDArray[np.float64]:
        return turn_style(self.texts)

    @cached_property
    def styles(self) -> Styles:
        return fit_styles(self.habits, self.table.user, int(self.turns.user_of_talk.max(initial=0)) + 1)

    def style_elsewhere(self, talk: int) -> dict[str, float]:
        """How the speaker of a session writes in all its other sessions, shrunk to everyone's ways."""
        order, begins = self.rows_by_user
        user = self.turns.user_of_talk[talk]
        rows = order[begins[user] : begins[user + 1]]
        rows = rows[self.table.talk[rows] != talk]
        means = (self.habits[rows].sum(axis=0) + 4 * self._usual) / (len(rows) + 4)
        return {name: round(float(value), 4) for name, value in zip(STYLE_NAMES, means, strict=True)}

    @cached_property
    def _usual(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.habits.mean(axis=0))

    @cached_property
    def rows_by_user(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.table.user, kind="stable")
        users = int(self.turns.user_of_talk.max(initial=0)) + 1
        return order, np.searchsorted(self.table.user[order], np.arange(users + 1))

    @cached_property
    def splicer(self) -> Splicer:
        units = self.table.user.tolist()
        share, least, most = RARE
        rare = min(max(round(share * len(set(units))), least), most)
        size = BARRED.get(self.guard, SPAN)
        guard = CopyGuard.of(zip(self.texts, units, strict=True), common=self.common, size=size, rare=rare)
        return Splicer(self.book, guard, self.table.own, self.table.user)

    @cached_property
    def departures(self) -> npt.NDArray[np.float64]:
        """Log odds ratios of the conversation ending by each act of the other side (index 0: no act)."""
        t = self.table
        over = t.position == t.length - 1
        return leaving_odds(t.before_act, t.position, over, acts=len(self.other.labels))

    @cached_property
    def frustration(self) -> Frustration:
        return Frustration(self.turns, self.table, self.vectors)

    @cached_property
    def partner_model(self) -> PartnerModel:
        """How this side takes the other one: as it is stored, else learned from the turns."""
        if self._stored is not None:
            return self._stored
        begins = np.searchsorted(self.turns.talk, np.arange(self.turns.n_talks + 1)).tolist()
        said = list(zip(self.turns.is_user.tolist(), self.turns.texts, strict=True))
        return learn([said[a:b] for a, b in itertools.pairwise(begins)])

    @cached_property
    def slots(self) -> SlotModel:
        return SlotModel(self)

    @cached_property
    def outcomes(self) -> npt.NDArray[np.float64]:
        """Length, politeness and delegation of each row, in the units of the partner model."""
        model = self.partner_model
        return np.asarray(turn_outcomes(self.texts, model.language) / np.array(model.units))

    def hear(self, text: str | None, acts: tuple[str, ...]) -> Heard:
        """The direction and the act of what was said; an unlabelled turn takes the act of its like."""
        if not text:
            return Heard(np.zeros(self.vectors.dimensions, dtype=np.float32), NONE, "")
        context = self.vectors.embed(text)
        act = self.act_number.get("+".join(sorted(set(acts))), NONE) if acts else NONE
        return Heard(context, act, text)

    @cached_property
    def sway(self) -> Sway:
        return Sway(self)

    def choose(
        self,
        thread: Thread,
        heard: Heard,
        *,
        closing: bool | None,
        rng: Rng,
        letdowns: Ints | None = None,
        lean: npt.NDArray[np.float64] | None = None,
    ) -> tuple[int, Heard]:
        """The row to say next. `closing` says whether this is to be the last thing said, where that is decided.

        `letdowns`, where the other side has let the speaker down, are the rows that real speakers said then: one
        of them is said, or what was said last in other words, and no step of the plan. `lean`: by how much likelier,
        in log odds, each row is said by the speaker's persona (`SlotModel.lean`) and view (`Sway.lean`).
        """
        rows, score, heard = self.weigh(thread, heard, closing, rng, letdowns)
        if lean is not None:
            score = score + lean[rows]
        return int(rows[(score + rng.gumbel(size=len(rows))).argmax()]), heard

    def weigh(
        self, thread: Thread, heard: Heard, closing: bool | None, rng: Rng, letdowns: Ints | None = None
    ) -> tuple[Ints, npt.NDArray[np.float64], Heard]:
        """Rows that may be said next, the log weight of each, and what was heard with its act."""
        t, w = self.table, self.weights
        near = self.neighbours.near(heard.context, t.topic, thread.topic, _NEAR, rng) if heard.text else _NO_ROWS
        if heard.act == NONE and len(near):
            acts = t.before_act[near[np.argsort(-(t.before[near] @ heard.context))[:5]]]
            acts = acts[acts >= 0]
            heard = heard._replace(act=int(np.bincount(acts).argmax()) if len(acts) else NONE)
        again = [] if letdowns is None else self._again(thread, letdowns, rng)
        rows = np.concatenate([near, *self._kin(thread, rng), *again])
        if not len(rows):
            rows = rng.integers(0, len(t.talk), _NEAR)
        score = w.context * (t.before[rows] @ heard.context)
        if thread.talk != NONE:
            step = t.position[rows] - thread.due
            pull = np.where(step >= 0, np.exp(-0.5 * step), 0.25 * np.exp(0.25 * np.minimum(step, 0)))
            if letdowns is None:
                score = score + w.thread * (t.talk[rows] == thread.talk) * pull
            if w.user:
                score = score + w.user * (t.user[rows] == self.turns.user_of_talk[thread.talk])
        if w.style and thread.talk != NONE:
            mine = self.styles.vectors[self.turns.user_of_talk[thread.talk]]
            gap = self.styles.vectors[t.user[rows]] - mine
            score = score - w.style * np.minimum((gap * gap).mean(axis=1), 4.0)
        if thread.topic >= 0:
            score = score + w.topic * (t.topic[rows] == thread.topic)
        planned = int(t.length[t.first_row[thread.talk]]) if self._follows(thread) else thread.said + 3
        way = min(thread.said / max(planned, 1), 1.0)
        score = score - w.way * np.abs(t.position[rows] / np.maximum(t.length[rows], 1) - way)
        score = score - w.edge * ((t.position[rows] == 0) != (thread.said == 0))
        if closing is not None:
            score = score - w.edge * ((t.position[rows] == t.length[rows] - 1) != closing)
        score = score + w.intent * self.model.log_probabilities(thread.previous, heard.act, way)[t.intent[rows]]
        if letdowns is not None:
            score = score + w.letdown * np.isin(rows, letdowns)
            if thread.row != NONE:
                score = score + w.again * (t.own[rows] @ t.own[thread.row])
        if thread.used:
            own = t.talk[rows] == thread.talk
            said = (t.text_key[rows][:, None] == np.array(thread.used)).any(axis=1)
            score = score - np.where(said, np.where(own & (letdowns is None), 0.5, 3.0), 0.0)
        return rows, score / _TEMPERATURE, heard

    def _follows(self, thread: Thread) -> bool:
        t = self.table
        return thread.talk != NONE and t.first_row[thread.talk] < t.first_row[thread.talk + 1]

    def _kin(self, thread: Thread, rng: Rng) -> list[Ints]:
        """The session that is followed, and turns of the same speaker from a like place in other sessions."""
        if thread.talk == NONE:
            return []
        t = self.table
        own = t.rows_of(thread.talk)
        if not self.weights.user:
            return [own]
        order, begins = self.rows_by_user
        user = self.turns.user_of_talk[thread.talk]
        low, high = int(begins[user]), int(begins[user + 1])
        if high - low <= len(own):
            return [own]
        start = low + int(rng.integers(0, high - low))
        others = order[np.arange(start, start + min(high - low, 8 * _KIN)) % (high - low) + low]
        others = others[(np.abs(t.position[others] - thread.said) <= 1) & (t.talk[others] != thread.talk)]
        return [own, others[:_KIN]]

    def _again(self, thread: Thread, letdowns: Ints, rng: Rng) -> list[Ints]:
        """Some of what was said after the like, and of what means the same as the turn said last."""
        alike = _NO_ROWS
        if thread.previous != NONE:
            order, begins = self._rows_by_intent
            alike = order[begins[thread.previous] : begins[thread.previous + 1]]
        return [some[rng.integers(0, len(some), _NEAR)] for some in (letdowns, alike) if len(some)]

    @cached_property
    def _rows_by_intent(self) -> tuple[Ints, Ints]:
        order: Ints = np.argsort(self.table.intent, kind="stable")
        return order, np.searchsorted(self.table.intent[order], np.arange(len(self.side.labels) + 1))

    def say(self, row: int, thread: Thread, heard: Heard, filler: Filler, rng: Rng) -> Line:
        """The chosen row with its entities filled in, in words that the guard lets pass."""
        intent = self.side.labels[int(self.table.intent[row])]
        own = int(self.table.talk[row]) == thread.talk
        surfaces = self._surfaces(row, heard, filler, own=own)
        text = self._filled(row, surfaces)
        if self.guard == "free":
            return Line(row, text, intent, False, self._labels(row, surfaces, text))
        splicer = self.splicer
        if splicer.guard.first_copy(tokens(text)) is None:
            return Line(row, text, intent, False, self._labels(row, surfaces, text))
        pieces = [p._replace(surface=surfaces.get(p.surface, p.surface)) for p in self.book.pieces_of(row)]
        said = splicer.reword(pieces, row, rng=rng)
        if said is None or splicer.guard.first_copy(tokens(text := written(said))) is not None:
            other, text = self._shorter(row, rng)
            return Line(row, text, intent, True, self._labels(other, {}, text))
        return Line(row, text, intent, True, self._labels(row, surfaces, text, said))

    def _labels(self, row: int, surfaces: dict[str, str], text: str, said: Sequence[Piece] = ()) -> Labels:
        """The labels of a row, as they hold of `text`; `said` are its pieces where some came from other rows."""
        at, turns = int(self.table.corpus_row[row]), self.turns
        brought = []
        if said and self._labelled:
            own = {surfaces.get(piece.surface, piece.surface) for piece in self.book.pieces_of(row)}
            named = [(self.book.kinds.get(piece.id, ""), piece.surface) for piece in said]
            brought = [pair for pair in named if pair[0] in self._labelled and pair[1] not in own]
        entities = entities_as_said(turns.mentions[at], surfaces, turns.texts[at], text, brought=brought)
        return Labels(turns.acts[at], entities, turns.satisfaction[at])

    @cached_property
    def _labelled(self) -> Collection[str]:
        return labelled_kinds(self.turns.mentions)

    def _act_numbers(self) -> dict[str, int]:
        """The label of each combination of the other side's acts, its rarest included."""
        rows = np.flatnonzero(self.turns.is_user != self.user_side).tolist()
        known: dict[str, int] = {}
        for row, label in zip(rows, self.other.label.tolist(), strict=True):
            known.setdefault("+".join(sorted(set(self.turns.acts[row]))), label)
        known.pop("", None)
        return known | {name: k for k, name in enumerate(self.other.labels)}

    def _surfaces(self, row: int, heard: Heard, filler: Filler, *, own: bool) -> dict[str, str]:
        """What the entities of a row become here, by their old surface; without those that stay."""
        before = int(self.table.before_row[row])
        told_then = self.turns.texts[before] if before >= 0 else ""
        named = self.entities_of(row)
        if not named or told_then == heard.text:
            return {}
        told_now = self.gazetteer.find(heard.text[:2000]) if heard.text else []
        taken: set[str] = set()
        surfaces: dict[str, str] = {}
        for entity in named:
            new = filler.fill(entity, told_then, told_now, heard.text, own=own, taken=taken)
            if new is not None and new != entity.surface:
                surfaces[entity.surface] = new
                taken.add(" ".join(new.lower().split()))
        return surfaces

    def _filled(self, row: int, surfaces: dict[str, str]) -> str:
        text: str = self.texts[row]
        for entity in reversed(self.entities_of(row) if surfaces else []):
            text = text[: entity.start] + surfaces.get(entity.surface, entity.surface) + text[entity.end :]
        return text

    def entities_of(self, row: int) -> list[Entity]:
        """The entities of one of the table's turns."""
        known = self._entities.get(row)
        if known is None:
            at = int(self.table.corpus_row[row])
            known = self._entities[row] = self.gazetteer.find(self.turns.texts[at], self.turns.mentions[at])
        return known

    def goal_entities(self, talk: int) -> list[tuple[str, str]]:
        """What the speaker of a session brought up unprompted."""
        goal: dict[tuple[str, str], None] = {}
        told = ""
        for row in self.table.rows_of(talk).tolist():
            before = int(self.table.before_row[row])
            told += "\n" + self.turns.texts[before].lower() if before >= 0 else ""
            for entity in self.entities_of(row):
                if entity.surface.lower() not in told:
                    goal[(entity.kind, entity.surface)] = None
        return list(goal)

    def prepare(self) -> None:
        """Work out now what is else worked out when it is first asked for, so that no reply waits for it."""
        _ = self._rows_by_intent, self._labelled
        if self.guard != "free":
            _ = self._short_by_intent

    @cached_property
    def book(self) -> PhraseBook:
        return PhraseBook(self.texts, [self.entities_of(row) for row in range(len(self.texts))])

    def _shorter(self, row: int, rng: Rng) -> tuple[int, str]:
        """Something short enough to be anybody's, of the same intent, and its row: the last resort of the guard."""
        order, begins = self._short_by_intent
        intent = int(self.table.intent[row])
        rows = order[begins[intent] : begins[intent + 1]]
        if not len(rows):
            rows = order
        if not len(rows):
            return row, written(self.book.pieces_of(row)[:4])
        rows = rows[rng.integers(0, len(rows), 32)]
        alike = self.table.own[rows] @ self.table.own[row]
        best = int(rows[int(alike.argmax())])
        return best, self.texts[best]

    @cached_property
    def _short_by_intent(self) -> tuple[Ints, Ints]:
        guard = self.splicer.guard
        told = [tokens(text) for text in self.texts]
        short = np.flatnonzero([len(words) < guard.widest and guard.first_copy(words) is None for words in told])
        order: Ints = short[np.argsort(self.table.intent[short], kind="stable")]
        return order, np.searchsorted(self.table.intent[order], np.arange(len(self.side.labels) + 1))


_NO_ROWS = np.zeros(0, dtype=np.int64)
