"""`understudy panel`: people judge, rate and talk, on a page of this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.cli import models as using
from understudy.cli import options
from understudy.cli.corpora import amount, describe, load_pair, refuse_same, refuse_swapped
from understudy.cli.destinations import text_for
from understudy.cli.models import Models
from understudy.cli.output import Output
from understudy.errors import UsageError

if TYPE_CHECKING:
    from understudy.conversations import Corpus
    from understudy.rollouts.partner import Partner
    from understudy.web.panel.sessions import Design
    from understudy.web.panel.storage import PanelStore

NO_PARTNER = "none"
Synthetic = Annotated[str | None, typer.Argument(metavar="[SYN]", help="Synthetic conversations.", show_default=False)]
Real = Annotated[str | None, typer.Option("--real", metavar="REAL", help="Real conversations to show beside them.")]
PartnerName = Annotated[
    str | None,
    typer.Option(
        "--partner",
        metavar="PARTNER",
        help="Whom raters talk to before the questionnaire, as in `simulate`; none: no chat  [default: fitted:REAL]",
    ),
]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="0: any free one.")]
Host = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; beyond this machine only with --invite.")
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="Another name that raters reach it by; repeatable."),
]
Invite = Annotated[
    str | None,
    typer.Option("--invite", metavar="WORD", envvar="UNDERSTUDY_INVITE", help="A word that raters must know to begin."),
]
File = Annotated[str, typer.Option("--db", metavar="FILE", help="Where answers are kept; a panel goes on in its file.")]
Pairs = Annotated[int, typer.Option("--pairs", min=0, max=200, metavar="N", help="Pairs that each rater judges.")]
Catches = Annotated[
    int,
    typer.Option("--catch-trials", min=0, max=20, metavar="N", help="Pairs with a scrambled conversation beside them."),
]
Ratings = Annotated[
    int,
    typer.Option("--ratings", min=0, max=50, metavar="N", help="Conversations that each rater rates; an even number."),
]
Pool = Annotated[int, typer.Option("--pool", min=1, max=2000, metavar="N", help="Pairs in all, dealt out evenly.")]
About = Annotated[str | None, typer.Option("--about", metavar="TEXT", help="What raters are asked to talk about.")]
Consent = Annotated[
    str | None, typer.Option("--consent", metavar="FILE", help="The text that raters agree to, instead of the usual.")
]
Export = Annotated[
    str | None,
    typer.Option(
        "--export", metavar="FILE", help="Write the answers in --db to a .json or .csv, and end; while it runs, too."
    ),
]


def panel(
    synthetic: Synthetic = None,
    real: Real = None,
    partner: PartnerName = None,
    db: File = "panel.db",
    port: Port = 8034,
    host: Host = "127.0.0.1",
    allow_host: AllowHost = None,
    invite: Invite = None,
    pairs: Pairs = 12,
    catch_trials: Catches = 3,
    ratings: Ratings = 4,
    pool: Pool = 60,
    about: About = None,
    consent: Consent = None,
    partner_prompt: using.PartnerPrompt = None,
    export: Export = None,
    user_role: options.UserRole = None,
    real_user_role: Annotated[
        str | None,
        typer.Option(
            "--real-user-role", metavar="NAME", help="The same for the real ones  [default: --user-role, if it occurs]"
        ),
    ] = None,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Ask people: can they tell synthetic users from real ones?

    Serves a page where raters agree to take part, say of pairs of conversations which user is real, rate some, talk to
    a partner and fill in the partner questionnaire. Each answer is on disk before the next page is shown: stop it, or
    kill it, and raters go on where they were. `understudy audit --panel` reads the export.

    \b
    understudy panel syn.jsonl --real real.jsonl --port 8034
    understudy panel --db panel.db --export answers.json
    understudy audit syn.jsonl --real real.jsonl --panel answers.json --out report/
    """
    output = Output(json=json, quiet=quiet)
    if export is not None:
        _export(Path(db), export, output)
        return
    if synthetic is None or real is None:
        raise UsageError(
            "a panel needs both sides: SYN and --real REAL",
            why="raters are shown a synthetic conversation beside a real one",
            fix="understudy panel syn.jsonl --real real.jsonl; with --export FILE neither is needed",
        )
    file = text_for(db, "--db", inputs=(synthetic, real))
    _check(pairs, catch_trials, ratings, host, invite, partner)
    from understudy._require import require

    for module in ("starlette", "uvicorn"):
        require(module, extra="web", purpose="the raters' panel")
    people, simulated = _load(real, synthetic, user_role, real_user_role, output)
    told = {
        "partner": None if partner == NO_PARTNER else partner or f"fitted:{real}",
        "partner_prompt": partner_prompt and using.read_prompt(partner_prompt),
        "about": about or "",
        "consent": using.read_prompt(consent) if consent else "",
    }
    counts = {"pairs": pairs, "catches": catch_trials, "ratings": ratings, "pool": pool}
    design = _design(people, simulated, told, counts, seed)
    opened = None
    if told["partner"] is not None:
        output.note(f"partner: {told['partner']}", "dim")
        opened = _partner(str(told["partner"]), told["partner_prompt"], people, real, seed)
    with _store(file, design) as store:
        _serve(store, opened, invite or "", host, port, allow_host or [], file, output)


