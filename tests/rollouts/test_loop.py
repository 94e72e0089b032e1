import asyncio
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollouts.speakers import PROFILE, System, User, answers, leaves_after, says
from understudy.conversations import Ending, Turn
from understudy.errors import SimulatorError
from understudy.rollouts.faults import MAX_CHARS, FaultError
from understudy.rollouts.loop import roll_out
from understudy.rollouts.partner import PartnerTurn
from understudy.users import UserTurn


def talk(user, partner, *, profile=PROFILE, seed=1, max_turns=10, **more):
    return asyncio.run(roll_out(User(user), profile, System(partner), seed=seed, max_turns=max_turns, **more))


def raising(error):
    def act(history):
        raise error

    return act


def test_turns_alternate_until_the_user_leaves():
    done = talk(leaves_after(2), answers("and?"))
    said = [(turn.role, turn.text) for turn in done.conversation.turns]
    assert said == [
        ("user", "turn 0"),
        ("assistant", "and?"),
        ("user", "turn 1"),
        ("assistant", "and?"),
        ("user", "bye"),
    ]
    assert done.conversation.ending == Ending("user", "done")
    assert done.fault is None


def test_the_partner_opens_where_the_profile_says_so():
    quiet = msgspec.structs.replace(PROFILE, opens=False)
    done = talk(leaves_after(1), answers("hello"), profile=quiet)
    assert [turn.role for turn in done.conversation.turns] == ["assistant", "user", "assistant", "user"]


@pytest.mark.parametrize("max_turns", [1, 2, 7])
def test_the_limit_counts_the_turns_of_both_sides(max_turns):
    done = talk(says("more"), answers("and?"), max_turns=max_turns)
    assert len(done.conversation.turns) == max_turns
    assert done.conversation.ending == Ending("limit", f"{max_turns} turns")
    assert done.fault is None


def test_the_partner_may_end_with_and_without_words():
    for text, roles in (("closed", ["user", "assistant"]), ("", ["user"])):
        done = talk(says("hi"), lambda history, text=text: PartnerTurn(text, ending=Ending("assistant", "closed")))
        assert [turn.role for turn in done.conversation.turns] == roles
        assert done.conversation.ending == Ending("assistant", "closed")


def test_a_user_may_leave_without_words_but_not_before_anything_was_said():
    leave = lambda history: UserTurn("", ending=Ending("user", "left"))
    opened = msgspec.structs.replace(PROFILE, opens=False)
    assert talk(leave, answers("hello"), profile=opened).conversation.ending == Ending("user", "left")
    assert talk(leave, answers("hello")).fault.kind == "empty"


@pytest.mark.parametrize(
    "text", ["###STOP###", "<|endconversation|>", "the user says goodbye", "\\end", "TRANSFER", "bye"]
)
def test_no_word_of_either_side_ends_the_conversation(text):
    done = talk(says(text), answers(text), max_turns=8)
    assert [turn.text for turn in done.conversation.turns] == [text] * 8
    assert done.conversation.ending.by == "limit"


def test_the_partner_sees_roles_and_texts_and_nothing_of_the_user():
    seen = []

    def nosy(history):
        seen.append(history)
        return PartnerTurn("and?", ("request",), meta={"latency_s": 1.5})

    user = lambda history: UserTurn("hi", intent="plan", state={"mood": 1}, meta={"entities": [["a", "b"]]})
    partner = System(nosy)
    done = asyncio.run(roll_out(User(user), PROFILE, partner, seed=1, max_turns=4))
    assert seen[1] == (
        Turn("user", "hi"),
        Turn("assistant", "and?", acts=("request",), meta={"latency_s": 1.5}),
        Turn("user", "hi"),
    )
    assert all(isinstance(history, tuple) for history in seen)
    assert partner.started[0][0] == "hotel"
    own = done.conversation.turns[0]
    assert own.intent == "plan"
    assert own.meta == {"entities": [["a", "b"]], "state": {"mood": 1}}


def test_what_is_recorded_beside_the_turns():
    done = talk(leaves_after(1), answers("and?"), id="mine").conversation
    assert (done.id, done.user_id, done.topic) == ("mine", "u", "hotel")
    assert done.profile["persona"]["facts"] == ["a secret"]
    assert done.provenance == {"simulator": "user", "partner": "system", "seed": 1, "profile": "s"}


SCRIPT = "Sure.\nUser: thanks\nAssistant: you are welcome"
GARBAGE = {
    "empty": ["", "  \n\t"],
    "type": [None, 5, b"hi", ["hi"]],
    "surrogate": ["a\ud800b"],
    "too_long": ["x" * (MAX_CHARS + 1)],
    "role_flip": [SCRIPT],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GARBAGE.items() for text in texts])
