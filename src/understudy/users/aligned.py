"""Simulated users with personas of their own, on top of a fitted population."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from understudy.errors import SimulatorError
from understudy.seeds import stream
from understudy.users.fitted import FittedPartner, FittedUser
from understudy.users.intents import NONE
from understudy.users.kinds import now_holds
from understudy.users.material import Ints
from understudy.users.memory import EpisodicMemory
from understudy.users.personas import FILE, PersonaRecord, Personas, load_personas, personas_digest, save_personas
from understudy.users.population import FittedPopulation
from understudy.users.profile import Goal, Persona, Profile
from understudy.users.slots import Array
from understudy.users.speaker import Guard

ALIKE = 12.0  # sessions' worth of others among which the one that a session follows is drawn
REMEMBERED = 2.0  # nats for a session whose words lie wholly where the person's last ones did
_MOST_WANTED = 12


class AlignedPopulation:
    """The users of a log, each with a persona, speaking through the engine of a fitted population.

    The k-th profile is one session of one user; a block of `n_sessions` draws holds each session of the log once, by
    its user and topic. A session follows the plan of one that somebody in the population had about that topic, the
    likelier the more it is as the persona would have it and the nearer to what the user is remembered to talk about;
    then the persona's slots weigh every turn (see `FittedUserSession`). A user without an accepted persona is a member
    of the population, whose sessions it follows. Nothing that the person of the log said is there to be repeated,
    unless the population was fitted to it too.
    """

    def __init__(self, base: FittedPopulation, personas: Personas) -> None:
        self.base, self.personas = base, personas
        self._slots = base.speaker.slots
        self._sessions = [(p, topic) for p in personas.personas for topic in p.sessions]
        self.identity = f"aligned:{personas.log}:{personas_digest(personas.personas)}:{base.identity}"
        self._order = lru_cache(maxsize=8)(self._permuted)
        self._memory = {p.id: EpisodicMemory(p.episodes) for p in personas.personas}
        self._extra = lru_cache(maxsize=512)(self._remembered)

    @property
    def n_sessions(self) -> int:
        return len(self._sessions)

    @property
    def copy_guard(self) -> Guard:
        """The setting of the population."""
        return self.base.copy_guard

    def _permuted(self, seed: int, block: int) -> Ints:
        return stream(seed, "aligned", block).permutation(self.n_sessions)

    def draw(self, k: int, *, seed: int) -> Profile:
        block, at = divmod(k, self.n_sessions)
        number = int(self._order(seed, block)[at])
        record, topic = self._sessions[number]
        user_id = record.id if block == 0 else f"{record.id}-{block}"
        anchor = self._anchor(record, topic, seed, block, number)
        speaker = self.base.speaker
        own = int(speaker.turns.topic_of_talk[anchor])
        goal = Goal(
            topic=speaker.turns.topics[own] if own >= 0 else None,
            entities=tuple(speaker.goal_entities(anchor)[:_MOST_WANTED]),
        )
        persona = Persona(
            id=user_id, style=speaker.style_elsewhere(anchor), facts=record.facts, slots=record.slots, text=record.text
        )
        return Profile(
            id=f"{user_id}-s{number}-a{anchor}",
            user_id=user_id,
            persona=persona,
            goal=goal,
            knowledge=record.semantic.summary(),
            opens=bool(speaker.table.opened[anchor]),
        )

    def _anchor(self, record: PersonaRecord, topic: str | None, seed: int, block: int, number: int) -> int:
        """The session whose plan is followed."""
        slots, topics = self._slots, self.base.speaker.turns.topics
        wanted = topics.index(topic) if topic in topics else NONE
        rng = stream(seed, "aligned session", block, number)
        if record.slots:
            rows, chance = slots.alike(
                slots.values_of(record.slots), wanted, least=ALIKE, extra=self._extra(record.id, topic)
            )
            return int(slots.talks[rows[rng.choice(len(rows), p=chance)]])
        hosts = np.unique(slots.hosts)
        host = int(hosts[int(stream(seed, "host", block, record.id).integers(len(hosts)))])
        own = np.flatnonzero(slots.hosts == host)
        alike = own[slots.pool.topic[own] == wanted]
        rows = alike if len(alike) else own
        return int(slots.talks[rows[int(rng.integers(len(rows)))]])

    def _remembered(self, persona: str, topic: str | None) -> Array | None:
        """What memory adds to the likelihood of each session of the population."""
        direction = self._memory[persona].direction(topic=topic)
        if direction is None:
            return None
        return np.asarray(REMEMBERED * (self._slots.directions @ direction))

    def simulator(self) -> FittedUser:
        return FittedUser(self.base.speaker, self.identity)

    def partner(self) -> FittedPartner:
        """The partner of the population."""
        return self.base.partner()

    def save(self, folder: str | Path) -> None:
        """Write the population and, last, `personas.json`. It holds nothing that a person of the log wrote."""
        folder = Path(folder)
        self.base.write(folder)
        save_personas(self.personas, folder)
        now_holds(folder, FILE)


def load_aligned(folder: str | Path, base: FittedPopulation) -> AlignedPopulation:
    """The users that `save` wrote, over the population beside them."""
    personas = load_personas(Path(folder))
    if personas.population != base.material.corpus_digest:
        raise SimulatorError(
            f"{Path(folder) / FILE} belongs to another population",
            why="slots are read by the rates of the population that they were learned with",
            fix="align again: understudy align USERS --log REAL --out USERS2",
        )
    return AlignedPopulation(base, personas)
