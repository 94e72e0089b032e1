"""Fitting a population of simulated users to real conversations."""

from __future__ import annotations

from functools import cached_property, lru_cache
from pathlib import Path
from typing import get_args

import numpy as np

from understudy.conversations import Corpus
from understudy.errors import SimulatorError, UsageError
from understudy.seeds import stream
from understudy.users.copy_guard import calibrate
from understudy.users.entities import Gazetteer
from understudy.users.fitted import FittedPartner, FittedUser
from understudy.users.intents import label_turns
from understudy.users.kinds import now_holds
from understudy.users.material import Floats, Ints, Material, Side, flatten
from understudy.users.partner_model import PartnerModel
from understudy.users.profile import Goal, Persona, Profile
from understudy.users.retrieval import fit_cells
from understudy.users.speaker import Guard, Speaker
from understudy.users.storage import load_material, save_material
from understudy.users.vectors import WordVectors, fit_vectors

_MOST_WANTED = 12  # entities of a goal


def fit_population(corpus: Corpus, *, copy_guard: Guard = "guarded", seed: int) -> FittedPopulation:
    """Learn simulated users, and their usual partner, from real conversations: on a CPU, without a language model.

    `copy_guard` says how much real wording the users may repeat: `free` lets whole turns through, `guarded` no span
    of eight words that fewer than two units of the corpus used, `strict` none of five; neither says two words in a row
    that both are rare and that only one unit put together (see `CopyGuard`). Raises `SimulatorError` where no
    user speaks.

    >>> from understudy.conversations import Conversation, Turn
    >>> talk = (Turn("assistant", "Hello?"), Turn("user", "hi"))
    >>> population = fit_population(Corpus([Conversation(id=str(k), turns=talk) for k in range(3)]), seed=0)
    >>> profile = population.draw(0, seed=1)
    >>> population.n_sessions, profile.opens, profile.user_id.startswith("sim-")
    (3, False, True)
    """
    turns = flatten(corpus)
    if not turns.is_user.any():
        raise SimulatorError(
            f"none of the {len(corpus)} conversations has a user turn",
            why="users are fitted to what users said",
            fix="check the corpus, or name the user's role with --user-role",
        )
    vectors = fit_vectors(turns.texts, seed=seed)
    embedded = vectors.embed_many(turns.texts)
    sides = {}
    for user_side in (True, False):
        mine = np.flatnonzero(turns.is_user == user_side).tolist()
        names, label, from_acts = label_turns(
            [turns.texts[k] for k in mine], [turns.acts[k] for k in mine], embedded[mine], seed=seed
        )
        before = [k - 1 for k in mine if k and turns.talk[k - 1] == turns.talk[k] and turns.is_user[k - 1] != user_side]
        sides[user_side] = Side(names, label, fit_cells(embedded[before], seed=seed), from_acts)
    said = [
        (text, int(turns.user_of_talk[talk]))
        for text, talk, is_user in zip(turns.texts, turns.talk, turns.is_user, strict=True)
        if is_user
    ]
    common, shared = calibrate(said)
    words = list(vectors.rows)
    material = Material(turns, words, vectors.matrix, sides[True], sides[False], common, shared, seed, corpus.digest)
    return FittedPopulation(material, copy_guard=copy_guard, embedded=embedded)


def load_population(folder: str | Path, *, copy_guard: Guard | None = None) -> FittedPopulation:
    """A population that `save` wrote, at the setting of the copy guard that it was saved with or at another."""
    material, saved = load_material(Path(folder))
    return FittedPopulation(material, copy_guard=copy_guard or checked_guard(saved))


def checked_guard(name: str) -> Guard:
    """The setting of that name, or what the settings are."""
    for known in get_args(Guard):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise UsageError(
        f"{name!r} is no setting of the copy guard",
        why="it says whether long spans of real text may be repeated",
        fix="use 'guarded' (the default), 'strict' or 'free'",
    )


