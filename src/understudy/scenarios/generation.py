"""Carrying out a plan: rounds of attempts, guards, realisation, calibration; every scenario accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from understudy.conversations import Conversation
from understudy.scenarios.calibration import Choice, Rate, choose, rate_of
from understudy.scenarios.characteristics import BY_NAME, READABLE
from understudy.scenarios.guards import exemplar_guard, twins
from understudy.scenarios.preparation import Prepared, attempts_of
from understudy.scenarios.readings import UNREAD, Readings, read_conversations
from understudy.scenarios.realisation import Realisation, mismatches, realised
from understudy.scenarios.rendering import COUNTED
from understudy.scenarios.scenario import Scenario
from understudy.users.copy_guard import CopyGuard


class Task(NamedTuple):
    """One attempt at one scenario."""

    scenario: Scenario
    attempt: int


class Played(NamedTuple):
    """What came of a task: the conversation as far as it came, and what broke it (`side: kind`), if anything."""

    talk: Conversation
    fault: str | None


Play = Callable[[Sequence[Task]], Sequence[Played]]
OnRound = Callable[[int, int, int], None]


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The ledger's row of one attempt: passed, rejected or failed, and why."""

    scenario: str
    attempt: int
    outcome: str
    reason: str = ""


class Accounts(msgspec.Struct, frozen=True):
    """planned = accepted + deduplicated + sum(rejected) + sum(failed), in scenarios; and the same for attempts."""

    planned: int
    accepted: int
    deduplicated: int
    rejected: Mapping[str, int]
    failed: Mapping[str, int]
    attempts: int
    attempts_passed: int
    attempts_rejected: Mapping[str, int]
    attempts_failed: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Whether both sums come out."""
        ends = self.accepted + self.deduplicated + sum(self.rejected.values()) + sum(self.failed.values())
        tries = self.attempts_passed + sum(self.attempts_rejected.values()) + sum(self.attempts_failed.values())
        return ends == self.planned and tries == self.attempts


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one scenario."""

    scenario: str
    outcome: str  # accepted, deduplicated, rejected, failed
    reason: str = ""
    attempt: int | None = None


class Generated(NamedTuple):
    """The accepted conversations in the order of the plan, and the account of everything else."""

    conversations: tuple[Conversation, ...]
    outcomes: tuple[Outcome, ...]
    ledger: tuple[Attempt, ...]
    accounts: Accounts
    rates: tuple[Rate, ...]
    realised_at_first: tuple[Realisation, ...]
    realised: tuple[Realisation, ...]


