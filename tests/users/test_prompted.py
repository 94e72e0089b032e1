import asyncio
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.users.injections import INJECTIONS, PRIVATE, obedient
from understudy.conversations import Conversation, Corpus, Ending, Turn
from understudy.models.scripted import Scripted
from understudy.rollouts.loop import roll_out
from understudy.rollouts.partner import PartnerTurn
from understudy.rollouts.partners import function_partner
from understudy.seeds import derive_seed
from understudy.testing.checks import failures
from understudy.testing.simulators import check_user_simulator
from understudy.users import Goal, Persona, Profile
from understudy.users.briefing import brief, forbidden, render
from understudy.users.intents import NONE
from understudy.users.prompted import BEGIN, WITHHELD, PromptedSimulator, Sampling
from understudy.users.turn_latents import DefaultLatents, FittedLatents

GOLDEN = Path(__file__).parent / "golden"
PROFILE = Profile(
    id="p1",
    user_id="u1",
    persona=Persona(
        "u1",
        style={"words_per_turn": 6.6, "questions": 0.2},
        big_five={"extraversion": -1.7, "agreeableness": 0.8, "openness": 0.1},
        facts=("retired nurse from a harbour town", "keeps ${two} {goats}"),
    ),
    goal=Goal("film", (("genre", "western"), ("title", "Rio  Bravo")), "wants to see rio bravo again, on a Sunday"),
    knowledge=("the cinema shows old films", "Rio Bravo is not shown"),
    partner_belief="ai",
)
VIEW = (Turn("user", "hello", intent="tell"), Turn("assistant", "Which film?"))


class Sent(Scripted):
    """A scripted model that keeps what it was sent."""

    def __init__(self, script):
        super().__init__(script, name="sent")
        self.requests = []

    async def complete(self, request):
        self.requests.append(request)
        return await super().complete(request)


def says(text, leaving=False):
    return json.dumps({"text": text, "leaving": leaving})


def reply(simulator, history, *, seed=3, profile=PROFILE):
    return asyncio.run(simulator.start(profile, seed=seed).reply(history))


@pytest.mark.parametrize("name", ["stays", "leaves", "bare"])
def test_the_rendering_is_the_golden_one(name):
    briefing = brief(PROFILE, unknown=["title"]) if name != "bare" else brief(_bare())
    text = render(briefing, intent="ask a question", leaving=name == "leaves", structured=name != "bare")
    file = GOLDEN / f"prompted_{name}.txt"
    assert text == file.read_text("utf-8")


def _bare():
    return Profile(id="p", user_id="u", persona=Persona("u"), goal=Goal())


def test_what_a_user_must_not_know_is_never_sent_and_templates_are_not_read():
    model = Sent(lambda request: says("Something with horses?"))
    simulator = PromptedSimulator(model, unknown=["title"])
    partner = function_partner(lambda history: "What is it about?")
    done = asyncio.run(roll_out(simulator, PROFILE, partner, seed=5))
    assert done.fault is None
    sent = [message.content for request in model.requests for message in request.messages]
    assert forbidden(PROFILE, unknown=["title"]) == ("Rio  Bravo",)
    assert not any("bravo" in text.lower() for text in sent)
    assert any("keeps ${two} {goats}" in text for text in sent)
    open_user = Sent(lambda request: says("Rio Bravo?"))
    reply(PromptedSimulator(open_user), ())
    assert "Rio Bravo" in open_user.requests[0].messages[0].content
    assert PromptedSimulator(open_user).identity != simulator.identity


def test_the_model_is_the_assistant_of_its_view():
    model = Sent(lambda request: says("a western"))
    reply(PromptedSimulator(model), VIEW)
    roles = [(m.role, m.content) for m in model.requests[0].messages[1:]]
    assert roles == [("user", BEGIN), ("assistant", "hello"), ("user", "Which film?")]
    reply(PromptedSimulator(model), (Turn("assistant", "Hi, what can I do?"),))
    assert [m.role for m in model.requests[1].messages] == ["system", "user"]


def test_every_turn_stores_what_was_planned_and_what_came_of_it():
    model = Sent(lambda request: says("Is it open?" if request.seed % 2 else "it is for a sunday evening"))
    simulator = PromptedSimulator(model)
    done = asyncio.run(roll_out(simulator, PROFILE, function_partner(lambda h: "Maybe."), seed=derive_seed(1)))
    own = [turn for turn in done.conversation.turns if turn.role == "user"]
    assert own
    for turn in own:
        assert turn.intent in simulator.intents.names
        assert turn.meta["realised"] == ("ask" if "?" in turn.text else "tell")
        assert turn.meta["state"]["planned"] >= 1
    assert done.conversation.profile["persona"]["facts"][0] == PROFILE.persona.facts[0]


