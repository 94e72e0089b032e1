"""Many rollouts: planned, run in parallel, accounted for one by one, and always in the same order."""

from __future__ import annotations

import asyncio
import importlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec

from understudy import __version__
from understudy.conversations import Conversation, Ending, Role
from understudy.conversations.lineage import KEY as LINEAGE
from understudy.conversations.lineage import spoken_by
from understudy.errors import UsageError
from understudy.rollouts.faults import Fault, from_exception
from understudy.rollouts.loop import MAX_TURNS, Rollout, TurnLog, roll_out
from understudy.rollouts.partner import Partner
from understudy.rollouts.partners import open_partner
from understudy.users import UserSimulator
from understudy.users.calling import call
from understudy.users.opening import SimulatedUsers, open_users

T = TypeVar("T")
OnProgress = Callable[[str, int, int], None]
CONCURRENCY = 16


class SimulationCounts(msgspec.Struct, frozen=True):
    """What became of every planned rollout: `planned = accepted + sum(failed.values())`.

    `failed` counts by `side: kind`, for example `partner: raised`.
    """

    planned: int
    accepted: int
    failed: Mapping[str, int]


class SimulationResult(msgspec.Struct, frozen=True):
    """All planned rollouts in the order of k, the broken ones among them with what was said until then."""

    rollouts: tuple[Rollout, ...]

    @property
    def conversations(self) -> tuple[Conversation, ...]:
        """The conversations that came through."""
        return tuple(r.conversation for r in self.rollouts if r.fault is None)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What broke the others."""
        return tuple(r.fault for r in self.rollouts if r.fault is not None)

    @property
    def counts(self) -> SimulationCounts:
        failed = Counter(f"{fault.by}: {fault.kind}" for fault in self.faults)
        accepted = len(self.rollouts) - sum(failed.values())
        return SimulationCounts(len(self.rollouts), accepted, dict(failed.most_common()))


class Opener(msgspec.Struct, frozen=True):
    """What opens users and partner from their names where `open_users` and `open_partner` do not know enough.

    `function` is `module:name`, called as `function(users, partner, seed=seed, **options)` and returning both. Plain
    data, so that it crosses to other machines; whatever is secret has to be found there.
    """

    function: str
    options: Mapping[str, Any] = {}

    def open(self, users: str, partner: str, *, seed: int) -> tuple[SimulatedUsers, Partner]:
        """Users and partner, opened here."""
        module, _, name = self.function.partition(":")
        opened: tuple[SimulatedUsers, Partner] = getattr(importlib.import_module(module), name)(
            users, partner, seed=seed, **self.options
        )
        return opened


class Job(NamedTuple):
    """What is the same for every rollout of a simulation."""

    users: SimulatedUsers
    partner: Partner
    seed: int
    max_turns: int
    reply_timeout_s: float | None
    concurrency: int


def simulate(
    users: SimulatedUsers | str,
    partner: Partner | str,
    *,
    n: int,
    seed: int,
    max_turns: int = MAX_TURNS,
    workers: int = 1,
    concurrency: int = CONCURRENCY,
    reply_timeout_s: float | None = None,
    on_progress: OnProgress | None = None,
) -> SimulationResult:
    """Let `n` simulated users talk to `partner`: `stream_rollouts`, collected. `on_progress(stage, done, total)`.

    >>> from understudy.rollouts.partners import function_partner
    >>> from understudy.users import Goal
    >>> from understudy.users.structured import StructuredPopulation
    >>> people = StructuredPopulation([Goal(entities=(("area", "north"),))])
    >>> result = simulate(people, function_partner(lambda history: "Which area?"), n=3, seed=0)
    >>> result.counts
    SimulationCounts(planned=3, accepted=3, failed={})
    >>> result.conversations[2].id, result.conversations[2].ending
    ('s0-000002', Ending(by='user', reason='goal said'))
    """
    done: list[Rollout] = []
    for rollout in stream_rollouts(
        users,
        partner,
        n=n,
        seed=seed,
        max_turns=max_turns,
        workers=workers,
        concurrency=concurrency,
        reply_timeout_s=reply_timeout_s,
    ):
        done.append(rollout)
        if on_progress is not None:
            on_progress("simulate", len(done), n)
    return SimulationResult(tuple(done))


def stream_rollouts(
    users: SimulatedUsers | str,
    partner: Partner | str,
    *,
    n: int,
    seed: int,
    max_turns: int = MAX_TURNS,
    workers: int = 1,
    concurrency: int = CONCURRENCY,
    reply_timeout_s: float | None = None,
) -> Iterator[Rollout]:
    """The `n` rollouts one at a time, in the order of k, holding only those under way.

    `users` and `partner` are objects, or what `open_users` and `open_partner` take. Rollout k depends on
    `(users, partner, seed, k)` alone: `workers` (processes, for work on the CPU) and `concurrency` (conversations
    under way in a process, for partners that wait) change no byte. With `workers > 1`, names are opened in fresh
    processes, once each, and objects are inherited by forked ones. A fault ends its rollout, not the simulation.

    Raises `UsageError` for arguments out of range, `SimulatorError` where a worker process dies.
    """
    check_limits(n=n, max_turns=max_turns, workers=workers, concurrency=concurrency, reply_timeout_s=reply_timeout_s)
    if workers > 1 and n > 1:
        from understudy.rollouts.processes import stream_from_processes

        settings = (seed, max_turns, reply_timeout_s, concurrency)
        return stream_from_processes(users, partner, settings, ks=range(n), workers=min(workers, n))
    return run_units(open_job(users, partner, (seed, max_turns, reply_timeout_s, concurrency)), range(n))


def open_job(
    users: SimulatedUsers | str,
    partner: Partner | str,
    settings: tuple[int, int, float | None, int],
    opener: Opener | None = None,
) -> Job:
    """Open what is given by name. The same corpus behind users and partner is fitted with the same seed."""
    seed, max_turns, reply_timeout_s, concurrency = settings
    if opener is not None and isinstance(users, str) and isinstance(partner, str):
        users, partner = opener.open(users, partner, seed=seed)
    people = open_users(users) if isinstance(users, str) else users
    system = open_partner(partner) if isinstance(partner, str) else partner
    if getattr(system, "one_at_a_time", False):
        concurrency = 1
    return Job(people, system, seed, max_turns, reply_timeout_s, concurrency)


async def close_sides(job: Job) -> None:
    """Close what users and partner hold on this event loop: connections belong to it. They can be used again."""
    for side in (job.users, job.partner):
        close = getattr(side, "aclose", None)
        if close is not None:
            await close()


def origin_of(job: Job) -> dict[str, Any]:
    """What all rollouts of a simulation have in their provenance."""
    simulator = job.users.simulator()
    return {
        "generator": f"understudy {__version__}",
        "users": job.users.identity,
        "simulator": simulator.identity,
        "partner": job.partner.identity,
        "seed": job.seed,
        LINEAGE: [spoken_by(simulator, "user", seed=job.seed), spoken_by(job.partner, "assistant", seed=job.seed)],
    }


def name_of(seed: int, k: int) -> str:
    """The id of rollout k.

    >>> name_of(7, 12)
    's7-000012'
    """
    return f"s{seed}-{k:06d}"


async def roll_unit(
    job: Job, origin: Mapping[str, Any], k: int, *, simulator: UserSimulator, log: TurnLog | None = None
) -> Rollout:
    """Rollout k of a simulation, going on from what `log` holds of it."""
    name, provenance = name_of(job.seed, k), {**origin, "k": k}
    try:
        who = call(job.users, k, seed=job.seed)
    except Exception as error:  # noqa: BLE001 - third-party code: recorded as the users' fault
        fault = from_exception("user", error)
        return Rollout(Conversation(name, (), ending=Ending("fault", fault.reason), provenance=provenance), fault)
    return await roll_out(
        simulator,
        who.profile,
        job.partner,
        seed=who.seed,
        max_turns=job.max_turns,
        id=name,
        provenance=provenance,
        reply_timeout_s=job.reply_timeout_s,
        log=log,
    )


def computed_roles(simulator: UserSimulator, partner: Partner) -> frozenset[Role]:
    """The sides that only compute (`embedded`): what they say costs nothing but time to say again."""
    sides: dict[Role, object] = {"user": simulator, "assistant": partner}
    return frozenset(role for role, side in sides.items() if getattr(side, "embedded", False))


def run_units(job: Job, ks: Iterable[int]) -> Iterator[Rollout]:
    """The rollouts `ks` in that order, up to `job.concurrency` of them under way."""
    origin, simulator = origin_of(job), job.users.simulator()
    under_way: deque[asyncio.Task[Rollout]] = deque()
    waiting = iter(ks)

    async def next_rollout() -> Rollout | None:
        while len(under_way) < job.concurrency and (k := next(waiting, None)) is not None:
            under_way.append(asyncio.create_task(roll_unit(job, origin, k, simulator=simulator)))
        return await under_way.popleft() if under_way else None

    with event_loop() as run:
        try:
            while (rollout := run(next_rollout)) is not None:
                yield rollout
        finally:
            run(lambda: close_sides(job))


@contextmanager
def event_loop() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Runs coroutine functions on one event loop: here, or in a thread where a loop runs already (a notebook)."""
    with ExitStack() as stack:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            runner = stack.enter_context(asyncio.Runner())
            yield lambda function: runner.run(function())
            return
        thread = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="understudy-rollouts"))
        elsewhere = asyncio.Runner()
        stack.callback(lambda: thread.submit(elsewhere.close).result())
        yield lambda function: thread.submit(lambda: elsewhere.run(function())).result()


def check_limits(*, n: int, max_turns: int, workers: int, concurrency: int, reply_timeout_s: float | None) -> None:
    """Raise `UsageError` for what cannot be counted or waited for."""
    for name, value in (("n", n), ("max_turns", max_turns), ("workers", workers), ("concurrency", concurrency)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UsageError(
                f"{name} is {value!r}",
                why="it counts something: 1, 2, 3 …",
                fix=f"give {name}=1 or more",
            )
    if reply_timeout_s is not None and not reply_timeout_s > 0:
        raise UsageError(
            f"reply_timeout_s is {reply_timeout_s!r}",
            why="a reply takes some time",
            fix="give a positive number of seconds, or None for no limit",
        )
