"""`assert_transfers`: it fails where transfer is not shown, it says why, and a suite without it notices nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transfer.toy import ToyTask, corpus
from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.writing import write_corpus
from understudy.integrations.assertions import assert_transfers

pytest_plugins = ["pytester"]
PLUGIN = "understudy.integrations.pytest_plugin"
ROOT = Path(__file__).parents[2]


def _world(turn: float, *, seed: int, name: str) -> Corpus:
    return corpus(np.random.default_rng(seed), 60, turn=turn, name=name)


REAL, TRAIN = _world(0.0, seed=1, name="r"), _world(0.0, seed=2, name="t")
GOOD, WRONG = _world(0.0, seed=3, name="g"), _world(np.pi, seed=4, name="w")


def test_what_is_like_the_real_ones_passes() -> None:
    found = assert_transfers(GOOD, REAL, task=ToyTask(), real_train=TRAIN, at_least=0.5)
    assert found.interval is not None
    assert found.interval[0] >= 0.5
    assert found.value == pytest.approx(1.0, abs=0.2)


def test_what_teaches_the_opposite_fails() -> None:
    with pytest.raises(AssertionError) as raised:
        assert_transfers(WRONG, REAL, task=ToyTask(), real_train=TRAIN)
    told = str(raised.value)
    assert told.startswith("transfer.gap_closed.toy: does not transfer: gap closed -")
    assert "the lower bound has to be above 0" in told
    assert "\n  in_domain: 0." in told


def test_the_bound_decides_and_not_the_value() -> None:
    found = assert_transfers(GOOD, REAL, task=ToyTask(), real_train=TRAIN)
    assert found.interval is not None
    assert found.value is not None
    low = found.interval[0]
    assert low < found.value
    assert_transfers(GOOD, REAL, task=ToyTask(), real_train=TRAIN, at_least=low)
    with pytest.raises(AssertionError, match="not shown to transfer: gap closed"):
        assert_transfers(GOOD, REAL, task=ToyTask(), real_train=TRAIN, at_least=(low + found.value) / 2)


def test_what_cannot_be_scored_does_not_pass() -> None:
    unlabelled = Corpus([Conversation(f"c{k}", (Turn("user", "0 0"),)) for k in range(30)])
    with pytest.raises(AssertionError, match="not shown to transfer, unscored: "):
        assert_transfers(unlabelled, REAL, task=ToyTask(), real_train=TRAIN)


def test_users_fitted_to_those_who_test_do_not_pass() -> None:
    origin = {"users": f"fitted:free:{REAL.digest[:12]}:0"}
    fitted = [Conversation(talk.id, talk.turns, talk.user_id, provenance=origin) for talk in GOOD]
    with pytest.raises(AssertionError, match="fitted to people who test"):
        assert_transfers(fitted, REAL, task=ToyTask(), real_train=TRAIN)


INNER = """
    import numpy as np
    from tests.transfer.toy import ToyTask, corpus

    def world(turn, seed, name):
        return corpus(np.random.default_rng(seed), 60, turn=turn, name=name)

    def test_users(assert_transfers):
        assert_transfers("syn.jsonl", world(0.0, 1, "r"), task=ToyTask(), real_train=world(0.0, 2, "t"))
"""


def _inner(pytester: pytest.Pytester, synthetic: Corpus, *options: str) -> Any:
    pytester.makepyfile(INNER)
    write_corpus(pytester.path / "syn.jsonl", synthetic)
    known = any(found.value == PLUGIN for found in entry_points(group="pytest11"))  # then pytest loads it by itself
    return pytester.runpytest_inprocess(*(() if known else ("-p", PLUGIN)), *options)


def test_the_fixture_passes_and_reports(pytester: pytest.Pytester) -> None:
    result = _inner(pytester, GOOD, "--junitxml=out.xml")
    result.assert_outcomes(passed=1)
    report = (pytester.path / "out.xml").read_text()
    assert '<property name="transfer.gap_closed.toy" value="' in report
    assert '<property name="transfer.gap_closed.toy.interval" value="(' in report


def test_the_fixture_fails_the_test(pytester: pytest.Pytester) -> None:
    result = _inner(pytester, WRONG)
    result.assert_outcomes(failed=1)
    shown = result.stdout.str()
    assert "AssertionError: transfer.gap_closed.toy: does not transfer" in shown
    assert "assertions.py" not in shown  # the failure is shown where the test asks


def test_it_is_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"understudy": "understudy.integrations.pytest_plugin"}


def test_a_suite_without_it_notices_nothing(tmp_path: Path) -> None:
    """Loading the plugin loads nothing but itself: no numpy, no polars, no reading of files."""
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.hasplugin('understudy.integrations.pytest_plugin')\n"
        "    heavy = {'numpy', 'polars', 'msgspec', 'scipy', 'sklearn', 'understudy.conversations'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "understudy.integrations.pytest_plugin", "-W", "error", "."]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