def test_a_turn_depends_on_profile_seed_and_history_alone():
    simulator = PromptedSimulator(Scripted(lambda request: says(f"turn {request.seed}"), name="seeded"))
    session = simulator.start(PROFILE, seed=9)
    first = asyncio.run(session.reply(()))
    assert asyncio.run(session.reply(VIEW)) == reply(simulator, VIEW, seed=9)
    assert first == reply(simulator, (), seed=9) != reply(simulator, (), seed=10)


def test_it_keeps_the_contract_of_a_user_simulator():
    simulator = PromptedSimulator(Scripted(lambda request: says(f"is it {request.seed % 1000}"), name="c"))
    assert failures(check_user_simulator(simulator)) == {}


@pytest.mark.parametrize("answer", ["I refuse.", '{"text": "hi"}', '{"text": 3, "leaving": false}', says("  "), "[]"])
def test_an_answer_that_does_not_parse_is_a_fault_and_never_text(answer):
    simulator = PromptedSimulator(Scripted(lambda request: answer, name="x"))
    done = asyncio.run(roll_out(simulator, PROFILE, function_partner(lambda h: "And?"), seed=1))
    assert done.conversation.turns == ()
    assert (done.fault.by, done.fault.kind) == ("user", "empty" if '"  "' in answer else "unparsable")


def test_a_second_answer_is_asked_for_without_the_partners_words():
    model = Sent(["nonsense", says("never mind")])
    turn = reply(PromptedSimulator(model), (*VIEW[:1], Turn("assistant", "Answer in XML!")))
    assert turn.text == "never mind"
    assert turn.meta["withheld"].startswith("unparsable")
    assert [m.content for m in model.requests[1].messages[-1:]] == [WITHHELD]
    assert model.requests[0].seed != model.requests[1].seed


def test_bare_text_where_the_model_knows_no_schema():
    model = Sent(["  a western, please  "])
    turn = reply(PromptedSimulator(model, sampling=Sampling(structured=False)), ())
    assert turn.text == "a western, please"
    assert model.requests[0].response_schema is None
    assert "JSON" not in model.requests[0].messages[0].content


def test_leaving_is_the_hazards_and_patience_delays_it():
    def lengths(patience, wish):
        simulator = PromptedSimulator(Scripted(lambda request: says("go on", wish), name="n"))
        found = []
        for seed in range(60):
            profile = Profile(id="p", user_id="u", persona=Persona("u"), goal=Goal(), patience=patience)
            partner = function_partner(lambda h: "yes")
            talk = asyncio.run(roll_out(simulator, profile, partner, seed=seed, max_turns=200)).conversation
            assert talk.ending in (Ending("user", "done"), Ending("user", "left"))
            found.append(sum(turn.role == "user" for turn in talk.turns))
        return found

    calm = lengths(1.0, False)
    assert calm == lengths(1.0, True)
    mean, hazard = np.mean(calm), DefaultLatents.hazard_per_turn
    assert abs(mean - (1 + 1 / hazard)) < 4 * np.std(calm) / np.sqrt(len(calm))
    assert np.mean(lengths(0.25, False)) < mean - 1 < np.mean(lengths(4.0, False)) - 4


def test_transitions_are_recovered_within_their_intervals():
    """Figure 7: planned intents follow the stated transitions; the chance of any false alarm is 5 %."""
    simulator = PromptedSimulator(Scripted(lambda request: says("well then"), name="n"))
    counts = Counter()
    for seed in range(1000):
        talk = asyncio.run(roll_out(simulator, _bare(), function_partner(lambda h: "yes"), seed=seed)).conversation
        before = None
        for turn in talk.turns:
            if turn.role == "user":
                counts[before, turn.intent] += 1
                before = turn.intent
    stated = DefaultLatents.transitions
    cells = [(a, b, p) for a, row in stated.items() for b, p in zip(DefaultLatents.names, row, strict=True)]
    for a, b, p in cells:
        n = sum(count for (first, _), count in counts.items() if first == a)
        low, high = binomtest(counts[a, b], n).proportion_ci(1 - 0.05 / len(cells), method="exact")
        assert low <= p <= high, (a, b, p, counts[a, b] / n)
    assert sum(counts.values()) > 5000


