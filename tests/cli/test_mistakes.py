"""Common mistakes: the message names the fix, the code is right, no traceback, at most eight lines."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from tests.cli.running import corpus_file, run, talk
from understudy.cli.exits import Exit


class Mistake(NamedTuple):
    """A command line, and what its message must have in it."""

    name: str
    command: str
    says: tuple[str, ...]
    code: int = Exit.USAGE


OUT = "--out new"
SIM = "simulate users --out syn2.jsonl -n 12"
AUDIT = "audit syn.jsonl --real real.jsonl --permutations 199"

MISTAKES = [
    # the corpus
    Mistake("path misspelt", f"fit reel.jsonl {OUT}", ("'reel.jsonl' does not exist", "did you mean real.jsonl")),
    Mistake("path wrong", f"fit nowhere/at-all.jsonl {OUT}", ("does not exist", "check the path")),
    Mistake("empty file", f"fit empty.jsonl {OUT}", ("empty", "give a file")),
    Mistake("blank lines only", f"fit blank.jsonl {OUT}", ("empty", "give a file")),
    Mistake("BOM only", f"fit bom.jsonl {OUT}", ("empty", "give a file")),
    Mistake("empty array", f"fit array.json {OUT}", ("empty", "give a file")),
    Mistake("no JSON at all", f"fit prose.jsonl {OUT}", ("prose.jsonl:1: not valid JSON", "list of turns")),
    Mistake("JSON of something else", f"fit config.json {OUT}", ("config.json", "list of turns")),
    Mistake("conversations without turns", f"fit hollow.jsonl {OUT}", ("hollow.jsonl",)),
    Mistake("folder without a corpus", f"fit pictures {OUT}", ("no corpus file", ".jsonl")),
    Mistake("device instead of file", f"fit /dev/null {OUT}", ("neither a file nor a folder", "save")),
    Mistake("unknown kind of file", f"fit notes.docx {OUT}", ("notes.docx:1: not valid JSON", "list of turns")),
    Mistake("gz that is not gz", f"fit fake.jsonl.gz {OUT}", ("fake.jsonl.gz", "gz")),
    Mistake("truncated zst", f"fit cut.jsonl.zst {OUT}", ("cut.jsonl.zst",)),
    Mistake("parquet that is not", f"fit fake.parquet {OUT}", ("fake.parquet",)),
    Mistake("csv without a text column", f"fit numbers.csv {OUT}", ("numbers.csv",)),
    Mistake("hub without the extra", f"fit hf:someone/somewhere {OUT}", ("hf:someone/somewhere", "pip install")),
    Mistake("role misspelt", f"fit roles.jsonl {OUT} --user-role custmer", ("custmer", "--user-role 'customer'")),
    Mistake("role that nobody has", f"fit roles.jsonl {OUT} --user-role zzz", ("zzz", "customer")),
    Mistake("one role only", f"fit oneside.jsonl {OUT}", ("user", "--user-role")),
    # export
    Mistake("export to what is no format", "export real.jsonl --to arff --out x", ("'arff'", "sharegpt")),
    Mistake("ShareGPT as a table", "export real.jsonl --to sharegpt --out x.csv", ("no JSON file", "x.json")),
    Mistake("export over its source", "export real.jsonl --to sharegpt --out real.jsonl", ("to read", "another")),
    Mistake("hf into a file", "export real.jsonl --to hf --out real.jsonl", ("is a file", "name a folder")),
    # panel
    Mistake("panel of one side", "panel syn.jsonl", ("--real REAL", "beside a real one")),
    Mistake("panel of too few", "panel syn.jsonl --real real.jsonl --pairs 90", ("can be shown", "lower --pairs")),
    Mistake("odd ratings", "panel syn.jsonl --real real.jsonl --ratings 3", ("--ratings 3 is odd", "give 4")),
    Mistake(
        "nothing asked",
        "panel syn.jsonl --real real.jsonl --pairs 0 --catch-trials 0 --ratings 0 --partner none",
        ("nothing is asked", "ask for one"),
    ),
    Mistake(
        "panel for everybody", "panel syn.jsonl --real real.jsonl --host 0.0.0.0", ("without --invite", "leave --host")
    ),
    Mistake("export of nothing", "panel --export a.json", ("there is no panel in panel.db", "--db FILE")),
    Mistake("answers that are none", f"{AUDIT} --panel syn.jsonl", ("is no export of a panel", "--export FILE.json")),
    Mistake("answers that are not there", f"{AUDIT} --panel a.json", ("a.json cannot be read", "--export FILE.json")),
    # fit
    Mistake("no corpus given", f"fit {OUT}", ("REAL", "understudy fit --help")),
    Mistake("no --out", "fit real.jsonl", ("--out", "understudy fit --help")),
    Mistake("--out is a file", "fit real.jsonl --out real.jsonl", ("is a file", "name a folder")),
    Mistake("--out below a file", "fit real.jsonl --out real.jsonl/users", ("cannot be written", "choose a path")),
    Mistake("--out not writable", "fit real.jsonl --out /proc/users", ("/proc/users cannot be written", "choose")),
    Mistake("one conversation", f"fit one.jsonl {OUT}", ("not a population", "at least 30")),
    Mistake("all to one side", f"split real.jsonl {OUT} --share 1", ("--share 1", "0.5")),
    Mistake("too few to split", f"split one.jsonl {OUT}", ("cannot make 2 parts", "more data")),
    Mistake("wrong copy guard", f"fit real.jsonl {OUT} --copy-guard loose", ("loose", "free")),
    Mistake("seed is a word", f"fit real.jsonl {OUT} --seed lucky", ("--seed", "integer")),
    Mistake("seed is negative", f"fit real.jsonl {OUT} --seed -1", ("--seed", "0")),
    Mistake("option misspelt", f"fit real.jsonl {OUT} --copyguard free", ("--copyguard", "--copy-guard")),
    Mistake("verb misspelt", "simulat users", ("simulat", "Did you mean 'simulate'")),
    Mistake("verb of another version", "transfer syn.jsonl", ("transfer", "--help")),
    Mistake("one argument too many", f"fit real.jsonl other.jsonl {OUT}", ("other.jsonl", "--help")),
    # simulate
    Mistake("users misspelt", f"{SIM.replace('users', 'usres')} --partner fitted:real.jsonl", ("usres", "'users'")),
    Mistake("users are a corpus", f"{SIM.replace('users', 'real.jsonl')} --partner fitted:real.jsonl", ("fit",)),
    Mistake("users of another version", f"{SIM.replace('users', 'later')} --partner fitted:real.jsonl", ("fit",)),
    Mistake("users cut short", f"{SIM.replace('users', 'corrupt')} --partner fitted:real.jsonl", ("fit",)),
    Mistake("users without a file", f"{SIM.replace('users', 'partial')} --partner fitted:real.jsonl", ("fit",)),
    Mistake("users are any folder", f"{SIM.replace('users', 'pictures')} --partner fitted:real.jsonl", ("fit",)),
    Mistake("structured without goals", f"{SIM.replace('users', 'structured:')} --partner a:b", ("GOALS",)),
    Mistake("no partner", SIM, ("--partner",)),
    Mistake("unknown partner", f"{SIM} --partner fited:real.jsonl", ("did you mean 'fitted:'",)),
    Mistake("partner is a path", f"{SIM} --partner real.jsonl", ("fitted:real.jsonl",)),
    Mistake("partner's corpus is missing", f"{SIM} --partner fitted:reel.jsonl", ("real.jsonl",)),
    Mistake("partner's module is missing", f"{SIM} --partner nobot:reply", ("nobot",)),
    Mistake("partner's function is misspelt", f"{SIM} --partner mybot:repyl", ("did you mean 'reply'",)),
    Mistake("unknown arm", f"{SIM} --partner mybot:reply+ruud", ("+rude",)),
    Mistake("partner always fails", f"{SIM} --partner mybot:broken", ("12 of 12 broke", "out of order", "-n 1")),
    Mistake("partner returns a number", f"{SIM} --partner mybot:number", ("12 of 12 broke",)),
    Mistake("model partner without a key", f"{SIM} --partner openai:gpt", ("OPENAI_API_KEY", "openai:MODEL@URL")),
    Mistake("prompted users without a model", f"{SIM.replace('users', 'prompted:p.toml')} --partner a:b", ("--model",)),
    Mistake("prompted users without a plan", f"{SIM.replace('users', 'prompted:')} --partner a:b", ("prompted:PLAN",)),
    Mistake("a model for users that need none", f"{SIM} --partner a:b --model openai:gpt", ("leave --model out",)),
    Mistake("a prompt for no model", f"{SIM} --partner mybot:reply --partner-prompt p.txt", ("openai:MODEL",)),
    Mistake("a budget for nothing", f"{SIM} --partner mybot:reply --max-usd 3", ("costs anything", "--max-usd")),
    Mistake("retrying what was not begun", f"{SIM} --partner mybot:reply --retry-failed", ("add --resume",)),
    Mistake("negative n", f"{SIM.replace('12', '-3')} --partner mybot:reply", ("-n", "1")),
    Mistake("n is zero", f"{SIM.replace('12', '0')} --partner mybot:reply", ("-n", "1")),
    Mistake("out is a folder", f"{SIM.replace('syn2.jsonl', 'users')} --partner mybot:reply", ("is a folder", "jsonl")),
    Mistake("out's folder is missing", f"{SIM.replace('syn2', 'a/b')} --partner mybot:reply", ("mkdir -p a",)),
    Mistake("out has an unknown suffix", f"{SIM.replace('syn2.jsonl', 'syn.xls')} --partner mybot:reply", (".jsonl",)),
    # audit
    Mistake("no --real", "audit syn.jsonl", ("--real", "understudy audit --help")),
    Mistake("real and synthetic are one file", "audit real.jsonl --real ./real.jsonl", ("same file", "--real")),
    Mistake("copies of one file", "audit copy.jsonl --real real.jsonl", ("same conversations", "floor")),
    Mistake("swapped", "audit real.jsonl --real simulated.jsonl", ("a simulator wrote them", "swapped")),
    Mistake("three conversations", "audit three.jsonl --real real.jsonl", ("nothing could be measured", "10")),
    Mistake("gate without a sign", f"{AUDIT} --gate discriminator.words", ("cannot be read", "discriminator.words<=")),
    Mistake("gate on no measure", f"{AUDIT} --gate discrimnator.words<=0.6", ("names no", "discriminator")),
    Mistake("gate of two meanings", f"{AUDIT} --gate length<=0.6", ("stands for 3", "discriminator.length")),
    Mistake("gate with its sign reversed", f"{AUDIT} --gate words=<0.6", ("cannot be read", "words<=0.6")),
    Mistake("gate on no part", f"{AUDIT} --gate discriminator.wrods<=0.6", ("names no", "discriminator.words")),
    Mistake("gate not met", f"{AUDIT} --gate discriminator.words<=0.01", ("not met", "discriminator.words"), Exit.GATE),
    Mistake("too few permutations", AUDIT.replace("199", "19"), ("--permutations 19", "179")),
    Mistake("too few for relations", f"{AUDIT} --also relational", ("13 relational tests", "--permutations 259")),
    Mistake(
        "other real is missing",
        f"{AUDIT} --other-real ather.jsonl",
        ("'ather.jsonl' does not exist", "other.jsonl"),
    ),
    Mistake("report folder is a file", f"{AUDIT} --out real.jsonl", ("is a file", "name a folder")),
    # plan and demo
    Mistake("AUC below chance", "plan --auc 0.4", ("0.4", "0.6")),
    Mistake("power in per cent", "plan --power 80", ("80", "--power 0.8")),
    Mistake("equal rates", "plan --rates 0.5 0.5", ("0.5", "--rates 0.45 0.55")),
    Mistake("one rate", "plan --rates 0.5", ("--rates",)),
    Mistake("margin of nothing", "plan --margin 0", ("margin", "0.05")),
    Mistake("impossible ICC", "plan --icc 2", ("--icc",)),
    Mistake("demo into a file", "demo --out real.jsonl", ("is a file", "name a folder")),
    Mistake("demo too small", "demo -n 3", ("-n", "10")),
]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Path:
    """A folder with everything that can be got wrong."""
    folder = tmp_path_factory.mktemp("workshop")
    corpus_file(folder / "real.jsonl")
    corpus_file(folder / "other.jsonl", opener="well ")
    corpus_file(folder / "syn.jsonl", opener="dear sir, ")
    corpus_file(folder / "three.jsonl", 3, opener="so ")
    corpus_file(folder / "one.jsonl", 1)
    shutil.copy(folder / "real.jsonl", folder / "copy.jsonl")
    _write_broken(folder)
    _write_roles(folder)
    (folder / "mybot.py").write_text(
        "def reply(history):\n    return 'which one?'\n"
        "def broken(history):\n    raise RuntimeError('out of order')\n"
        "def number(history):\n    return 7\n",
        "utf-8",
    )
    _write_users(folder)
    return folder


def _write_broken(folder: Path) -> None:
    texts = {
        "empty.jsonl": "",
        "blank.jsonl": "\n\n  \n",
        "bom.jsonl": "\ufeff",
        "array.json": "[]",
        "prose.jsonl": "Dear reader,\nthis is not JSON.\n",
        "config.json": '{"learning_rate": 0.1}',
        "hollow.jsonl": '{"id": "a", "messages": []}\n' * 3,
        "fake.jsonl.gz": '{"id": "a"}\n',
        "fake.parquet": "PAR0 no",
        "numbers.csv": "a,b\n1,2\n3,4\n",
        "notes.docx": "words",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    whole = zstandard.compress((folder / "real.jsonl").read_bytes())
    (folder / "cut.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    with gzip.open(folder / "real.jsonl.gz", "wb") as file:
        file.write((folder / "real.jsonl").read_bytes())
    (folder / "pictures").mkdir()
    (folder / "pictures" / "cat.png").write_bytes(b"\x89PNG\r\n")


def _write_roles(folder: Path) -> None:
    rows = [talk(number) for number in range(12)]
    named, oneside = [], []
    for row in rows:
        names = {"user": "customer", "assistant": "clerk"}
        named.append({**row, "messages": [{**m, "role": names[m["role"]]} for m in row["messages"]]})
        oneside.append({**row, "messages": [{**m, "role": "assistant"} for m in row["messages"]]})
    for name, content in (("roles", named), ("oneside", oneside)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, content)), "utf-8")


def _write_users(folder: Path) -> None:
    from understudy import fit_population, load_population, read_corpus, simulate, write_corpus

    fit_population(read_corpus(folder / "real.jsonl").corpus, copy_guard="guarded", seed=0).save(folder / "users")
    people = load_population(folder / "users")
    write_corpus(folder / "simulated.jsonl", simulate(people, people.partner(), n=12, seed=0).conversations)
    for name in ("later", "corrupt", "partial"):
        shutil.copytree(folder / "users", folder / name)
    card = folder / "later" / "population.json"
    content = json.loads(card.read_text("utf-8"))
    content["schema"] = "understudy.population/99"
    card.write_text(json.dumps(content), "utf-8")
    files = sorted((f for f in (folder / "users").iterdir()), key=lambda f: f.stat().st_size)
    largest = folder / "corrupt" / files[-1].name
    largest.write_bytes(largest.read_bytes()[:100])
    (folder / "partial" / files[-1].name).unlink()


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "-"))
def test_the_message_names_the_fix(mistake: Mistake, workshop: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(workshop)
    before = {path.name for path in workshop.iterdir()}
    ran = run(capsys, *mistake.command.split(), "--quiet")
    assert ran.code == mistake.code, ran.err
    assert "Traceback" not in ran.err
    assert 1 <= ran.err.strip().count("\n") + 1 <= 8, ran.err
    for words in mistake.says:
        assert words in ran.err, ran.err
    left = {path.name for path in workshop.iterdir()} - before - {"__pycache__", "new"}
    assert not left, f"left behind: {left}"


def test_there_are_fifty() -> None:
    assert len(MISTAKES) >= 50
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


@pytest.mark.parametrize(
    "command",
    [
        "simulate users --partner mybot:reply -n 60 --out big.jsonl",
        "fit real.jsonl --out full",
        "audit syn.jsonl --real real.jsonl --permutations 199 --out full-report",
    ],
)
def test_a_full_disk_is_told_and_leaves_no_half_file(command: str, workshop: Path) -> None:
    """A limit on file size stands in for a full disk: the same refusal, half way through a write."""
    code = "import signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code += f"from understudy.cli.app import main; sys.exit(main({command.split()!r}))"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=workshop,
        capture_output=True,
        text=True,
        preexec_fn=_limited,
        env={**os.environ, "MPLCONFIGDIR": "/tmp"},
    )
    assert done.returncode == Exit.USAGE, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 8
    assert "fix:" in done.stderr
    left = [
        path.name for path in workshop.rglob("*") if path.name.endswith((".part", ".tmp")) or path.name == "big.jsonl"
    ]
    assert not left


def test_broken_rows_are_told_and_the_rest_is_used(workshop: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(workshop)
    rows = (workshop / "real.jsonl").read_text("utf-8").splitlines()
    broken = [*rows[:5], "{not json", *rows[5:], *['{"id": 1}'] * 7]
    (workshop / "mixed.jsonl").write_text("\n".join(broken), "utf-8")
    ran = run(capsys, "plan", "mixed.jsonl", "--json")
    assert ran.code == Exit.OK
    assert "8 row(s) left out, 36 read" in ran.err
    assert "mixed.jsonl:6: " in ran.err
    assert "and 3 more" in ran.err
    assert json.loads(ran.out)["corpus"]["conversations"] == 36