class FittedPopulation:
    """Simulated users with the distribution of real ones.

    The k-th profile stands for one real session's user, topic and intentions: a block of `n_sessions` draws holds
    each session once, in an order of the seed's, so that sessions per user and what users differ in are kept.
    """

    def __init__(self, material: Material, *, copy_guard: Guard, embedded: Floats | None = None) -> None:
        self.material = material
        self.copy_guard: Guard = copy_guard
        vectors = WordVectors({w: k for k, w in enumerate(material.words)}, material.matrix)
        self._embedded = vectors.embed_many(material.turns.texts) if embedded is None else embedded
        self._gazetteer = Gazetteer.of(material.turns.texts, material.turns.mentions)
        self._speaker = self._side(user_side=True)
        first = self._speaker.table.first_row
        self._able: Ints = np.flatnonzero(first[1:] > first[:-1])
        self.identity = f"fitted:{copy_guard}:{material.corpus_digest[:12]}:{material.seed}"
        self._order = lru_cache(maxsize=8)(self._permuted)

    @cached_property
    def _counterpart(self) -> Speaker:
        return self._side(user_side=False)

    def _side(self, *, user_side: bool) -> Speaker:
        return Speaker(
            self.material,
            user_side=user_side,
            embedded=self._embedded,
            gazetteer=self._gazetteer,
            guard=self.copy_guard if user_side else "free",
        )

    @property
    def n_sessions(self) -> int:
        return len(self._able)

    def with_guard(self, copy_guard: Guard) -> FittedPopulation:
        """The same population at another setting of the copy guard."""
        if copy_guard == self.copy_guard:
            return self
        return FittedPopulation(self.material, copy_guard=copy_guard, embedded=self._embedded)

    def save(self, folder: str | Path) -> None:
        """Write the population as JSON and Parquet. The folder holds the real turns: keep it as you keep them."""
        self.write(Path(folder))
        now_holds(Path(folder), "population.json")

    def write(self, folder: Path) -> None:
        """Write what was fitted, and leave alone whatever stands beside it."""
        material = self.material._replace(partner_model=self.partner_model)
        save_material(material, folder, copy_guard=self.copy_guard)

    @property
    def speaker(self) -> Speaker:
        """The engine of the users."""
        return self._speaker

    @property
    def partner_model(self) -> PartnerModel:
        """How these users take a partner, for those that hold a view of it (`Profile.partner_belief`)."""
        return self._speaker.partner_model

    def with_partner_model(self, model: PartnerModel) -> FittedPopulation:
        """The same users with another partner model, for example one fitted to good and bad arms."""
        material = self.material._replace(partner_model=model)
        return FittedPopulation(material, copy_guard=self.copy_guard, embedded=self._embedded)

    def _permuted(self, seed: int, block: int) -> Ints:
        return stream(seed, "population", block).permutation(self._able)

    def draw(self, k: int, *, seed: int) -> Profile:
        block, at = divmod(k, self.n_sessions)
        return self.profile(int(self._order(seed, block)[at]), block)

    def profile(self, talk: int, block: int = 0) -> Profile:
        """The profile of one real session of the material; `block` tells the people of one round from the next's."""
        turns, speaker = self.material.turns, self._speaker
        user = int(turns.user_of_talk[talk])
        user_id = f"sim-{block * (int(turns.user_of_talk.max()) + 1) + user:06d}"
        topic = int(turns.topic_of_talk[talk])
        goal = speaker.goal_entities(talk)
        return Profile(
            id=f"{user_id}-a{talk}",
            user_id=user_id,
            persona=Persona(id=user_id, style=speaker.style_elsewhere(talk)),
            goal=Goal(topic=turns.topics[topic] if topic >= 0 else None, entities=tuple(goal[:_MOST_WANTED])),
            opens=bool(speaker.table.opened[talk]),
        )

    def simulator(self) -> FittedUser:
        return FittedUser(self._speaker, self.identity)

    def partner(self) -> FittedPartner:
        """The same engine fitted to the assistant turns: the system that these users used to talk to.

        It repeats real assistant turns whatever the copy guard says, which is there for what users wrote.
        """
        if self.material.turns.is_user.all():
            raise SimulatorError(
                "this population was fitted to conversations without assistant turns",
                why="a fitted partner says what assistants said",
                fix="give another partner, for example --partner fitted:OTHER_CORPUS",
            )
        return FittedPartner(self._counterpart, f"partner-{self.identity}")