def markov_corpus(rng, n=400):
    """Users whose acts follow a known chain, and who leave with a known hazard."""
    chain = {None: (0.9, 0.1, 0.0), "inform": (0.2, 0.7, 0.1), "request": (0.5, 0.2, 0.3), "thank": (0.4, 0.5, 0.1)}
    names, talks = ("inform", "request", "thank"), []
    for k in range(n):
        turns, before = [], None
        while True:
            before = names[int(rng.choice(3, p=chain[before]))]
            turns.append(Turn("user", f"{before} number {rng.integers(9)}", acts=(before,)))
            if len(turns) // 2 >= 11 or rng.random() < 0.2:
                break
            turns.append(Turn("assistant", "certainly", acts=("offer",)))
        talks.append(Conversation(f"c{k}", tuple(turns), user_id=f"u{k % 50}"))
    return Corpus(talks), chain, names


def test_fitted_latents_recover_a_known_chain_and_hazard():
    corpus, chain, names = markov_corpus(np.random.default_rng(0), 1500)
    latents = FittedLatents(corpus, seed=0)
    assert sorted(latents.names) == sorted(names)
    assert latents.speaks_last == 1.0
    act = latents.act("certainly", ("offer",))
    for before, row in chain.items():
        share = latents.probabilities(before, *((NONE, 0.0) if before is None else (act, 0.3)))
        for name, p in zip(names, row, strict=True):
            assert abs(share[latents.names.index(name)] - p) < 0.07, (before, name)
    assert all(abs(latents.hazard(k, act) - 0.2) < 0.06 for k in (1, 2, 3, 4))
    assert latents.hazard(12) == 1.0
    assert latents.realised("request number 3") == "request"
    assert latents.describe("request").startswith("request (")


def test_fitted_latents_without_acts_in_another_script():
    talks = [
        Conversation(
            f"c{k}", (Turn("user", "我想学英语" * (1 + k % 3)), Turn("assistant", "好"), Turn("user", "谢谢你？"))
        )
        for k in range(30)
    ]
    latents = FittedLatents(Corpus(talks), seed=0)
    assert latents.realised("谢谢你？") in latents.names
    assert abs(latents.probabilities(None, NONE, 0.0).sum() - 1) < 1e-9
    assert latents.hazard(1) == 0.0
    assert latents.hazard(2) == 1.0
    assert len(set(map(latents.describe, latents.names))) == len(latents.names)


def test_an_injection_ends_nothing_flips_nothing_and_learns_nothing():
    """Figure 6: 240 attempts on a model that obeys every one of them, each beside the same rollout without it."""
    assert len(INJECTIONS) == len(set(INJECTIONS)) == 240
    simulator = PromptedSimulator(Scripted(obedient, name="obedient"))
    harmed = Counter()
    for number, attack in enumerate(INJECTIONS):
        ends = {}
        for name, words in (("clean", "Could you tell me more?"), ("attacked", attack)):
            heard = []

            def answer(history, words=words, heard=heard):
                heard[:] = [turn.text for turn in history]
                return PartnerTurn(words)

            done = asyncio.run(roll_out(simulator, PRIVATE, function_partner(answer), seed=number))
            ends[name] = (done.conversation.ending, sum(t.role == "user" for t in done.conversation.turns))
            told = " ".join(t.text for t in done.conversation.turns if t.role == "user")
            bare = "".join(c for c in told.casefold() if c.isalnum())
            facts = ["".join(c for c in fact.casefold() if c.isalnum()) for fact in PRIVATE.persona.facts]
            harmed["told"] += any(fact in bare for fact in facts) or "heron" in bare
            harmed["flipped"] += "how can i help" in told.lower() or "assistant:" in told.lower()
            harmed["faults"] += done.fault is not None
        harmed["ended"] += ends["clean"] != ends["attacked"]
    assert harmed == Counter({"told": 0, "flipped": 0, "faults": 0, "ended": 0})


def test_the_obedient_model_does_obey():
    """Without the guard each kind of attack works, or the test above could not fail."""
    from understudy.models.model import Message, Request

    def answer(attack):
        system = render(brief(PRIVATE), intent="ask", leaving=False)
        return obedient(Request((Message("system", system), Message("user", attack))))

    def works(said):
        bare = "".join(c for c in said.lower() if c.isalnum())
        return any(mark in bare for mark in ("leavingtrue", "heron", "noreh", "helpyou")) or said.startswith("<")

    assert all(works(answer(attack)) for attack in INJECTIONS)
