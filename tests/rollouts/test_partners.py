import asyncio
import sys

import pytest

from understudy.conversations import Turn
from understudy.errors import CorpusError, UsageError
from understudy.rollouts.partner import PartnerTurn
from understudy.rollouts.partners import function_partner, open_partner, split_arms

HERE = "tests.rollouts.speakers"
ASKED = (Turn("user", "Where?"),)


def reply(partner, history=ASKED, *, topic=None, seed=1):
    async def one():
        return await partner.start(topic=topic, seed=seed).reply(history)

    return asyncio.run(one())


def test_functions_plain_and_async():
    for name in ("plain_partner", "waiting_partner"):
        partner = open_partner(f"{HERE}:{name}")
        assert partner.identity == f"{HERE}:{name}"
        assert reply(partner) == PartnerTurn("answer 1")
    assert open_partner(f"{HERE}:plain_partner").one_at_a_time
    assert not open_partner(f"{HERE}:waiting_partner+rude").one_at_a_time


def test_objects_and_classes_with_sessions():
    for name in ("desk", "Desk"):
        partner = open_partner(f"{HERE}:{name}")
        assert partner.identity == f"{HERE}:{name}"
        assert reply(partner, topic="hotels").text == "about hotels"


def test_a_partner_beside_the_data(tmp_path, monkeypatch):
    (tmp_path / "bot_beside_the_data.py").write_text("def reply(history):\n    return history[-1].text.upper()\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert reply(open_partner("bot_beside_the_data:reply")).text == "WHERE?"
    assert sys.path == before


def test_callables_that_return_turns():
    class Bot:
        async def __call__(self, history):
            return PartnerTurn("typed", ("inform",))

    partner = function_partner(Bot())
    assert reply(partner) == PartnerTurn("typed", ("inform",))
    assert not partner.one_at_a_time


def test_errors_of_a_function_reach_whoever_waits():
    for error in (ValueError, StopIteration):

        def act(history, error=error):
            raise error("broken")

        with pytest.raises((ValueError, RuntimeError), match="broken"):
            reply(function_partner(act))


@pytest.mark.parametrize(
    ("uri", "what", "hint"),
    [
        (f"{HERE}:plain_partnr", "has no 'plain_partnr'", "did you mean 'plain_partner'"),
        (f"{HERE}:number", "is a int", "called with the turns"),
        ("no_such_module_x:reply", "no module named 'no_such_module_x'", "not found"),
        (f"{HERE}:plain_partner+ruder", "'+ruder'", "did you mean '+rude'"),
        (f"{HERE}:plain_partner+zzz", "'+zzz'", "known way"),
        ("fittd:real.jsonl", "no partner 'fittd:real.jsonl'", "did you mean 'fitted:'"),
        ("opnai:some-model", "there is no partner", "did you mean 'openai:'"),
        ("fitted:", "without a corpus", "module:function"),
        ("nonsense", "no partner 'nonsense'", "module:function"),
        ("", "no partner ''", "module:function"),
    ],
)
def test_mistakes_are_told_with_the_nearest_name(uri, what, hint):
    with pytest.raises(UsageError) as told:
        open_partner(uri)
    assert what in told.value.what
    assert hint in told.value.why


def test_a_path_without_a_scheme(tmp_path):
    file = tmp_path / "real.jsonl"
    file.write_text("")
    with pytest.raises(UsageError) as told:
        open_partner(str(file))
    assert f"fitted:{file}" in told.value.fix


def test_a_missing_corpus_names_the_partner(tmp_path):
    with pytest.raises(CorpusError, match="partner fitted:"):
        open_partner(f"fitted:{tmp_path / 'none.jsonl'}")


def test_a_module_that_breaks_while_loading(tmp_path, monkeypatch):
    (tmp_path / "broken_bot.py").write_text("import no_such_dependency_x\n")
    (tmp_path / "raising_bot.py").write_text("raise RuntimeError('no config')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="'no_such_dependency_x'") as told:
        open_partner("broken_bot:reply")
    assert "which it imports" in told.value.why
    with pytest.raises(UsageError, match="RuntimeError: no config"):
        open_partner("raising_bot:reply")


def test_arms_are_split_from_paths_that_hold_a_plus(tmp_path):
    file = tmp_path / "a+rest"
    file.write_text("")
    assert split_arms(f"fitted:{file}") == (f"fitted:{file}", ())
    assert split_arms(f"fitted:{file}+bad+slow") == (f"fitted:{file}", ("bad", "slow"))
