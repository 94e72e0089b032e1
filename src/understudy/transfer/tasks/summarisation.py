"""Task `summarisation`: write what was agreed and said. A small sequence-to-sequence model, extra `hf`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from understudy._require import require
from understudy.conversations import Conversation, Corpus
from understudy.seeds import stream
from understudy.transfer.task import Examples, Floats, Predictor, no_examples
from understudy.transfer.tasks.rouge import rouge_l

MODEL = "google/flan-t5-small"
PURPOSE = "the task 'summarisation'"


class Settings(NamedTuple):
    """How the model is trained and asked. `model` is a name on the Hugging Face hub or a folder."""

    model: str = MODEL
    prompt: str = "summarize: "
    epochs: int = 2
    batch: int = 8
    rate: float = 3e-4
    longest_input: int = 512
    longest_summary: int = 96


class SummarisationTask:
    """How well does a model sum up a conversation, by ROUGE-L against people's summaries?

    References: `conversation.meta["summaries"]` (a list of texts, or one text) or `meta["summary"]`. The input is the
    conversation, a line a turn, as `User:` and `Assistant:`. Baseline: the pretrained model as it comes. Learner: the
    same model fine-tuned on the examples (AdamW, teacher forcing, no
    dropout), and asked for the likeliest words (greedy search,
    no least length, which would hurt short references). Score: the best F1 of ROUGE-L over the references.

    Needs `pip install 'understudy[hf]'` and the model's weights; raises `MissingExtraError` where it is absent.
    """

    name = "summarisation"
    metric = "mean ROUGE-L"
    labelled = False
    needs = 'summaries of conversations (meta["summaries"])'

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def examples(self, corpus: Corpus) -> Examples:
        found = [(row, _lines(talk), _summaries(talk.meta)) for row, talk in enumerate(corpus)]
        found = [(row, text, summaries) for row, text, summaries in found if text and summaries]
        if not found:
            return no_examples()
        rows = np.array([row for row, _, _ in found], dtype=np.int64)
        return Examples([text for _, text, _ in found], [s for _, _, s in found], corpus.unit_ids[rows], rows)

    def baseline(self, examples: Examples, *, seed: int) -> Predictor:
        return Summariser(self.settings)

    def fit(self, examples: Examples, *, seed: int) -> Predictor:
        summariser = Summariser(self.settings)
        summariser.train(list(examples.inputs), [names[0] for names in examples.labels], seed=seed)
        return summariser

    def score(self, predictor: Predictor, examples: Examples) -> Floats:
        written = predictor.write(list(examples.inputs))
        return np.array([rouge_l(text, names) for text, names in zip(written, examples.labels, strict=True)], float)


class Summariser:
    """A sequence-to-sequence model and its tokeniser."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.torch: Any = require("torch", extra="hf", purpose=PURPOSE)
        library: Any = require("transformers", extra="hf", purpose=PURPOSE)
        self.tokeniser = library.AutoTokenizer.from_pretrained(settings.model)
        self.model = library.AutoModelForSeq2SeqLM.from_pretrained(settings.model)

    def train(self, texts: Sequence[str], summaries: Sequence[str], *, seed: int) -> None:
        """Fine-tune on `texts` and their `summaries`; the order of the examples depends on `seed` alone."""
        settings, torch = self.settings, self.torch
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=settings.rate)
        self.model.eval()  # No dropout: it would draw from torch's global generator, and nothing else is random.
        for epoch in range(settings.epochs):
            order = stream(seed, "summarisation", epoch).permutation(len(texts))
            for rows in np.array_split(order, max(1, -(-len(order) // settings.batch))):
                inputs = self._encoded([texts[row] for row in rows], settings.longest_input)
                wanted = self._targets([summaries[row] for row in rows])
                self.model(**inputs, labels=wanted).loss.backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad()

    def write(self, texts: Sequence[str]) -> list[str]:
        """A summary of each text."""
        self.model.eval()
        written: list[str] = []
        with self.torch.no_grad():
            for begin in range(0, len(texts), self.settings.batch):
                inputs = self._encoded(texts[begin : begin + self.settings.batch], self.settings.longest_input)
                out = self.model.generate(
                    **inputs, max_new_tokens=self.settings.longest_summary, do_sample=False, num_beams=1
                )
                written += self.tokeniser.batch_decode(out, skip_special_tokens=True)
        return written

    def _encoded(self, texts: Sequence[str], longest: int) -> Mapping[str, Any]:
        prompted = [self.settings.prompt + text for text in texts]
        encoded: Mapping[str, Any] = self.tokeniser(
            prompted, max_length=longest, truncation=True, padding=True, return_tensors="pt"
        )
        return encoded

    def _targets(self, summaries: Sequence[str]) -> Any:
        encoded = self.tokeniser(
            text_target=list(summaries),
            max_length=self.settings.longest_summary,
            truncation=True,
            padding=True,
            return_tensors="pt",
        )
        wanted = encoded["input_ids"]
        return wanted.masked_fill(wanted == self.tokeniser.pad_token_id, -100)


def _lines(talk: Conversation) -> str:
    return "\n".join(f"{turn.role.capitalize()}: {turn.text.strip()}" for turn in talk.turns if turn.text.strip())


def _summaries(meta: Mapping[str, Any]) -> tuple[str, ...]:
    found = meta.get("summaries", meta.get("summary"))
    texts = [found] if isinstance(found, str) else found if isinstance(found, list | tuple) else []
    return tuple(text for text in texts if isinstance(text, str) and text.strip())
