"""A language model of a few thousand weights, for tests of what takes any."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<assistant>"


def tiny_model(path: Path) -> Path:
    """A causal model of transformers with random weights and one number a letter, written to `path`."""
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
