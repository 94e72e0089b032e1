"""`understudy demo`: the whole job on the bundled sample."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
import typer

from understudy.cli import options
from understudy.cli.destinations import folder_for
from understudy.cli.output import Output
from understudy.cli.summary import show_report

Out = Annotated[str, typer.Option("--out", "-o", metavar="FOLDER", help="Where the files and the report go.")]
Count = Annotated[int, typer.Option("-n", "--conversations", min=10, metavar="N", help="Conversations to simulate.")]

TRAIN_SHARE = 0.5


def demo(
    out: Out = "demo-out",
    n: Count = 120,
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fit, simulate and audit on the bundled sample.

    No key, no network, under a minute. The sample is written, not collected: it shows the job, not how
    people talk.
    """
    from understudy.cli.chain import Chain, run_chain, run_control
    from understudy.conversations.splitting import split_corpus
    from understudy.sample import sample_corpus

    output = Output(json=json, quiet=quiet)
    folder = folder_for(out)
    start = time.perf_counter()
    train, held_out = split_corpus(sample_corpus(), (TRAIN_SHARE, 1 - TRAIN_SHARE), seed=seed)
    with output.progress() as on_progress:
        report = run_chain(train, held_out, folder, n=n, seed=seed, on_progress=on_progress)
        control = run_control(Chain(folder), held_out, n=n, seed=seed, on_progress=on_progress)
    seconds = time.perf_counter() - start

    def show(o: Output) -> None:
        o.line(f"{n} simulated conversations against people the users were not fitted to", "bold")
        show_report(report, o)
        if control.value is not None:
            o.line(f"For contrast: users that only recite their goal have a discriminator AUC of {control.value:.2f}.")
        o.line(f"report: {folder / 'report.html'}", "bold")
        o.note(f"{seconds:.1f} s. The same by hand:", "dim")
        for command in Chain(folder).commands(n, seed):
            o.note(f"  {command}", "dim")

    payload = {**msgspec.to_builtins(report), "control": msgspec.to_builtins(control)}
    output.result(payload, show)
