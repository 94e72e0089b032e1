"""Lineage: what our own verbs write, what it says of families, and that it never forgets a hand."""

import msgspec
import pytest

from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.lineage import Step, families_of, steps_of, with_step
from understudy.measures.privacy.personal_data import redact_corpus
from understudy.models.scripted import Scripted
from understudy.rollouts.model_partner import ModelPartner
from understudy.rollouts.partners import function_partner
from understudy.rollouts.simulate import simulate
from understudy.traits.lineage import lineage, lineage_of
from understudy.users.structured import Goal, StructuredPopulation

GPT, QWEN, LLAMA = "openai:gpt-4.1-nano", "hf:Qwen/Qwen2.5-7B-Instruct", "hf:meta-llama/Llama-3.2-1B"


def talks(count: int, *steps: Step) -> list[Conversation]:
    made = [Conversation(f"c{k}", (Turn("user", "hi"),)) for k in range(count)]
    for step in steps:
        made = with_step(made, step)
    return made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (GPT, {"gpt"}),
        ("openai:gpt-4o@https://api.openai.com/v1", {"gpt"}),
        ("openai:llama@http://127.0.0.1:8000/v1", {"llama"}),  # the account is no family
        ("openai:openai/gpt-oss-20b@http://gpu/v1", {"gpt-oss"}),
        ("hf:lmsys/vicuna-13b-v1.5", {"llama"}),
        ("hf:deepseek-ai/DeepSeek-R1-Distill-Llama-8B", {"deepseek", "llama"}),
        ("o3-mini", {"gpt"}),
        ("openai:photo3", {"photo3"}),
        ("fitted:free:0123456789ab:4", {"fitted:0123456789ab"}),
        ("structured/1", {"structured"}),
        ("", set()),
    ],
)
def test_families(name, expected):
    found = families_of(name)
    assert found == expected or (name == "structured/1" and found)


def test_a_simulation_says_who_speaks_on_either_side_and_how():
    partner = ModelPartner(Scripted(["At nine."], name="rail"), system="You sell tickets.", temperature=0.4)
    users = StructuredPopulation([Goal(topic="train", entities=(("to", "york"),))])
    made = simulate(users, partner, n=2, seed=7).conversations[0]
    user, assistant = steps_of(made)
    assert (user.side, user.by, user.seed) == ("user", "structured/1", 7)
    assert assistant.model.startswith("scripted:rail")
    assert assistant.prompt
    assert assistant.sampler["temperature"] == 0.4
    plain = simulate(users, function_partner(lambda history: "ok"), n=1, seed=7).conversations[0]
    assert steps_of(plain)[1].model == ""


def test_every_hand_is_kept_and_old_provenance_is_read():
    old = Conversation("a", (Turn("user", "mail ann@example.org"),), provenance={"simulator": GPT, "partner": QWEN})
    redacted, _ = redact_corpus(Corpus([old]))
    assert [(s.action, s.by) for s in steps_of(redacted[0])] == [
        ("generate", GPT), ("generate", QWEN), ("rewrite", "understudy privacy: redaction by rule"),
    ]  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(redacted[0]), type=Conversation) == redacted[0]


def test_same_family_edges_are_flagged_and_others_are_not():
    corpus = Corpus(talks(3, Step("generate", GPT), Step("rewrite", QWEN), Step("filter", LLAMA)))
    for student, kinds in ((GPT, {"teacher"}), (QWEN, {"rewriter"}), (LLAMA, {"selector"}), ("hf:acme/x", set())):
        found = lineage_of(corpus, student=student)
        assert {edge.kind for edge in found.flagged} == kinds
        assert len(found.edges) == 3
        assert found.touched == (3 if kinds else 0)


def test_a_judge_of_the_writers_family_and_a_judge_who_rewards_are_named():
    corpus = Corpus(
        [*talks(2, Step("generate", GPT), Step("judge", "openai:gpt-4o")), *talks(2, Step("generate", GPT))]
    )
    assert {(e.kind, e.conversations) for e in lineage_of(corpus).flagged} == {("own judge", 2)}
    found = lineage_of(corpus, student=LLAMA).flagged
    assert ("reward", "openai:gpt-4o", LLAMA, 2) in {(e.kind, e.source, e.target, e.conversations) for e in found}
    assert not [e for e in lineage_of(corpus, judge=LLAMA).flagged if e.target == LLAMA]


def test_silence_is_counted_and_hostile_provenance_is_not_believed():
    hostile = [
        Conversation("x", (), provenance={"lineage": "no list"}),
        Conversation("y", (), provenance={"lineage": [{"action": "eval", "by": "x"}, 3]}),
        Conversation("z", (), provenance={"generator": ["a"]}),
    ]
    corpus = Corpus([*hostile, *talks(1, Step("generate", GPT))])
    assert lineage_of(corpus, student=GPT).untold == 3
    assert lineage_of(corpus, student=GPT, generator=GPT).untold == 0
    m = lineage(corpus, student=GPT)
    assert (m.value, m.parts[0].value) == (0.25, 0.75)
    assert lineage(Corpus([])).status == "unscored"
