"""`understudy doctor`: what works on this machine, and how to mend what does not."""

from __future__ import annotations

import locale
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from importlib import metadata, util
from pathlib import Path
from typing import Literal, NamedTuple

import typer

from understudy import __version__
from understudy.cli import options
from understudy.cli.exits import Exit
from understudy.cli.output import Output
from understudy.cli.simulate import cores
from understudy.errors import UnderstudyError

Status = Literal["ok", "warn", "fail", "info"]
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "info": "dim"}
LIBRARIES = (
    "msgspec",
    "polars",
    "zstandard",
    "numpy",
    "scipy",
    "scikit-learn",
    "aiohttp",
    "rich",
    "jinja2",
)
EXTRAS = {
    "hf": ("torch", "transformers", "sentence_transformers", "datasets"),
    "train": ("torch", "safetensors", "transformers", "peft"),
    "web": ("starlette", "uvicorn"),
    "ray": ("ray",),
    "presidio": ("presidio_analyzer",),
    "otel": ("opentelemetry",),
}
SELF_TEST_CONVERSATIONS = 12


class Check(NamedTuple):
    """One line of the examination."""

    name: str
    status: Status
    detail: str
    fix: str = ""


def doctor(
    seed: options.Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """What works on this machine, and how to mend what does not.

    Looks at Python, libraries, extras, memory, disk and text encoding, then fits, simulates and audits twelve
    bundled conversations. Ends with 2 if something must be mended.
    """
    output = Output(json=json, quiet=quiet)
    checks = [_python(), _sqlite(), *_libraries(), *_extras(), *_machine(), _encoding()]
    with output.progress() as on_progress:
        on_progress("self test", 0, 1)
        checks.append(_self_test(seed))
        on_progress("self test", 1, 1)
    failed = [check for check in checks if check.status == "fail"]
    payload = {"version": __version__, "ok": not failed, "checks": [check._asdict() for check in checks]}
    output.result(payload, lambda out: _show(out, checks))
    if failed:
        raise typer.Exit(Exit.USAGE)


def _show(output: Output, checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        output.line(f"{check.status:<5} {check.name:<{width}}  {check.detail}", STYLES[check.status])
        if check.fix:
            output.line(f"{'':<{width + 6}}  -> {check.fix}")
    failed = sum(check.status == "fail" for check in checks)
    output.line(f"{failed} to mend" if failed else "ready", "bold red" if failed else "bold green")


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} ({sys.prefix})")


def _sqlite() -> Check:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < (3, 35):
        return Check("sqlite", "warn", version, "SQLite 3.35 or newer comes with current builds of Python")
    return Check("sqlite", "ok", version)


def _libraries() -> list[Check]:
    """Each is imported, because an installed library may still not load on this machine."""
    checks = []
    for name in LIBRARIES:
        module = {"scikit-learn": "sklearn"}.get(name, name)
        try:
            __import__(module)
            checks.append(Check(name, "ok", metadata.version(name)))
        except (ImportError, OSError) as error:
            checks.append(Check(name, "fail", f"does not load: {error}", f"pip install --force-reinstall {name}"))
    return checks


def _extras() -> list[Check]:
    checks = []
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if util.find_spec(module) is None]
        if missing:
            detail = f"not installed ({', '.join(missing)}); optional"
            checks.append(Check(f"extra {extra}", "info", detail, f"pip install 'understudy[{extra}]'"))
        else:
            checks.append(Check(f"extra {extra}", "ok", "installed"))
    return checks


def _machine() -> list[Check]:
    checks = [Check("cores", "ok", str(cores()))]
    memory = _memory()
    if memory is not None:
        roomy = memory >= 3e9
        fix = "" if roomy else "corpora of 10,000 conversations need about 3 GB: use fewer, or a larger machine"
        checks.append(Check("memory", "ok" if roomy else "warn", f"{memory / 1e9:.1f} GB available", fix))
    for name, folder in (("disk here", Path.cwd()), ("disk for temporary files", Path(tempfile.gettempdir()))):
        free = shutil.disk_usage(folder).free
        status: Status = "ok" if free >= 1e9 else "warn" if free >= 5e7 else "fail"
        checks.append(Check(name, status, f"{free / 1e9:.1f} GB free", "" if status == "ok" else "free some space"))
    return checks


def _memory() -> float | None:
    """Bytes that a new process may use; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    kilobytes = {line.partition(":")[0]: line.split()[1] for line in lines if ":" in line}
    return float(kilobytes["MemAvailable"]) * 1024 if "MemAvailable" in kilobytes else None


def _encoding() -> Check:
    shown = (getattr(sys.stdout, "encoding", None) or "unknown").lower()
    detail = f"output {shown}, files {locale.getencoding().lower()}"
    if shown.replace("-", "") != "utf8":
        return Check("text", "warn", detail, "export PYTHONUTF8=1, so that every script prints as written")
    return Check("text", "ok", detail)


def _self_test(seed: int) -> Check:
    """The whole chain on a dozen conversations: does it run here, and how fast?"""
    from understudy.cli.chain import run_chain
    from understudy.sample import sample_corpus

    start = time.perf_counter()
    corpus = sample_corpus()
    try:
        with tempfile.TemporaryDirectory(prefix="understudy-doctor-") as folder:
            first_of_user = {talk.user_id: row for row, talk in reversed(list(enumerate(corpus)))}
            few = corpus.subset(sorted(first_of_user.values())[:SELF_TEST_CONVERSATIONS])
            report = run_chain(few, few, Path(folder), n=SELF_TEST_CONVERSATIONS, seed=seed, permutations=199)
    except UnderstudyError as error:
        return Check("self test", "fail", error.what, error.fix)
    except Exception as error:  # noqa: BLE001 - any fault at all is a finding here
        what = f"{type(error).__name__}: {error}"
        return Check("self test", "fail", what, "reinstall understudy; if that does not help, report this")
    seconds = time.perf_counter() - start
    detail = f"fit, simulate, audit: {len(report.measurements)} measurements in {seconds:.1f} s"
    return Check("self test", "ok", detail)
