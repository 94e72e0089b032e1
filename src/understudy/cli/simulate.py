"""`understudy simulate`: let simulated users talk to a partner."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import options
from understudy.cli.destinations import file_for
from understudy.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from understudy.conversations import Conversation

Users = Annotated[
    str, typer.Argument(metavar="USERS", help="A folder made by fit, or structured:REAL (the negative control).")
]
Partner = Annotated[
    str,
    typer.Option(
        "--partner", metavar="PARTNER", help="fitted:REAL or module:function, with +bad, +rude or +slow behind it."
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
    int, typer.Option("--workers", min=1, metavar="N", help="Conversations at the same time; changes no result.")
]


def simulate(
    users: Users,
    partner: Partner,
    out: Out,
    n: Count = 500,
    max_turns: MaxTurns = 60,
    workers: Workers = 8,
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
    from understudy.rollouts.simulate import simulate as run
    from understudy.users.opening import open_users

    output = Output(json=json, quiet=quiet)
    file = file_for(out)
    speakers, system = open_users(users), open_partner(partner)
    start = time.perf_counter()
    with output.progress() as on_progress:
        talks = run(
            speakers, system, n=n, seed=seed, max_turns=max_turns, workers=workers, on_progress=on_progress
        )
    write_corpus(file, talks)
    seconds = time.perf_counter() - start
    account = endings(talks)
    payload = {
        "file": str(file),
        "planned": n,
        "conversations": len(talks),
        **account,
        "seconds": round(seconds, 3),
    }

    def show(o: Output) -> None:
        turns = sum(len(talk.turns) for talk in talks)
        o.line(f"{len(talks):,} conversations, {turns:,} turns in {seconds:.1f} s -> {file}")
        o.facts([(f"{share:.0%}", name) for name, share in account["endings"].items()])
        o.note(f"next: understudy audit {file} --real REAL --out report/", "dim")

    output.result(payload, show)


def endings(talks: Sequence[Conversation]) -> dict[str, Any]:
    """Shares of endings by who and why, and how many rollouts a fault broke."""
    kinds = Counter(f"{t.ending.by}: {t.ending.reason}" if t.ending else "no ending" for t in talks)
    faults = sum(t.ending is not None and t.ending.by == "fault" for t in talks)
    return {"endings": {name: count / len(talks) for name, count in kinds.most_common()}, "faults": faults}