def _check(pairs: int, catches: int, ratings: int, host: str, invite: str | None, partner: str | None) -> None:
    """Refuse what cannot be meant."""
    from understudy.web.guard import LOOPBACK

    if ratings % 2:
        raise UsageError(
            f"--ratings {ratings} is odd",
            why="half of the conversations that a rater rates are real and half synthetic",
            fix=f"give {ratings + 1}",
        )
    if catches and not pairs:
        raise UsageError(
            f"--catch-trials {catches} without pairs",
            why="a catch trial stands among pairs; a rater would see nothing else",
            fix="add --catch-trials 0, or ask for --pairs",
        )
    if not pairs and not ratings and partner == NO_PARTNER:
        raise UsageError(
            "nothing is asked of raters", why="no pairs, no ratings, no partner", fix="ask for one of them"
        )
    if host.strip("[]") not in LOOPBACK and not invite:
        raise UsageError(
            f"--host {host} without --invite",
            why="everybody who reaches this machine could read your conversations and answer",
            fix="add --invite WORD and tell it to your raters, or leave --host out",
        )


def _load(real: str, synthetic: str, role: str | None, real_role: str | None, output: Output) -> tuple[Corpus, Corpus]:
    refuse_same(real, synthetic)
    people, simulated = load_pair(
        [(real, "real"), (synthetic, "synthetic")], user_role=role, real_role=real_role, output=output
    )
    refuse_swapped(people, real, "panel")
    output.note(f"real: {describe(people)}\nsynthetic: {describe(simulated)}", "dim")
    return people, simulated


def _design(people: Corpus, simulated: Corpus, told: dict[str, Any], counts: dict[str, int], seed: int) -> Design:
    from understudy.web.panel.sessions import Design
    from understudy.web.panel.tasks import Wanted, make_stimuli

    wanted = Wanted(**counts)
    return Design(
        seed=seed,
        wanted=wanted,
        stimuli=make_stimuli(people, simulated, wanted, seed=seed),
        chat=told["partner"] is not None,
        settings={
            "partner": told["partner"],
            "partner_prompt": told["partner_prompt"],
            "real": {"source": people.card.source, "digest": people.digest},
            "synthetic": {"source": simulated.card.source, "digest": simulated.digest},
        },
        about=str(told["about"]),
        consent=str(told["consent"]),
    )


def _store(file: Path, design: Design) -> PanelStore:
    """The panel in `file`, begun or gone on with. What raters saw must not change between them."""
    from understudy.web.panel.storage import PanelStore

    if not file.exists():
        return PanelStore.create(file, design)
    store = PanelStore.open(file)
    if store.design == design:
        return store
    names = [name for name in type(design).__struct_fields__ if getattr(store.design, name) != getattr(design, name)]
    store.close()
    words = {"stimuli": "conversations", "settings": "corpora or partner", "wanted": "counts", "chat": "partner"}
    differ = ", ".join(dict.fromkeys(words.get(name, name) for name in names))
    raise UsageError(
        f"{file} holds a panel with other {differ}",
        why="answers to different questions would be counted together",
        fix="start it with the arguments and files that it was begun with, or begin another with --db FILE",
    )


def _partner(name: str, prompt: str | None, people: Corpus, real: str, seed: int) -> Partner:
    if name == f"fitted:{real}":
        from understudy.users.population import fit_population

        # The corpus that was read, with its roles, and not the file once more.
        return fit_population(people, copy_guard="guarded", seed=seed).partner()
    from understudy.rollouts.partners import open_partner

    return open_partner(name, seed=seed, models=Models(concurrency=4, seed=seed), system=prompt)


def _serve(
    store: PanelStore, partner: Partner | None, invite: str, host: str, port: int, names: list[str], file: Path,
    output: Output,
) -> None:  # fmt: skip
    from understudy.web.guard import allowed_hosts
    from understudy.web.panel.app import build_panel
    from understudy.web.running import serve

    design = store.design
    again = f"understudy panel --db {file} --export answers.json"
    begun = len(store.raters())

    def ready(url: str) -> None:
        output.note(f"{len(design.stimuli.pairs)} pairs; {design.stimuli.matching}", "dim")
        if begun:
            output.note(f"{file}: goes on with {amount(begun, 'rater')}", "dim")
        output.note(f"stop with Ctrl-C: raters go on where they were. Answers: {again}", "dim")
        output.result({"url": url, "db": str(file)}, lambda o: o.line(f"raters' panel: {url}/", "bold"))

    app = build_panel(store, partner, invite=invite, hosts=allowed_hosts(host, names))
    serve(app, host=host, port=port, token=invite or None, on_ready=ready)


def _export(db: Path, path: str, output: Output) -> None:
    from understudy.web.panel.export import record_of, write_record
    from understudy.web.panel.storage import PanelStore

    file = text_for(path, "--export", inputs=(str(db),))
    if not db.is_file():
        raise UsageError(
            f"there is no panel in {db}",
            why="answers are kept in the file that the panel was started with",
            fix="name it with --db FILE",
        )
    with PanelStore.open(db) as store:
        record = record_of(store)
    write_record(record, file)
    finished = sum(r.finished for r in record.raters)
    counts = {"raters": len(record.raters), "finished": finished, "withdrawn": record.withdrawn}

    def show(o: Output) -> None:
        o.line(f"{amount(len(record.raters), 'rater')}, {finished} finished, {record.withdrawn} withdrew -> {file}")
        o.note(f"next: understudy audit SYN --real REAL --panel {file} --out report/", "dim")

    output.result({"file": str(file), **counts, "bytes": os.path.getsize(file)}, show)
