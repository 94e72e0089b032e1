"""A peer's dialogues against the stub, run by `bench.orchestration` in the peers' own interpreter; prints JSON.

peers.py NAME URL IN_FLIGHT DIALOGUES TURNS
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

SYSTEM = "You are a person who plans a trip and talks to an assistant about it. " * 10


def openai_loop(url: str, in_flight: int, dialogues: int, turns: int) -> int:
    """The plain loop that one would write: one AsyncOpenAI client, tasks, a queue of dialogues."""
    from openai import AsyncOpenAI

    async def main() -> None:
        async with AsyncOpenAI(base_url=url, api_key="unused", max_retries=2) as client:
            waiting = iter(range(dialogues))

            async def worker() -> None:
                for k in waiting:
                    messages = [{"role": "system", "content": SYSTEM}]
                    for turn in range(turns):
                        messages.append({"role": "user", "content": f"dialogue {k}, turn {turn}: what now?"})
                        answer = await client.chat.completions.create(
                            model="stub", messages=messages, temperature=0.7, max_tokens=128
                        )
                        messages.append({"role": "assistant", "content": answer.choices[0].message.content})

            await asyncio.gather(*(worker() for _ in range(in_flight)))

    asyncio.run(main())
    return dialogues * turns


def sdialog_threads(url: str, in_flight: int, dialogues: int, turns: int) -> int:
    """`Agent.dialog_with`, which is synchronous, in as many threads as dialogues are to be in flight."""
    import sdialog
    from sdialog.agents import Agent

    os.environ.setdefault("OPENAI_API_KEY", "unused")
    sdialog.config.llm("openai:stub", base_url=url, api_key="unused")

    def dialogue(k: int) -> int:
        user = Agent(persona=sdialog.personas.Persona(name="Ana", role="traveller"), name="Ana")
        system = Agent(persona=sdialog.personas.Persona(name="Bot", role="assistant"), name="Bot")
        return len(user.dialog_with(system, max_turns=turns, keep_bar=False).turns)

    with ThreadPoolExecutor(in_flight) as pool:
        return sum(pool.map(dialogue, range(dialogues)))


def deepeval_simulator(url: str, in_flight: int, dialogues: int, turns: int) -> int:
    """ConversationSimulator with its own local model class; the stop check is left out by giving no outcome."""
    os.environ["DEEPEVAL_TELEMETRY_OPT_OUT"] = "YES"
    from deepeval.dataset import ConversationalGolden
    from deepeval.models import LocalModel
    from deepeval.simulator import ConversationSimulator
    from deepeval.test_case import Turn

    model = LocalModel(model="stub", base_url=url, api_key="unused")

    async def answer(input: str) -> Turn:
        text, _ = await model.a_generate(f"{SYSTEM}\n{input}")
        return Turn(role="assistant", content=str(text))

    goldens = [ConversationalGolden(scenario=f"{SYSTEM} {k}", user_description="a nurse") for k in range(dialogues)]
    simulator = ConversationSimulator(model_callback=answer, simulator_model=model, max_concurrent=in_flight)
    done = simulator.simulate(conversational_goldens=goldens, max_user_simulations=turns // 2)
    return sum(len(case.turns) for case in done)


PEERS = {"openai": openai_loop, "sdialog": sdialog_threads, "deepeval": deepeval_simulator}


def main() -> None:
    """Once small, to import and connect; then measured."""
    name, url, *numbers = sys.argv[1:]
    in_flight, dialogues, turns = map(int, numbers)
    PEERS[name](url, min(in_flight, 4), 4, 4)
    started, cpu = time.perf_counter(), time.process_time()
    calls = PEERS[name](url, in_flight, dialogues, turns)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(json.dumps({"rate": calls / seconds, "cpu_ms": 1000 * cpu / calls, "calls": calls}))


if __name__ == "__main__":
    main()
