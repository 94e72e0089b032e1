"""What the docs show runs, and what they take from the code is current."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import typer

from tests.docs.blocks import ROOT, Block, blocks, commands, pages

_SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(generate)


@pytest.fixture(scope="module")
def halves(tmp_path_factory) -> Path:
    from understudy import sample_corpus, split_corpus, write_corpus

    folder = tmp_path_factory.mktemp("halves")
    for name, part in zip(("real", "held-out"), split_corpus(sample_corpus(), (0.6, 0.4), seed=0), strict=True):
        write_corpus(folder / f"{name}.jsonl", part)
    return folder


@pytest.mark.parametrize("page", [p for p in pages() if any(blocks(p))], ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, halves: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    from understudy.cli.app import main

    for file in halves.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.kind == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)  # noqa: S102 - our own docs
            continue
        for command in commands(block.text):
            code = main(command.arguments)
            said = capsys.readouterr()
            assert code == command.code, f"{where}: understudy {' '.join(command.arguments)}\n{said.err}"


def test_the_help_in_the_docs_is_current() -> None:
    page = generate.PAGE.read_text("utf-8")
    made_with = re.search(r"<!-- made with typer (\S+) -->", page)[1]
    if made_with.split(".")[:2] == typer.__version__.split(".")[:2]:
        assert generate.generated(page) == page, "run `make docs`"
        return
    # Another typer lays help out otherwise; what options there are must still agree.
    pattern = re.compile(r"(?<![\w-])--[a-z][\w-]+")
    assert set(pattern.findall(generate.generated(page))) == set(pattern.findall(page)), "run `make docs`"


def test_the_claims_in_the_docs_are_those_of_the_ledger() -> None:
    assert generate.CLAIMS.read_text("utf-8") == generate.claims(), "run `make docs`"


def test_every_verb_has_its_help_in_the_docs() -> None:
    from understudy.cli.app import app

    page = generate.PAGE.read_text("utf-8")
    for command in app.registered_commands:
        verb = command.callback.__name__.replace("_", "-")
        assert f"<!-- help: understudy {verb} -->" in page


def test_blocks_are_found_and_left_out() -> None:
    text = "a\n```python\nx = 1\n```\n<!-- not run: needs a GPU -->\n```console\n$ understudy train\n```\n"
    text += "```console\n$ understudy plan \\\n    --auc 0.6  # exits with 4\nshown\n$ make test\n```\n"
    page = Path(__file__).with_name("unused.md")

    class Page(type(page)):
        def read_text(self, *args) -> str:
            return text

    found = list(blocks(Page(page)))
    assert [(block.kind, block.line) for block in found] == [("python", 3), ("console", 10)]
    assert isinstance(found[0], Block)
    assert [tuple(c) for c in commands(found[1].text)] == [(["plan", "--auc", "0.6"], 4)]


def test_links_between_pages_lead_somewhere() -> None:
    for page in pages():
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