def test_garbage_is_the_fault_of_the_side_that_says_it(kind, text):
    by_partner = talk(says("hi"), lambda history: PartnerTurn(text))
    assert (by_partner.fault.by, by_partner.fault.kind) == ("partner", kind)
    assert [turn.text for turn in by_partner.conversation.turns] == ["hi"]
    assert by_partner.conversation.ending == Ending("fault", by_partner.fault.reason)
    by_user = talk(lambda history: UserTurn(text), answers("hi"))
    assert (by_user.fault.by, by_user.fault.kind) == ("user", kind)
    assert by_user.conversation.ending.reason.startswith("user: ")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("a bare str", "type"),
        (None, "type"),
        (Turn("user", "flipped"), "type"),
        (PartnerTurn("hi", ending=Ending("user", "says the partner")), "ending"),
        (PartnerTurn("hi", ending="stop"), "ending"),
        (PartnerTurn("hi", meta={"f": print}), "meta"),
        (PartnerTurn("hi", meta={"s": "\ud800"}), "meta"),
        (PartnerTurn("hi", meta=[1]), "meta"),
        (PartnerTurn("hi", acts="ask"), "meta"),
        (PartnerTurn("hi", acts=("\ud800",)), "meta"),
        (PartnerTurn("hi", acts=(3,)), "meta"),
    ],
)
def test_replies_that_break_the_contract(reply, kind):
    fault = talk(says("hi"), lambda history: reply).fault
    assert (fault.by, fault.kind) == ("partner", kind)


def test_meta_that_contains_itself():
    loop = {}
    loop["loop"] = loop
    assert talk(says("hi"), lambda history: PartnerTurn("hi", meta=loop)).fault.kind == "meta"


def test_lines_with_a_label_of_one_side_are_no_script():
    for text in ("Your account:\nUser: jane\nOrder: 12", "User: jane", "Note:\nassistant: yes"):
        assert talk(says("hi"), answers(text)).fault is None


def test_exceptions_are_recorded_with_whom_they_belong_to():
    done = talk(says("hi"), raising(ValueError("no such\nhotel")))
    assert done.fault.reason == "partner: raised: ValueError: no such hotel"
    assert len(done.conversation.turns) == 1
    assert talk(raising(KeyError("x")), answers("hi")).fault.reason == "user: raised: KeyError: 'x'"
    assert talk(says("hi"), raising(MemoryError())).fault.by == "environment"
    assert talk(says("hi"), raising(FaultError("environment", "unreachable", "no route"))).fault.by == "environment"
    ours = talk(says("hi"), raising(SimulatorError("no voice", why="because", fix="this")))
    assert ours.fault.message == "SimulatorError: no voice"
    assert talk(says("hi"), raising(asyncio.CancelledError())).fault.kind == "raised"


def test_faults_of_starting():
    class Broken:
        identity = "broken"

        def start(self, *args, **more):
            raise RuntimeError("no start")

    user = asyncio.run(roll_out(Broken(), PROFILE, System(answers("hi")), seed=1))
    partner = asyncio.run(roll_out(User(says("hi")), PROFILE, Broken(), seed=1))
    assert (user.fault.by, partner.fault.by) == ("user", "partner")
    assert user.conversation.turns == partner.conversation.turns == ()


def test_a_session_without_reply_is_a_fault():
    class Mute:
        identity = "mute"

        def start(self, *, topic, seed):
            return object()

    assert asyncio.run(roll_out(User(says("hi")), PROFILE, Mute(), seed=1)).fault.by == "partner"


def test_an_unclean_profile_is_the_users_fault():
    unclean = msgspec.structs.replace(PROFILE, user_id="\ud800")
    done = talk(says("hi"), answers("hi"), profile=unclean, id="x")
    assert (done.fault.by, done.fault.kind, done.conversation.user_id) == ("user", "meta", None)
    msgspec.json.encode(done)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_interrupts_pass(stop):
    with pytest.raises(stop):
        talk(says("hi"), raising(stop()))


def test_cancelling_a_rollout_cancels_it():
    async def cancelled():
        async def forever():
            await asyncio.sleep(60)

        rollout = roll_out(User(says("hi")), PROFILE, System(lambda history: forever()), seed=1)
        task = asyncio.create_task(rollout)
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_a_hanging_side_runs_into_the_limit_of_a_reply():
    async def forever():
        await asyncio.sleep(60)

    partner = talk(says("hi"), lambda history: forever(), reply_timeout_s=0.02)
    assert partner.fault.reason == "partner: timeout: no reply within 0.02 s"
    user = talk(lambda history: forever(), answers("hi"), reply_timeout_s=0.02)
    assert (user.fault.by, user.fault.kind) == ("user", "timeout")


def test_a_timeout_of_the_partners_own_is_no_timeout_of_the_loop():
    assert talk(says("hi"), raising(TimeoutError("upstream")), reply_timeout_s=5).fault.kind == "raised"


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(
        st.one_of(st.text(max_size=20), st.text(alphabet="\ud800\udfff a\n", max_size=5)), min_size=1, max_size=6
    ),
    kinds=st.lists(st.sampled_from(["say", "end", "raise", "junk"]), min_size=1, max_size=6),
)
def test_whatever_a_partner_does_the_rollout_is_accounted_for_and_can_be_written(texts, kinds):
    def act(history):
        step = len(history) // 2
        kind, text = kinds[step % len(kinds)], texts[step % len(texts)]
        if kind == "raise":
            raise ValueError(text)
        if kind == "junk":
            return text
        return PartnerTurn(text, ending=Ending("assistant", text) if kind == "end" else None)

    done = talk(says("hi"), act, max_turns=9)
    ending = done.conversation.ending
    assert (ending.by == "fault") == (done.fault is not None)
    assert ending.by in ("assistant", "limit", "fault")
    assert msgspec.json.decode(msgspec.json.encode(done), type=type(done)) == done
    assert all(turn.text.strip() for turn in done.conversation.turns)
    roles = [turn.role for turn in done.conversation.turns]
    assert all(a != b for a, b in pairwise(roles))
