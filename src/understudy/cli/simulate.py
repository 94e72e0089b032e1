"""`understudy simulate`: let simulated users talk to a partner."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.destinations import file_for
from understudy.cli.output import Output
from understudy.errors import SimulatorError

if TYPE_CHECKING:
    from understudy.cli.output import OnProgress
    from understudy.conversations import Conversation
    from understudy.rollouts.loop import Rollout

Users = Annotated[
    str, typer.Argument(metavar="USERS", help="A folder made by fit, or structured:GOALS (the negative control).")
]
Partner = Annotated[
    str,
    typer.Option(
        "--partner", metavar="PARTNER", help="fitted:REAL or module:function; behind it +bad, +rude or +slow."
    ),
]
Count = Annotated[int, typer.Option("-n", "--conversations", min=1, metavar="N", help="How many conversations.")]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="FILE", help="Where they go: .jsonl[.gz|.zst] or .parquet.")
]
MaxTurns = Annotated[
    int, typer.Option("--max-turns", min=1, metavar="N", help="Turns of both sides after which it is ended.")
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, metavar="N", help="Processes; changes no result  [default: by -n and the cores]"
    ),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, metavar="N", help="Conversations at a time, for partners that wait.")
]
Timeout = Annotated[
    float | None,
    typer.Option("--reply-timeout", metavar="S", help="Seconds a reply may take, else it is a fault."),
]
WORTH_A_PROCESS = 1000  # conversations; below, starting processes costs more than they save
FAULTS_SHOWN = 3


def simulate(
    users: Users,
    partner: Partner,
    out: Out,
    n: Count = 500,
    max_turns: MaxTurns = 60,
    workers: Workers = None,
    concurrency: Concurrency = 16,
    reply_timeout: Timeout = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Let simulated users talk to a partner.

    The partner is the system under test, or a stand-in fitted to real partners.

    \b
    understudy simulate users/ --partner fitted:real.jsonl -n 500 --out syn.jsonl
    understudy simulate users/ --partner mybot:reply -n 500 --out syn.jsonl
    """
    from understudy.conversations.writing import write_corpus
    from understudy.rollouts.partners import open_partner
    from understudy.rollouts.simulate import stream_rollouts
    from understudy.users.opening import open_users

    output = Output(json=json, quiet=quiet)
    file = file_for(out)
    processes = workers or max(1, min(cores(), n // WORTH_A_PROCESS))
    tally = Tally(n)
    start = time.perf_counter()
    with output.progress() as on_progress:
        on_progress("open", 0, 0)
        # Opened here in any case, so that a wrong name is told at once; processes open by name, each its own.
        speakers, system = open_users(users), open_partner(partner)
        rollouts = stream_rollouts(
            users if processes > 1 else speakers,
            partner if processes > 1 else system,
            n=n,
            seed=seed,
            max_turns=max_turns,
            workers=processes,
            concurrency=concurrency,
            reply_timeout_s=reply_timeout,
        )
        write_corpus(file, tally.count(rollouts, on_progress))
    payload = {"file": str(file), **tally.payload(), "seconds": round(time.perf_counter() - start, 3)}

    def show(o: Output) -> None:
        seconds = payload["seconds"]
        o.line(f"{tally.accepted:,} conversations, {tally.turns:,} turns in {seconds:.1f} s -> {file}")
        o.table(["ended by", "share"], [[name, f"{share:.0%}"] for name, share in payload["endings"].items()])
        o.note(f"next: understudy audit {file} --real REAL --out report/", "dim")

    for line in tally.complaints():
        output.warn(line)
    output.result(payload, show)


class Tally:
    """What became of the planned rollouts, counted while they stream to the file."""

    def __init__(self, planned: int) -> None:
        self.planned = planned
        self.accepted = 0
        self.turns = 0
        self._endings: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    def count(self, rollouts: Iterable[Rollout], on_progress: OnProgress) -> Iterator[Conversation]:
        """Pass on the conversations that came through; raise at the end if none did, so that no file is left."""
        for done, rollout in enumerate(rollouts, 1):
            on_progress("simulate", done, self.planned)
            fault, talk = rollout.fault, rollout.conversation
            if fault is not None:
                self._faults[f"{fault.by}: {fault.kind}"] += 1
                self._reasons.setdefault(f"{fault.by}: {fault.kind}", fault.message)
                continue
            self.accepted += 1
            self.turns += len(talk.turns)
            self._endings[f"{talk.ending.by}: {talk.ending.reason}" if talk.ending else "no ending"] += 1
            yield talk
        if not self.accepted:
            name, reason = next(iter(self._reasons.items()))
            raise SimulatorError(
                f"no conversation came through: {self.planned:,} of {self.planned:,} broke ({name})",
                why=reason,
                fix="mend the partner (or users) and run again; -n 1 is enough to try",
            )

    def payload(self) -> dict[str, Any]:
        """Every planned rollout accounted for."""
        shares = {name: round(count / self.accepted, 4) for name, count in self._endings.most_common()}
        failed = dict(self._faults.most_common())
        return {"planned": self.planned, "accepted": self.accepted, "failed": failed, "endings": shares}

    def complaints(self) -> list[str]:
        """One line for each kind of fault."""
        return [
            f"{count:,} of {self.planned:,} conversations broke ({name}) and were left out: {self._reasons[name]}"
            for name, count in self._faults.most_common(FAULTS_SHOWN)
        ]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
