"""The application: its verbs in the order of the work, and the one entry point."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, TextIO

import typer

from understudy import __version__
from understudy.cli import (
    align,
    audit,
    demo,
    doctor,
    export,
    fit,
    fit_judge,
    generate,
    lineage,
    mix,
    panel,
    plan,
    privacy,
    rank,
    retest,
    serve,
    simulate,
    split,
    train,
    traits,
    transfer,
)
from understudy.cli.exits import Exit, report_failure, termination, wants_debug
from understudy.cli.output import printable, silence_stdout

app = typer.Typer(
    name="understudy",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

# Where a verb's own first line is too long for the list of verbs on a terminal of 80 columns.
IN_SHORT = {
    "generate": "Generate conversations by a plan: topics, personas, contexts.",
    "transfer": "Train on synthetic users, test on real ones.",
    "traits": "Train twins on suspect and control conversations: do they part?",
    "export": "Write conversations for ConvoKit, HF datasets, ShareGPT.",
    "lineage": "Who generated, rewrote, filtered and judged these?",
    "train": "Train simulated users: supervised, then multi-turn RL.",
    "fit_judge": "Learn judges of consistency from real conversations.",
}
VERBS = (
    demo.demo, split.split, fit.fit, align.align, simulate.simulate, generate.generate, audit.audit, transfer.transfer,
    rank.rank, mix.mix, export.export, privacy.privacy, traits.traits, lineage.lineage, serve.serve, panel.panel,
    retest.retest, fit_judge.fit_judge, train.train, plan.plan, doctor.doctor,
)  # fmt: skip
for verb in VERBS:
    app.command(short_help=IN_SHORT.get(verb.__name__))(verb)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"understudy {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def understudy(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Synthetic users that hold up in front of real ones: fit them, run them, measure them.

    Start with `understudy demo`: no key, no network, under a minute.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A library's warning in one line, without its source: it is for whoever reads the result."""
    print(f"warning: {printable(' '.join(str(message).split()))[:300]}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = wants_debug(given)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with termination(), warnings.catch_warnings():
            if not debug:
                warnings.showwarning = _show_warning
            code = _run(given)
            sys.stdout.flush()
            return code
    except BrokenPipeError:
        silence_stdout()
        return Exit.OK
    except KeyboardInterrupt as error:
        return report_failure(error, debug=debug)
    except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes a message and a code
        return report_failure(error, debug=debug)


def _run(arguments: list[str]) -> int:
    try:
        code = app(args=arguments, prog_name="understudy", standalone_mode=False, obj=tuple(arguments))
    except SystemExit as stop:
        if stop.code == Exit.TERMINATED:
            print("stopped: terminated", file=sys.stderr)
        if isinstance(stop.__context__, BrokenPipeError):
            raise BrokenPipeError from stop
        code = stop.code
    if code == Exit.INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else Exit.OK
