"""What a served user says is what the same user says in this process, whatever the client sends around it."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.web.asking import ask, say
from tests.web.conftest import SEED
from understudy.conversations import Turn
from understudy.rollouts.partners import function_partner
from understudy.rollouts.simulate import simulate
from understudy.users import UserTurn
from understudy.users.opening import believing
from understudy.users.population import FittedPopulation
from understudy.web.casting import Cast
from understudy.web.sessions import Sessions

STOP = "###STOP###"


def partner_says(number: int) -> str:
    return f"That is {number} so far. Shall I look for another one in the centre?"


def held_over_http(url: str, most: int = 30, **fields: Any) -> tuple[list[str], str | None]:
    """A whole conversation with a served user who opens: the user's turns and the reason of its ending."""
    said: list[str] = []
    turns: list[str] = []
    while len(said) < most:
        answer = say(url, *said, **fields)
        assert answer.status == 200, answer.body
        if answer.text:
            turns.append(answer.text)
            said.append(answer.text)
        ending = answer.told["ending"]
        if ending:
            return turns, ending["reason"]
        said.append(partner_says(len(said)))
    return turns, None


def test_served_users_say_what_simulated_ones_say(url: str, people: FittedPopulation) -> None:
    partner = function_partner(lambda history: partner_says(len(history)))
    run = simulate(people, partner, n=24, seed=SEED, max_turns=30)
    opened = [k for k in range(24) if people.draw(k, seed=SEED).opens]
    assert len(opened) > 5
    for k in opened:
        talk = run.rollouts[k].conversation
        turns, reason = held_over_http(url, model=f"users/{k}")
        assert turns == [turn.text for turn in talk.turns if turn.role == "user"]
        assert reason == (talk.ending.reason if talk.ending.by == "user" else None)


@pytest.mark.parametrize("belief", [None, "ai+new"])
def test_a_session_that_was_kept_says_what_a_new_one_says(people: FittedPopulation, belief: str | None) -> None:
    async def answers(kept: int) -> list[UserTurn]:
        sessions = Sessions(people if belief is None else believing(people, belief), seed=SEED, most_kept=kept)
        said = []
        for k in range(20):
            history: list[Turn] = []
            for turn in range(6):
                said.append(await sessions.reply(Cast(k, k), history))
                history += [Turn("user", said[-1].text or "…"), Turn("assistant", partner_says(turn))]
                if turn % 3 == 1:
                    history.append(Turn("assistant", "I am sorry, that failed."))
        assert len(sessions) <= kept
        return said

    assert asyncio.run(answers(1000)) == asyncio.run(answers(0))


def test_the_same_request_gives_the_same_answer_in_any_order(url: str) -> None:
    history = ["hi", "Hello, what can I do?", "a room please", "For when?"]
    alone = [say(url, *history[:k], model="users/5").text for k in (0, 2, 4)]
    again = [say(url, *history[:k], model="users/5").text for k in (4, 0, 2, 2, 4)]
    assert again == [alone[2], alone[0], alone[1], alone[1], alone[2]]


def test_an_edited_history_is_another_history(url: str) -> None:
    first = say(url, model="users/5").text
    then = [first, "What is your order number?"]
    usual = say(url, *then, model="users/5").text
    # Were sessions kept by name, the second of these would go on from the first.
    edited = say(url, "something else", "We are closed for good.", model="users/5").text
    assert say(url, *then, usual, "And?", model="users/5").status == 200
    assert say(url, *then, model="users/5").text == usual
    assert say(url, "something else", "We are closed for good.", model="users/5").text == edited


def test_sessions_and_seeds_decide_who_answers_and_how(url: str) -> None:
    by_session = {name: say(url, metadata={"session_id": name}).json["choices"] for name in "abcdefgh"}
    assert len({json.dumps(choices) for choices in by_session.values()}) > 4
    for name, choices in by_session.items():
        assert say(url, headers={"X-Session-Id": name}).json["choices"] == choices
        assert say(url, user=name).json["choices"] == choices
    seeds = [say(url, "hi", "Hello?", model="users/5", seed=seed).json["choices"] for seed in range(12)]
    assert len({choices[0]["understudy"]["user"] for choices in seeds}) == 1
    assert len({choices[0]["message"]["content"] for choices in seeds}) > 1
    assert seeds == [say(url, "hi", "Hello?", model="users/5", seed=seed).json["choices"] for seed in range(12)]


