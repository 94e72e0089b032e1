import importlib.util

import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.errors import MissingExtraError
from understudy.transfer import open_task
from understudy.transfer.tasks.rouge import rouge_l
from understudy.transfer.tasks.summarisation import Settings, SummarisationTask

HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "transformers", "tokenizers"))
WORDS = ("red", "blue", "green", "old", "new", "small", "large", "cheap")


def corpus_of(n=24):
    talks = []
    for k in range(n):
        first, second = WORDS[k % 8], WORDS[(k * 3 + 1) % 8]
        turns = (Turn("user", f"i want a {first} one"), Turn("assistant", f"here is a {second} one"))
        talks.append(Conversation(f"c{k}", turns, meta={"summaries": [f"wants {first} , gets {second}"]}))
    return Corpus(talks)


@pytest.mark.parametrize(
    ("text", "references", "score"),
    [
        ("the cat sat on the mat", ["the cat sat on the mat"], 1.0),
        ("police kill the gunman", ["police killed the gunman"], 0.75),
        ("the gunman kill police", ["police killed the gunman"], 0.5),  # the order of the words counts
        ("a b c", ["x y", "a c"], 0.8),
        ("我想看电影", ["我想听音乐"], 0.4),
        ("!!!", ["a"], 0.0),
        ("a", ["!!!"], 0.0),
    ],
)
def test_rouge_l_by_hand(text, references, score):
    assert rouge_l(text, references) == pytest.approx(score)


def test_examples_are_the_conversation_and_every_reference():
    talk = Conversation("a", (Turn("user", " hi "), Turn("assistant", "")), meta={"summaries": ["one", "", "two"]})
    other = Conversation("b", (Turn("user", "ho"),), meta={"summary": "three"})
    none = Conversation("c", (Turn("user", "ho"),), meta={"summaries": [3, " "]})
    found = SummarisationTask().examples(Corpus([talk, none, other]))
    assert list(found.inputs) == ["User: hi", "User: ho"]
    assert list(found.labels) == [("one", "two"), ("three",)]
    assert found.conversations.tolist() == [0, 2]


def test_scores_are_rouge_of_what_the_predictor_writes():
    class Lead:
        def write(self, texts):
            return [text.splitlines()[0].removeprefix("User: i want a ") for text in texts]

    task = SummarisationTask()
    scores = task.score(Lead(), task.examples(corpus_of(2)))
    assert scores.tolist() == pytest.approx([2 / 6 * 1.0, 2 / 6 * 1.0])


@pytest.mark.skipif(HAS_TORCH, reason="the extra hf is installed")
def test_without_torch_the_extra_is_named():
    task = open_task("summarisation")
    with pytest.raises(MissingExtraError, match="torch") as caught:
        task.baseline(task.examples(corpus_of(2)), seed=0)
    assert caught.value.fix == "pip install 'understudy[hf]'"


@pytest.mark.skipif(not HAS_TORCH, reason="needs the extra hf")
def test_a_tiny_model_learns_the_summaries_and_repeats_itself(tmp_path):
    tiny_model(tmp_path)
    settings = Settings(str(tmp_path), prompt="", epochs=40, batch=8, rate=1e-2, longest_input=24, longest_summary=8)
    task = SummarisationTask(settings)
    examples = task.examples(corpus_of())
    untrained = task.score(task.baseline(examples, seed=0), examples)
    first = task.score(task.fit(examples, seed=1), examples)
    again = task.score(task.fit(examples, seed=1), examples)
    assert untrained.mean() < 0.3 < 0.6 < first.mean()
    assert first.tolist() == again.tolist()


def tiny_model(folder):
    """A sequence-to-sequence model with random weights and a tokeniser of words, made on the spot."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = ["<pad>", "</s>", "<unk>", "user", "assistant", ":", "i", "want", "a", "one", "here", "is"]
    vocabulary += ["wants", "gets", ",", *WORDS]
    tokeniser = Tokenizer(models.WordLevel({word: k for k, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokeniser.pre_tokenizer = pre_tokenizers.Whitespace()
    tokeniser.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokeniser, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    wrapped.save_pretrained(folder)
    config = transformers.T5Config(
        vocab_size=len(vocabulary), d_model=48, d_kv=12, d_ff=96, num_layers=2, num_heads=4,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
