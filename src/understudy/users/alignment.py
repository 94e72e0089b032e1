"""Test-time alignment: personas brought nearer to the people of a log, as far as held-out sessions bear it out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from understudy.conversations import Corpus
from understudy.errors import UsageError
from understudy.models.model import LanguageModel, ModelFault, close_model
from understudy.seeds import stream
from understudy.users.aligned import AlignedPopulation
from understudy.users.deeds import Rows
from understudy.users.feedback import Proposal, ask
from understudy.users.heldout import Gained, Replay, of_proposal, prequential
from understudy.users.memory import MOST_EPISODES, Episode, SemanticMemory
from understudy.users.personas import (
    PersonaRecord,
    Personas,
    Version,
    Wording,
    digest_of,
    session_digest,
)
from understudy.users.population import FittedPopulation
from understudy.users.slots import FURTHEST, STEP, ZERO, Array, Ints, Sessions, SlotModel, Tables

LATEST = 12
LEVEL = 0.05
REFERENCES = 199
ALIKE = 20.0  # sessions' worth of others that stand for what a persona's next session might be
Progress = Callable[[str, int, int], None]


class Alignment(NamedTuple):
    """What came of it: the users, and for each whether anything changed and why."""

    population: AlignedPopulation
    versions: Mapping[str, Version]

    @property
    def counts(self) -> dict[str, int]:
        """Users by outcome."""
        found = Counter(v.outcome for v in self.versions.values())
        return {outcome: found[outcome] for outcome in ("accepted", "rolled back", "untouched")}

    @property
    def held_out(self) -> HeldOut | None:
        """What the procedure is worth on sessions that it chose nothing by; None for fewer than two users with such."""
        tested = np.array([v.later for v in self.versions.values() if v.later is not None])
        if len(tested) < 2:
            return None
        before, after = tested.T
        return HeldOut(float(before.mean()), float(after.mean()), _interval(after - before), len(tested))


class HeldOut(NamedTuple):
    """Mean loss over users in nats a turn, and a 95 % t interval over users of the change: on the later half of the
    sessions that are told, with updates kept where the earlier half alone bears them out. An update that is kept gains
    by selection on the sessions that it was kept by, also where there is nothing to learn."""

    before: float
    after: float
    change: tuple[float, float]
    users: int


class Settings(NamedTuple):
    """How alignment is done: `latest` sessions of a user are told from the ones before; `level` of the test, against
    `references` histories of average people."""

    latest: int = LATEST
    level: float = LEVEL
    references: int = REFERENCES


def align(
    users: FittedPopulation | AlignedPopulation,
    log: Corpus,
    *,
    settings: Settings = Settings(),  # noqa: B008 - immutable
    model: LanguageModel | None = None,
    seed: int,
    on_progress: Progress | None = None,
) -> Alignment:
    """Give each user of `log` a persona, or a better one, where sessions not used for it say that it is better.

    Of every user the sessions are taken in the order of the log. Without a `model`, the proposal is the most likely
    value of each slot, given what the user did (`SlotModel`): within bounds, recent sessions counting more, older ones
    never nothing. Its worth is *prequential*: each of the `latest` sessions is told by what the ones before it
    propose, and never the other way round. With a `model`, the first two thirds of the latest sessions are simulated
    and compared with what the person said, the model turns the difference into feedback and new slots, and the last
    third tells.

    The proposal is accepted where the mean gain in log likelihood a turn is above 0 and above what the same
    procedure gains on `references` histories made of other people's sessions with the same topics: p <= `level`. It is
    the exact test of "these sessions might be anybody's": where there is nothing to learn, no more than `level` of the
    users change. Otherwise the persona stays as it was (rolled back). `versions` records either.

    Nothing said in the log is kept: the records hold slots, counts, directions of words and digests, and what a model
    writes is dropped where five words in a row of it stand in the log. Raises `UsageError` for a log without users or
    user turns.

    After PersonaAgent, arXiv:2506.06254. Different from it: (1) typed slots, so that an update is a diff, bounded; (2)
    a held-out test with a level, and rollback; (3) older sessions are replayed; (4) a loss over all that a user does
    and not over one label; (5) nothing of the ground truth in the persona.
    """
    if not any(talk.user_id is not None for talk in log):
        raise UsageError(
            "the log names no users",
            why="a persona is of one person, and nobody knows here whose conversations are whose",
            fix="give conversations with user_id",
        )
    if not any(turn.role == "user" and turn.text.strip() for talk in log for turn in talk.turns):
        raise UsageError(
            "the log has no user turn",
            why="a persona is learned from what its person said",
            fix="check the corpus, or name the user's role with --user-role",
        )
    base = users.base if isinstance(users, AlignedPopulation) else users
    known = {p.source: p for p in users.personas.personas} if isinstance(users, AlignedPopulation) else {}
    slots = base.speaker.slots
    rows = base.speaker.slots.deeds.read(log)
    sessions = slots.read(rows)
    wording = Wording(log)
    records: dict[str, PersonaRecord] = dict(known)
    tasks: list[_User] = []
    for number, name in enumerate(np.unique(log.unit_ids).tolist()):
        own = np.flatnonzero(rows.user_of_talk == number)
        if len(own):
            source = digest_of(name)
            record = records.setdefault(source, PersonaRecord(f"sim-{len(records):06d}", source, ()))
            tasks.append(_User(base, log, rows, sessions, own, record, settings, seed, wording))
    versions: dict[str, Version] = {}
    if model is None:
        found = [task.searched() for task in _counted(tasks, on_progress)]
    else:
        found = asyncio.run(_asked(tasks, model, on_progress))
    for task, version in zip(tasks, found, strict=True):
        versions[task.record.id] = msgspec.structs.replace(version, log=log.digest[:12], seed=seed)
        records[task.record.source] = task.updated(versions[task.record.id])
    made = Personas(
        population=base.material.corpus_digest,
        log=log.digest[:12],
        personas=tuple(sorted(records.values(), key=lambda r: r.id)),
    )
    wording.check(made.personas)
    return Alignment(AlignedPopulation(base, made), versions)


def _counted(tasks: list[_User], on_progress: Progress | None) -> Iterator[_User]:
    for number, task in enumerate(tasks):
        if on_progress:
            on_progress("aligning", number, len(tasks))
        yield task


async def _asked(tasks: list[_User], model: LanguageModel, on_progress: Progress | None) -> list[Version]:
    """What a model makes of each user, one after the other; its connections live no longer than this."""
    try:
        return [await task.asked(model) for task in _counted(tasks, on_progress)]
    finally:
        await close_model(model)


class _User:
    """One user's alignment."""

    def __init__(
        self, base: FittedPopulation, log: Corpus, rows: Rows, sessions: Sessions, own: Ints, record: PersonaRecord,
        settings: Settings, seed: int, wording: Wording,
    ) -> None:  # fmt: skip
        self.base, self.log, self.record, self.settings, self.wording = base, log, record, settings, wording
        self.slots: SlotModel = base.speaker.slots
        self.rows, self.own = rows, own[-MOST_EPISODES:]
        self.history = sessions.take(self.own)
        self.current = self.slots.values_of(record.slots)
        self.rng = stream(seed, "align", record.source)
        self.digests = [session_digest(log[int(k)]) for k in rows.talks[self.own].tolist()]
        seen = {e.session for e in record.episodes}
        self.new = np.array([d not in seen for d in self.digests])
        # What an earlier log showed is replayed from its evidence, where its sessions are not in this one.
        gone = bool(record.episodes) and not (~self.new).any()
        self.replay = Replay.of(self.slots, record.semantic.evidence if gone else {})
        self.proposed = self.current
        self.facts = record.facts

    @property
    def told(self) -> Ints:
        """The places of the sessions that are told from the ones before: new, among the latest, and not the first."""
        latest = np.arange(len(self.own)) >= len(self.own) - self.settings.latest
        first = 0 if self.replay.known else 1
        return np.flatnonzero(self.new & latest & (np.arange(len(self.own)) >= first))

    def searched(self) -> Version:
        """The most likely slots, accepted if the prequential gain is beyond that of average people."""
        if not len(self.told):
            why = "one session is not enough" if self.new.any() else "nothing new in the log"
            return self._version("untouched", why)
        self.proposed = self.replay.best(self.slots, self.history, self.current)
        if (self.proposed == self.current).all():
            return self._version("untouched", "does all as expected")
        gained = prequential(self.slots, self.history.fit[None], self.told, self.current, self.replay)
        null = prequential(self.slots, self._others(), self.told, self.current, self.replay)
        return self._judged(gained, null, self.told)

    async def asked(self, model: LanguageModel) -> Version:
        """What a model proposes from the earlier sessions, accepted if the later ones gain by it."""
        told = self.told
        held_out = told[len(told) - max(1, len(told) // 3) :]
        if len(told) < 2:
            few = "too few sessions to learn from some and test on others"
            return self._version("untouched", few if self.new.any() else "nothing new in the log")
        learned = np.arange(int(held_out[0]))
        try:
            proposal = await ask(model, self.base, self.log, self.rows, self.own[learned], self.record)
        except ModelFault as fault:
            if fault.stops_run:
                raise
            return self._version("untouched", f"the model gave no answer: {fault.reason}", by=model.identity)
        if isinstance(proposal, str):
            return self._version("untouched", proposal, by=model.identity)
        self.proposed = self._within(proposal)
        copied = [t for t in (proposal.feedback, *proposal.facts) if self.wording.copied(t)]
        kept = tuple(f for f in proposal.facts if f not in copied)
        feedback = "" if proposal.feedback in copied else proposal.feedback
        if (self.proposed == self.current).all():
            return self._version("untouched", "the model proposes no change", by=model.identity, feedback=feedback)
        gained = of_proposal(self.history.fit[None], held_out, self.current, self.proposed)
        null = of_proposal(self._others(), held_out, self.current, self.proposed)
        version = self._judged(gained, null, held_out, by=model.identity, feedback=feedback)
        if copied:
            version = msgspec.structs.replace(version, reason=f"{version.reason}; words of the log dropped")
        if version.outcome == "accepted":
            self.facts = kept or self.record.facts
        return version

    def _within(self, proposal: Proposal) -> Ints:
        """The proposed slots on the grid, none moved further than one update may."""
        wanted = self.slots.values_of({**self.record.slots, **proposal.slots})
        return np.asarray(np.clip(wanted, self.current - FURTHEST, self.current + FURTHEST))

    def _others(self) -> Tables:
        """(R, m, K, G): histories of the same topics whose sessions are others', as the current persona has them."""
        drawn = np.empty((self.settings.references, len(self.own)), dtype=np.int64)
        for place, topic in enumerate(self.history.topic.tolist()):
            rows, chance = self.slots.alike(self.current, topic, least=ALIKE)
            drawn[:, place] = rows[self.rng.choice(len(rows), self.settings.references, p=chance)]
        self._turns = self.slots.pool.turns[drawn]
        return self.slots.pool.fit[drawn]

    def _judged(self, gained: Gained, null: Gained, told: Ints, *, by: str = "search", feedback: str = "") -> Version:
        mine, theirs = self.history.turns[None, told], self._turns[:, told]
        loss = self.history.loss[told]

        def decided(some: slice) -> tuple[float, float]:
            """The gain a turn, and how often others gain as much."""
            own, others = (
                side.difference[:, some].sum(axis=1) / turns[:, some].sum(axis=1)
                for side, turns in ((gained, mine), (null, theirs))
            )
            return float(own[0]), float((1 + (others >= own[0] - 1e-12).sum()) / (1 + len(others)))

        def losses(some: slice) -> tuple[float, float]:
            """A turn, before and after."""
            before, after = (float((loss - side[0])[some].sum() / mine[0, some].sum()) for side in gained)
            return before, after

        gain, p_value = decided(slice(None))
        half, later = len(told) // 2, None
        if half:
            first, p_first = decided(slice(half))
            later = losses(slice(half, None))
            later = later if first > 0 and p_first <= self.settings.level else (later[0], later[0])
        before, after = losses(slice(None))
        accepted = gain > 0 and p_value <= self.settings.level
        why = "held-out sessions bear it out" if accepted else (
            "others' sessions gain as much by chance" if gain > 0 else "held-out sessions are told no better"
        )  # fmt: skip
        return self._version(
            "accepted" if accepted else "rolled back", why, loss_before=before, loss_after=after, p_value=p_value,
            later=later, held_out=len(told), by=by, feedback=feedback,
        )  # fmt: skip

    def _version(self, outcome: str, reason: str, **more: object) -> Version:
        before, after = (self.slots.named(index) for index in (self.current, self.proposed))
        diff = {n: (before.get(n, 0.0), after.get(n, 0.0)) for n in self.slots.names if before.get(n) != after.get(n)}
        return Version(outcome, reason, diff, sessions=int(self.new.sum()), **more)  # type: ignore[arg-type]

    def updated(self, version: Version) -> PersonaRecord:
        """The record with what was learned, if it was accepted, and with what was remembered in any case."""
        record = self.record
        fresh = [self._episode(k) for k in np.flatnonzero(self.new).tolist()]
        topics = Counter(record.semantic.topics) + Counter(e.topic for e in fresh if e.topic is not None)
        accepted = version.outcome == "accepted"
        semantic = SemanticMemory(
            record.semantic.sessions + len(fresh), dict(topics), self.replay.evidence(self.slots, self.history)
        )
        return msgspec.structs.replace(
            record,
            sessions=tuple(self._topic(k) for k in range(len(self.own))),
            slots=self.slots.named(self.proposed) if accepted else record.slots,
            facts=self.facts if accepted else record.facts,
            semantic=semantic,
            episodes=(*record.episodes, *fresh)[-MOST_EPISODES:],
            history=(*record.history, version),
        )

    def _topic(self, place: int) -> str | None:
        return self.log[int(self.rows.talks[self.own[place]])].topic

    def _episode(self, place: int) -> Episode:
        fit = self.history.fit[place]
        pull = (fit[:, ZERO + 1] - fit[:, ZERO - 1]) / (2 * STEP)
        did = {n: round(float(x), 2) for n, x in zip(self.slots.names, pull, strict=True) if abs(x) >= 1}
        direction = tuple(round(float(x), 3) for x in self.rows.directions[self.own[place]])
        return Episode(self.digests[place], self._topic(place), int(self.history.turns[place]), direction, did)


def _interval(change: Array) -> tuple[float, float]:
    from scipy import stats

    reach = float(stats.t.ppf(0.975, len(change) - 1) * change.std(ddof=1) / np.sqrt(len(change)))
    return float(change.mean() - reach), float(change.mean() + reach)
