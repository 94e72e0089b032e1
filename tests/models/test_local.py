"""Local weights, with a tiny model that the test makes: random weights, a character vocabulary, nothing downloaded."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.models.making import ask
from tests.scenarios.making import plan_of, ready
from understudy.errors import UsageError
from understudy.models.local import LocalModel
from understudy.models.model import Completion, Message, ModelFault, TerminalFault
from understudy.models.opening import open_model
from understudy.rollouts.loop import roll_out
from understudy.rollouts.model_partner import ModelPartner
from understudy.scenarios.people import PlannedUsers

torch = pytest.importorskip("torch", reason="torch is not installed (extra hf)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra hf)")

from tests.tiny_model import TEMPLATE, tiny_model  # noqa: E402 - it needs both


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny"))


def answers(folder: Path, requests, **options) -> list[Completion | ModelFault]:
    async def main() -> list[Completion | ModelFault]:
        model = LocalModel(str(folder), device="cpu", **options)
        try:
            return await asyncio.gather(*(model.complete(r) for r in requests), return_exceptions=True)
        finally:
            await model.aclose()

    return asyncio.run(main())


def test_the_same_seed_says_the_same_and_another_does_not(folder: Path) -> None:
    def said(seed: int) -> list[str]:
        asked = [ask(f"hello {i}", temperature=1.0, max_tokens=400, seed=seed) for i in range(4)]
        return [getattr(a, "text", getattr(a, "code", "")) for a in answers(folder, asked, batch=1)]

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_batches_say_what_single_calls_say(folder: Path) -> None:
    asked = [ask("x" * (i + 1), max_tokens=12, stop=("e",)) for i in range(5)]
    shown = [[repr(a) for a in answers(folder, asked, batch=n)] for n in (1, 5)]
    assert shown[0] == shown[1]


def test_an_answer_without_its_end_is_truncated(folder: Path) -> None:
    (fault,) = answers(folder, [ask("hello", max_tokens=1)])
    assert isinstance(fault, ModelFault)
    assert fault.code in ("length", "empty")


def test_scores_are_log_probabilities(folder: Path) -> None:
    async def main() -> tuple[float, ...]:
        model = LocalModel(str(folder), device="cpu")
        scores = await model.score([Message("user", "hi")], "abc")
        await model.aclose()
        return scores

    scores = asyncio.run(main())
    assert len(scores) == 4
    assert all(s < 0 for s in scores)


def test_scores_are_those_of_a_plain_pass_over_the_weights(folder: Path) -> None:
    async def main() -> tuple[float, ...]:
        model = LocalModel(str(folder), device="cpu")
        scores = await model.score([Message("user", "hi")], "abc")
        await model.aclose()
        return scores

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    weights = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    text = "<user>hi\n<assistant>abc"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(ids) == len(text), "a token a character"
    ids.append(tokenizer.eos_token_id)
    with torch.no_grad():
        log_p = torch.log_softmax(weights(torch.tensor([ids])).logits[0].float(), -1)
    expected = [float(log_p[k - 1, ids[k]]) for k in range(len(ids) - 4, len(ids))]
    assert asyncio.run(main()) == pytest.approx(expected, abs=1e-4)


def test_an_answer_that_ends_is_whole_and_shows_no_token_of_the_template(folder: Path) -> None:
    asked = [ask(f"hello {i}", temperature=1.0, max_tokens=900, seed=i) for i in range(6)]
    whole = [a for a in answers(folder, asked) if isinstance(a, Completion)]
    assert len(whole) >= 4
    for answer in whole:
        assert answer.finish_reason == "stop"
        assert "<end>" not in answer.text
        assert answer.usage is not None
        assert len(answer.text) < answer.usage.output <= 900
        assert answer.usage.input == len("<user>hello 0\n<assistant>")


def test_a_stop_string_ends_the_answer_and_is_not_in_it(folder: Path) -> None:
    asked = [ask(f"hello {i}", temperature=1.0, max_tokens=900, seed=i, stop=("e", "a")) for i in range(6)]
    found = [a for a in answers(folder, asked) if isinstance(a, Completion)]
    assert found
    assert not any(set(answer.text) & {"e", "a"} for answer in found)


def test_sampled_batches_draw_from_a_stream_a_call(folder: Path) -> None:
    """Nearly: padding moves logits in their last digits, so that one draw in thousands may fall otherwise."""
    asked = [ask("x" * (9 - i), temperature=1.0, top_p=0.9, max_tokens=40, seed=i, stop=("e", "t")) for i in range(8)]
    alone, together = ([repr(a) for a in answers(folder, asked, batch=n)] for n in (1, 8))
    assert sum(a == b for a, b in zip(alone, together, strict=True)) >= 7


def test_a_template_that_refuses_is_a_fault_of_that_call_alone(folder: Path, tmp_path: Path) -> None:
    strict = tmp_path / "strict"
    shutil.copytree(folder, strict)
    config = json.loads((strict / "tokenizer_config.json").read_text())
    refuse = "{% if messages[0]['content'] == 'bad' %}{{ raise_exception('no such talk') }}{% endif %}"
    (strict / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": refuse + TEMPLATE}))
    (strict / "chat_template.jinja").unlink(missing_ok=True)
    asked = [ask(text, temperature=1.0, max_tokens=900, seed=4) for text in ("bad", "good")]
    bad, good = answers(strict, asked)
    assert isinstance(bad, TerminalFault)
    assert bad.code == "chat_template"
    assert "no such talk" in bad.what
    assert not isinstance(good, TerminalFault)


def test_a_model_without_a_template_is_refused(folder: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(folder, base)
    config = json.loads((base / "tokenizer_config.json").read_text())
    config.pop("chat_template")
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    (base / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(UsageError, match="no chat template"):
        LocalModel(str(base), device="cpu")


def test_what_does_not_fit_the_context_is_a_fault_of_that_call_alone(folder: Path) -> None:
    asked = [ask(text, temperature=1.0, max_tokens=900, seed=4) for text in ("x" * 5000, "good")]
    long, good = answers(folder, asked)
    assert isinstance(long, TerminalFault)
    assert long.code == "context_length"
    assert not isinstance(good, TerminalFault)


def test_users_of_a_plan_are_played_in_plain_text(folder: Path) -> None:
    users = PlannedUsers(open_model(f"hf:{folder}"), ready(plan_of(8, writing={"max_tokens": 300})))
    assert not users.prompted.sampling.structured
    profile = users.draw(0, seed=0)
    partner = ModelPartner(open_model(f"hf:{folder}"), max_tokens=200)
    done = asyncio.run(roll_out(users.simulator(), profile, partner, seed=1, max_turns=4))
    # Random weights seldom say what a person may say; what matters is that nothing but their words is at fault.
    assert done.fault is None or done.fault.kind in ("length", "empty", "unparsable", "role_flip", "persona_recital")


def test_closed_it_can_be_used_again(folder: Path) -> None:
    model = LocalModel(str(folder), device="cpu")

    async def once() -> None:
        await model.score([Message("user", "hi")], "a")
        await model.aclose()

    asyncio.run(once())
    asyncio.run(once())


def test_a_schema_is_refused(folder: Path) -> None:
    (fault,) = answers(folder, [ask("hello", response_schema={"type": "object"})])
    assert isinstance(fault, TerminalFault)