def test_the_instruction_tells_conversations_without_a_session_apart(url: str) -> None:
    def opens(system: str) -> dict[str, Any]:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": "Hello?"}]
        return ask(url, "/v1/chat/completions", {"model": "users", "messages": messages}).told

    assert len({opens(f"task {k}")["user"] for k in range(20)}) > 8
    assert opens("task 1") == opens("task 1")


def test_a_stop_token_is_said_where_asked_for_and_never_ends_anything(url: str) -> None:
    plain, reason = held_over_http(url, model="users/0")
    assert reason is not None
    assert not any(STOP in text for text in plain)
    tokened, _ = held_over_http(url, model="users/0", metadata={"stop_token": STOP})
    assert [text.removesuffix(STOP).rstrip() for text in tokened if text != STOP] == plain
    assert tokened[-1].endswith(STOP)
    assert say(url, "hi", STOP, model="users/1").told["ending"] == say(url, "hi", "Ok.", model="users/1").told["ending"]


def test_a_stream_says_the_same_words(url: str) -> None:
    whole = say(url, "hi", "Hello?", model="users/3", n=2)
    streamed = say(url, "hi", "Hello?", model="users/3", n=2, stream=True, stream_options={"include_usage": True})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in streamed.events[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    for choice in whole.json["choices"]:
        mine = [c for chunk in chunks for c in chunk["choices"] if c["index"] == choice["index"]]
        assert mine[0]["delta"]["role"] == "assistant"
        assert "".join(c["delta"].get("content", "") for c in mine) == choice["message"]["content"]
        assert [c["finish_reason"] for c in mine] == [None] * (len(mine) - 1) + ["stop"]
        assert mine[-1]["understudy"] == choice["understudy"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == whole.json["usage"]
    assert whole.json["choices"][0] != whole.json["choices"][1]
    bare = say(url, "hi", "Hello?", model="users/3", stream=True)
    assert all("usage" not in event for event in bare.events)


def test_what_real_clients_send_is_taken(url: str) -> None:
    usual = say(url, "hi", "Hello?", model="users/3").text
    extras: list[dict[str, Any]] = [
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "tool_choice": "required"},
        {"temperature": 0.3, "top_p": 1, "logit_bias": {}, "logprobs": False, "store": False, "service_tier": "auto"},
        {"n": 1, "seed": None, "stop": None, "user": None, "metadata": None, "response_format": None, "stream": False},
        {"max_completion_tokens": 4096, "max_tokens": 4096, "response_format": {"type": "text"}},
        {"metadata": {"run": "x", "step": 3}, "extra_field": {"deep": [1, None]}, "stop": ["</s>"]},
        {"api_base": "http://example.invalid/", "webhook": "http://169.254.169.254/latest/meta-data/"},
    ]
    for extra in extras:
        answer = say(url, "hi", "Hello?", model="users/3", **extra)
        assert (answer.status, answer.text) == (200, usual), extra
    messages = [
        {"role": "assistant", "content": [{"type": "text", "text": "hi"}], "refusal": None, "name": "x"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]},
        {"role": "tool", "tool_call_id": "1", "content": "{}"},
        {"role": "user", "content": [{"type": "text", "text": "Hello?", "cache_control": {}}]},
        {"role": "user", "content": ""},
    ]
    answer = ask(url, "/v1/chat/completions", {"model": "users/3", "messages": messages})
    assert (answer.status, answer.text) == (200, usual)


def test_limits_of_a_client_hold(url: str) -> None:
    usual = say(url, model="users/3").text
    assert len(usual) > 8
    short = say(url, model="users/3", max_tokens=2)
    assert (short.text, short.json["choices"][0]["finish_reason"]) == (usual[:8], "length")
    assert say(url, model="users/3", stop=[usual[4:6]]).text == usual[:4].partition(usual[4:6])[0]
    told = json.loads(say(url, model="users/3", response_format={"type": "json_object"}).text)
    assert told == {"text": usual, "ended": False}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "simulated_input": {"type": "string"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert json.loads(say(url, model="users/3", response_format=form).text) == {"n": 0, "simulated_input": usual}


def test_sessions_at_once_do_not_mix(url: str) -> None:
    """Each says what it says alone."""

    def talk(number: int) -> list[str]:
        return held_over_http(url, most=4, metadata={"session_id": f"s{number}"})[0]

    alone = [talk(number) for number in range(40)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(talk, range(40))) == alone
