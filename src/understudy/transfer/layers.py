"""The layers of a plan, on or off: fitted users cast as a factorial of subtopic, persona, context and profile asks."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from understudy.conversations import Corpus, CorpusCard
from understudy.errors import UsageError
from understudy.rollouts.simulate import simulate
from understudy.scenarios.characteristics import READABLE
from understudy.scenarios.readings import UNREAD, choose_cuts, read_conversations
from understudy.scenarios.topics import induce_topics
from understudy.seeds import derive_seed, stream
from understudy.users.population import FittedPopulation, fit_population
from understudy.users.profile import Profile
from understudy.users.simulator import UserSimulator
from understudy.users.speaker import Guard

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LAYERS = ("subtopic", "persona", "context", "profile")
# What a persona is made of here: habits that no characteristic of the context reads.
ATTRIBUTES = (
    "n_words", "question", "lower_case", "no_final_mark", "exclamation", "several_sentences", "digits", "borrowed",
    "contractions", "explicit_preference", "polite", "acknowledgement", "positive", "boosters", "thanks", "greeting",
)  # fmt: skip
_SESSION = re.compile(r"-a(\d+)$")
_MOST_TOPICS = 24
_SUBTOPICS = 4
_OTHER_SUBTOPIC = 4.0  # squared distance; that of two sessions at random is 1 in either other layer
_TEMPERATURE = 0.1


class Sheet(NamedTuple):
    """What is known of each real session that may be cast: a row a session."""

    session: Ints  # its row in the corpus
    topic: Ints
    subtopic: Ints  # numbered over all topics
    persona: Floats  # standardised over users; 0 is the average user
    context: Floats  # level numbers of the readable characteristics, NaN where unread
    main_subtopic: Ints  # of each topic, its commonest subtopic
    usual_context: Floats  # the commonest level of each characteristic
    attributes: tuple[str, ...]


class LayeredUsers:
    """Users of a corpus under a plan of which each layer is on or off. A generator for `ablate`.

    For each conversation a topic is drawn as the corpus has them, and then, where the layer is on:

    - `subtopic`: one of the topic's subtopics (see `induce_topics`), by its share; off: always its commonest;
    - `persona`: the habits (`ATTRIBUTES`) of some user; off: those of the average user;
    - `context`: the levels of duration, emotion, formality, agreement, fillers, hedges, short turns and typos of
      some conversation; off: the commonest level of each;
    - `profile`: all of these, and the entities that the user has in mind, are those of one real session together;
      off: each is drawn from another session of the corpus, independently.

    So a layer that is off is held constant, not left to chance. The user is played by the fitted session that comes
    nearest: squared distances, of two random sessions 1 in persona and in context, a session drawn by
    `exp(-distance / 0.1)`. With all layers on that is the drawn session itself, and the users are the fitted users.
    The same seed draws the same values in every cell. The partner is the one fitted to the same corpus.

    >>> from understudy.conversations import Conversation, Turn
    >>> talks = [Conversation(str(k), (Turn("user", f"a {'big red'[k % 2:]} one"), Turn("assistant", "ok")), topic="t")
    ...          for k in range(24)]
    >>> generator = LayeredUsers(Corpus(talks), seed=0)
    >>> len(generator({"persona", "context"}, n=5, seed=1))
    5
    """

    def __init__(
        self, reference: Corpus, *, copy_guard: Guard = "free", seed: int, subtopics: int = _SUBTOPICS, workers: int = 1
    ) -> None:
        self._people = fit_population(reference, copy_guard=copy_guard, seed=seed)
        self._partner = self._people.partner()
        drawn = [self._people.draw(k, seed=0) for k in range(self._people.n_sessions)]
        self._profiles = {int(match[1]): p for p in drawn if (match := _SESSION.search(p.id))}
        self._workers = workers
        self.sheet = _sheet(reference, np.array(sorted(self._profiles), dtype=np.int64), subtopics, seed)
        self.identity = f"layered:{self._people.identity}"

    def __call__(self, on: Collection[str], *, n: int, seed: int, attributes: int | None = None) -> Corpus:
        """`n` conversations with the layers `on`; of the persona, only the first `attributes` (an order of the seed's).

        Conversations that a fault broke are left out. Raises `UsageError` for an unknown layer.
        """
        if unknown := set(on) - set(LAYERS):
            raise UsageError(
                f"there is no layer {sorted(unknown)[0]!r}",
                why="a layer is what a plan lets vary",
                fix=f"use {', '.join(LAYERS)}",
            )
        cast = _Cast(self._people, self._profiles, self.sheet, frozenset(on), attributes)
        done = simulate(cast, self._partner, n=n, seed=seed, workers=self._workers)
        return Corpus(done.conversations, CorpusCard(origin="synthetic", source=cast.identity))


class _Cast:
    """Simulated users of one cell."""

    def __init__(
        self,
        people: FittedPopulation,
        profiles: dict[int, Profile],
        sheet: Sheet,
        on: frozenset[str],
        attributes: int | None,
    ) -> None:
        self._people, self._profiles, self._sheet, self._on = people, profiles, sheet, on
        self._attributes = len(sheet.attributes) if attributes is None else attributes
        self.identity = f"{people.identity}|{'+'.join(sorted(on)) or 'none'}|{self._attributes}"

    @property
    def n_sessions(self) -> int:
        return len(self._sheet.session)

    def simulator(self) -> UserSimulator:
        return self._people.simulator()

    def draw(self, k: int, *, seed: int) -> Profile:
        sheet, on = self._sheet, self._on
        one = self._session("session", k, seed)
        # What a layer is taken from: the session itself where profiles stay whole, else another for each.
        habits, setting, wishes = (
            one if "profile" in on else self._session(what, k, seed) for what in ("persona", "context", "wishes")
        )
        topic = sheet.topic[one]
        subtopic = sheet.subtopic[one] if "subtopic" in on else sheet.main_subtopic[topic]
        persona = np.zeros(sheet.persona.shape[1])
        if "persona" in on:
            told = stream(seed, "attributes").permutation(len(persona))[: self._attributes]
            persona[told] = sheet.persona[habits, told]
        context = sheet.context[setting] if "context" in on else sheet.usual_context
        able = np.flatnonzero(sheet.topic == topic)
        away = _OTHER_SUBTOPIC * (sheet.subtopic[able] != subtopic).astype(float)
        away += np.square(sheet.persona[able] - persona).sum(axis=1) / (2 * max(sheet.persona.shape[1], 1))
        away += _misfit(sheet.context[able], context)
        noise = stream(seed, "casting", k).gumbel(size=self.n_sessions)[able]
        row = int(able[(noise - away / _TEMPERATURE).argmax()])
        return self._profile(row, one, wishes, k, seed)

    def _session(self, what: str, k: int, seed: int) -> int:
        """Every session once in a block of draws, in an order of the seed's."""
        block, at = divmod(k, self.n_sessions)
        return int(stream(seed, what, block).permutation(self.n_sessions)[at])

    def _profile(self, row: int, one: int, wishes: int, k: int, seed: int) -> Profile:
        found = self._profiles[int(self._sheet.session[row])]
        name = f"sim-{derive_seed(seed, 'user', k) % 10**6:06d}-{k:06d}"
        goal = found.goal
        if "profile" not in self._on and self._sheet.topic[wishes] == self._sheet.topic[one]:
            goal = msgspec.structs.replace(
                goal, entities=self._profiles[int(self._sheet.session[wishes])].goal.entities
            )
        anchor = int(self._sheet.session[row])
        return msgspec.structs.replace(found, id=f"{name}-a{anchor}", user_id=name, goal=goal)


def _misfit(levels: Floats, wanted: Floats) -> Floats:
    """Mean squared difference of levels, over what is read on both sides; that of random levels is about 1."""
    gap = np.square(levels - wanted)
    known = ~np.isnan(gap)
    total = np.where(known, gap, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(known.sum(axis=1), 1) / (4 / 3))


def _sheet(reference: Corpus, session: Ints, subtopics: int, seed: int) -> Sheet:
    topic = np.full(len(reference), -1, dtype=np.int64)
    subtopic = np.full(len(reference), -1, dtype=np.int64)
    found = induce_topics(reference, most=_MOST_TOPICS, subtopics=subtopics, seed=seed)
    begin = 0
    for number, each in enumerate(found):
        topic[each.rows] = number
        subtopic[each.rows] = begin + each.subtopic_of
        begin += len(each.subtopics)
    session = session[topic[session] >= 0]
    topic, subtopic = topic[session], subtopic[session]
    main = np.zeros(len(found), dtype=np.int64)
    for number in range(len(found)):
        mine = subtopic[topic == number]
        main[number] = np.bincount(mine).argmax() if len(mine) else 0
    read = read_conversations(reference)
    cuts = choose_cuts(read, {})
    levels = np.stack([read.levels(name, cuts)[session] for name in READABLE], axis=1)
    usual = [np.bincount(column[column != UNREAD], minlength=1).argmax() for column in levels.T]
    context = np.where(levels == UNREAD, np.nan, levels.astype(float))
    persona, names = _personas(reference, session)
    return Sheet(session, topic, subtopic, persona, context, main, np.array(usual, dtype=float), names)


def _personas(reference: Corpus, session: Ints) -> tuple[Floats, tuple[str, ...]]:
    """The habits of the user of each session over all its sessions, standardised over sessions."""
    import polars as pl

    from understudy.measures.behaviours import user_turn_behaviours

    _, unit = np.unique(reference.unit_ids, return_inverse=True)
    frame = user_turn_behaviours(reference)
    names = tuple(name for name in ATTRIBUTES if frame[name].is_not_null().any())
    member = unit[frame["conversation"].to_numpy()]
    columns = frame.select(pl.col(name).cast(pl.Float64) for name in names)
    table = np.zeros((int(unit.max()) + 1, len(names)))
    for j, name in enumerate(names):
        values = columns[name].to_numpy()
        if name == "n_words":
            values = np.log1p(values)
        known = ~np.isnan(values)
        total = np.bincount(member[known], values[known], minlength=len(table))
        count = np.bincount(member[known], minlength=len(table))
        # Few turns say little about a user: shrunk to everyone's mean by two turns' worth.
        mean = values[known].mean()
        table[:, j] = (total + 2 * mean) / (count + 2)
    mine = table[unit[session]]
    spread = mine.std(axis=0)
    vary = spread > 1e-9
    kept = tuple(name for name, varies in zip(names, vary, strict=True) if varies)
    return (mine[:, vary] - mine[:, vary].mean(axis=0)) / spread[vary], kept
