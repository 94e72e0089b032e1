"""What is printed where, and how progress behaves with and without a terminal."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from understudy.cli import output as module
from understudy.cli.output import Output, printable, rate


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b"),
        ("bell\x07", "bell\\x07"),
        ("right\u202eleft", "right\\u202eleft"),
        ("lone\ud800", "lone\\ud800"),
        ("电影 café 🎬\ttab\nline", "电影 café 🎬\ttab\nline"),
    ],
)
def test_control_characters_are_shown_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_json_is_one_document_and_text_is_not_markup(capsys) -> None:
    Output(json=True, quiet=False).result({"a": "电影"}, lambda o: pytest.fail("shown"))
    assert json.loads(capsys.readouterr().out) == {"a": "电影"}
    Output(json=False, quiet=False).result({}, lambda o: o.line("[bold]x[/bold] [red"))
    assert capsys.readouterr().out == "[bold]x[/bold] [red\n"


def test_tables_are_never_cut_without_a_terminal(capsys) -> None:
    long = "measure." * 40
    Output(json=False, quiet=False).table(["name", "value"], [[long, "1"]])
    assert long in capsys.readouterr().out.replace("\n", "").replace(" ", "")


def test_quiet_drops_notes_and_keeps_warnings(capsys) -> None:
    quiet = Output(json=False, quiet=True)
    quiet.note("a note")
    quiet.warn("a warning")
    with quiet.progress() as tell:
        tell("stage", 1, 2)
    assert capsys.readouterr().err == "a warning\n"


def test_no_bar_without_a_terminal_but_a_line_now_and_then(capsys, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with Output(json=False, quiet=False).progress() as tell:
        for done in range(100):
            now[0] += 1.0
            tell("simulate", done, 100)
    assert capsys.readouterr().err.splitlines() == [
        "simulate: 29 of 100 after 30 s",
        "simulate: 59 of 100 after 60 s",
        "simulate: 89 of 100 after 90 s",
    ]


def test_bars_show_stage_count_and_rate() -> None:
    screen = io.StringIO()
    bars = module._bars(Console(file=screen, force_terminal=True, width=100, no_color=True))
    tell = module._on_bars(bars)
    with bars:
        tell("fit", 0, 0)
        for done in range(1, 6):
            tell("simulate", done, 10)
        bars.refresh()
    assert "simulate" in screen.getvalue()
    assert "5/10" in screen.getvalue()
    assert "/s" in screen.getvalue()


def test_rates() -> None:
    assert [rate(30, 10.0), rate(1, 10.0), rate(0, 1.0)] == ["3/s", "10.0 s each", ""]