class _Pool:
    """All conversations that came through whole, with the scenario, attempt and verdict of each."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.talks: list[Conversation] = []
        self.tasks: list[Task] = []
        self.ledger: list[Attempt] = []
        self.passing: dict[int, list[int]] = {s.index: [] for s in prepared.scenarios}
        self.readings: Readings = read_conversations([])

    def add(self, tasks: Sequence[Task], played: Sequence[Played]) -> None:
        start = len(self.talks)
        whole = [(task, done) for task, done in zip(tasks, played, strict=True) if done.fault is None]
        self.talks += [done.talk for _, done in whole]
        self.tasks += [task for task, _ in whole]
        # Always over everything so far: a language is told from many turns, not from the last few.
        self.readings = read_conversations(self.talks)
        levels = self.levels()
        row = start
        for task, done in zip(tasks, played, strict=True):
            name, attempt = task.scenario.id, task.attempt
            if done.fault is not None:
                self.ledger.append(Attempt(name, attempt, "failed", done.fault))
                continue
            reason = self._verdict(task.scenario, row, levels)
            self.ledger.append(Attempt(name, attempt, "rejected" if reason else "passed", reason or ""))
            if not reason:
                self.passing[task.scenario.index].append(row)
            row += 1

    def levels(self) -> dict[str, Any]:
        return {name: self.readings.levels(name, self.prepared.cuts) for name in READABLE}

    def _verdict(self, scenario: Scenario, row: int, levels: Mapping[str, Any]) -> str | None:
        shown: dict[str, CopyGuard] = {talk.id: exemplar_guard(talk) for talk in self.prepared.shown(scenario)}
        found = self.prepared.guards.verdict(self.talks[row], shown)
        if found is not None:
            return found
        wrong = mismatches(scenario.context, row, levels, self.prepared.plan.realisation.enforce)
        return f"realisation: {'; '.join(wrong)}" if wrong else None

    def ranked(self) -> list[list[int]]:
        """The passing rows of each scenario, those that came out most as asked first."""
        levels = self.levels()

        def misses(row: int) -> tuple[int, int]:
            return len(mismatches(self.tasks[row].scenario.context, row, levels, READABLE)), row

        return [sorted(rows, key=misses) for rows in self.passing.values()]

    def choice(self, candidates: Sequence[Sequence[int]]) -> Choice:
        """The candidates that bring the rates of the set nearest to the targets."""
        return choose(
            self.readings,
            candidates,
            self.prepared.targets,
            most_dropped=self.prepared.plan.calibration.most_dropped,
            seed=self.prepared.seed,
        )

    def wanting(self) -> set[int]:
        """The scenarios that asked for a feature of which the set has too little, and have no candidate with it."""
        rates = self.choice(self.ranked()).rates
        rare = [r.name for r in rates if r.name in COUNTED and not r.met and r.after < r.target]
        levels = self.levels()
        found = set()
        for scenario in self.prepared.scenarios:
            rows = self.passing[scenario.index]
            asked = [name for name in rare if getattr(scenario.context, name) != next(iter(BY_NAME[name].base))]
            if rows and any((levels[name][rows] == 0).any() and not (levels[name][rows] > 0).any() for name in asked):
                found.add(scenario.index)
        return found


def generate(prepared: Prepared, play: Play, *, on_round: OnRound | None = None) -> Generated:
    """Carry out a prepared plan. `play` lets the tasks of a round happen and returns them in the same order.

    In each round every scenario that still lacks good candidates gets one attempt; a conversation is good where no
    guard objects and everything enforced came out. Rounds that are left go to scenarios without one, and to those
    that asked for a feature (fillers, say) which none of their candidates shows, as long as the set has too little of
    it: what is rare among real users is rarer still among candidates, and a choice can only take what was said. Of
    the candidates, those are kept that bring the set's rates to
    the target; near-duplicates of an earlier one go. A round ends before the next begins, so the result does not
    depend on what runs at the same time.
    """
    pool = _Pool(prepared)
    most, wanted = attempts_of(prepared)
    able = [s for s in prepared.scenarios if s.topic not in prepared.layers.failed]
    for attempt in range(most):
        tasks = [Task(s, attempt) for s in able if len(pool.passing[s.index]) < wanted]
        if attempt >= wanted:
            wanting = pool.wanting()
            tasks = [Task(s, attempt) for s in able if not pool.passing[s.index] or s.index in wanting]
        if not tasks:
            break
        if on_round is not None:
            on_round(attempt, len(tasks), len(able))
        pool.add(tasks, play(tasks))
    candidates = pool.ranked()
    return _settled(pool, candidates, pool.choice(candidates))


def _settled(pool: _Pool, candidates: Sequence[Sequence[int]], choice: Choice) -> Generated:
    prepared = pool.prepared
    chosen = [rows[c] if c is not None else None for rows, c in zip(candidates, choice.chosen, strict=True)]
    kept = [row for row in chosen if row is not None]
    repeats = twins([pool.talks[row] for row in kept], threshold=prepared.plan.guards.near_duplicate)
    twin_of = {kept[second]: kept[first] for second, first in repeats.items()}
    last = {a.scenario: a for a in pool.ledger if a.outcome == "failed"}
    last |= {a.scenario: a for a in pool.ledger if a.outcome == "rejected"}  # any rejection outweighs a failure
    outcomes = []
    for scenario, rows, row in zip(prepared.scenarios, candidates, chosen, strict=True):
        reason = prepared.layers.failed.get(scenario.topic)
        if reason is not None:
            outcomes.append(Outcome(scenario.id, "failed", reason))
        elif row is not None and row in twin_of:
            other = pool.tasks[twin_of[row]].scenario.id
            outcomes.append(Outcome(scenario.id, "deduplicated", f"nearly repeats {other}", pool.tasks[row].attempt))
        elif row is not None:
            outcomes.append(Outcome(scenario.id, "accepted", attempt=pool.tasks[row].attempt))
        elif rows:
            outcomes.append(Outcome(scenario.id, "rejected", "calibration: its rates are too common already"))
        else:
            outcomes.append(Outcome(scenario.id, last[scenario.id].outcome, last[scenario.id].reason))
    accepted = [row for row in kept if row not in twin_of]
    first = [row for row, task in enumerate(pool.tasks) if task.attempt == 0]
    return Generated(
        _finished(pool, accepted),
        tuple(outcomes),
        tuple(pool.ledger),
        account(outcomes, pool.ledger),
        _final_rates(pool, accepted, choice),
        _realised(pool, first),
        _realised(pool, accepted),
    )


def account(outcomes: Sequence[Outcome], ledger: Sequence[Attempt]) -> Accounts:
    """Count what became of scenarios and attempts, by the kind of reason.

    >>> account([Outcome("a", "accepted"), Outcome("b", "failed", "user: unparsable: no JSON")], []).failed
    {'user: unparsable': 1}
    """

    def by_kind(rows: Sequence[Outcome | Attempt], outcome: str) -> dict[str, int]:
        return dict(Counter(kind_of(row.reason) for row in rows if row.outcome == outcome).most_common())

    ends = Counter(o.outcome for o in outcomes)
    return Accounts(
        planned=len(outcomes),
        accepted=ends["accepted"],
        deduplicated=ends["deduplicated"],
        rejected=by_kind(outcomes, "rejected"),
        failed=by_kind(outcomes, "failed"),
        attempts=len(ledger),
        attempts_passed=sum(a.outcome == "passed" for a in ledger),
        attempts_rejected=by_kind(ledger, "rejected"),
        attempts_failed=by_kind(ledger, "failed"),
    )


def kind_of(reason: str) -> str:
    """A reason without its particulars, for counting.

    >>> kind_of("realisation: duration: long asked, short realised"), kind_of("copy of a real user: 2 of 5 user turns")
    ('realisation: duration', 'copy of a real user')
    >>> kind_of("user: unparsable: the answer holds no JSON object"), kind_of("test contamination")
    ('user: unparsable', 'test contamination')
    """
    if reason.startswith("copy of its exemplar"):
        return "copy of its exemplar"
    parts = reason.split(": ")
    two = ("realisation", "user", "partner", "judge", "environment", "subtopics")
    return ": ".join(parts[:2]) if parts[0] in two else parts[0]


def _finished(pool: _Pool, rows: Sequence[int]) -> tuple[Conversation, ...]:
    levels = pool.levels()
    done = []
    for row in rows:
        task, talk = pool.tasks[row], pool.talks[row]
        at = {name: int(levels[name][row]) for name in READABLE}
        found = {name: list(BY_NAME[name].base)[level] for name, level in at.items() if level != UNREAD}
        plan = {"scenario": msgspec.to_builtins(task.scenario), "attempt": task.attempt, "realised": found}
        done.append(
            msgspec.structs.replace(
                talk,
                id=task.scenario.id,
                user_id=task.scenario.persona.id,
                topic=task.scenario.topic,
                meta={**talk.meta, **plan},
            )
        )
    return tuple(done)


def _final_rates(pool: _Pool, accepted: Sequence[int], choice: Choice) -> tuple[Rate, ...]:
    """The rates of what is written in the end, near-duplicates gone."""
    if not accepted:
        return ()
    return tuple(
        msgspec.structs.replace(rate, after=round(rate_of(pool.readings, accepted, rate.name), 5))
        for rate in choice.rates
    )


def _realised(pool: _Pool, rows: Sequence[int]) -> tuple[Realisation, ...]:
    if not rows:
        return ()
    part = Readings({name: read[list(rows)] for name, read in pool.readings.values.items()}, {})
    return realised(
        [pool.tasks[row].scenario for row in rows],
        [pool.talks[row] for row in rows],
        part,
        pool.prepared.cuts,
        seed=pool.prepared.seed,
    )
