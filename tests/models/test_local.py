"""Local weights, with a tiny model that the test makes: random weights, a character vocabulary, nothing downloaded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.models.making import ask
from understudy.models.local import LocalModel
from understudy.models.model import Completion, Message, ModelFault, TerminalFault

torch = pytest.importorskip("torch", reason="torch is not installed (extra hf)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra hf)")

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<assistant>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    letters = [chr(c) for c in range(32, 127)] + ["\n"]
    vocabulary = {token: i for i, token in enumerate(["<pad>", "<end>", *letters])}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [
            {"id": i, "content": t, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False} for i, t in enumerate(("<pad>", "<end>"))
        ],
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": False},
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<pad>"},
    }  # fmt: skip
    (path / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "eos_token": "<end>"}
    (path / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    tiny = transformers.LlamaConfig(
        vocab_size=len(vocabulary), **shape, num_key_value_heads=2, eos_token_id=1, pad_token_id=0, bos_token_id=None
    )
    transformers.LlamaForCausalLM(tiny).save_pretrained(path, safe_serialization=True)
    return path


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


def test_a_schema_is_refused(folder: Path) -> None:
    (fault,) = answers(folder, [ask("hello", response_schema={"type": "object"})])
    assert isinstance(fault, TerminalFault)
