"""Plans, conversations and players for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from understudy.conversations import Conversation, Corpus, Turn
from understudy.scenarios.generation import Played, Task
from understudy.scenarios.plan import Plan, parse_plan
from understudy.scenarios.preparation import Prepared, prepare

NOUNS = "harbour lantern violet copper meadow engine pocket winter saddle marble cinder hollow ribbon walnut thunder"
WORDS = NOUNS.split()


def plan_of(n: int = 40, **parts) -> Plan:
    """A plan with two topics, unless `parts` says otherwise."""
    topics = [{"name": "films", "weight": 3, "subtopics": ["old", "new"]}, {"name": "trains", "subtopics": ["late"]}]
    return parse_plan({"n": n, "topic": topics, **parts})


def ready(plan: Plan | None = None, *, seed: int = 0, **given) -> Prepared:
    """A prepared plan without a reference, unless one is given."""
    return prepare(plan or plan_of(), **{"reference": None, **given}, seed=seed)


def words(number: int, count: int) -> str:
    """`count` words that no other number has in this order."""
    return " ".join(f"{WORDS[(number * 7 + k * (number % 11 + 1)) % len(WORDS)]}{number}" for k in range(count))


def talk(number: int, *, turns: int = 4, said: str = "", id: str | None = None) -> Conversation:
    """A conversation unlike the others."""
    texts = [f"{said} {words(number * 31 + k, 12)}".strip() for k in range(turns)]
    roles = ("user", "assistant")
    return Conversation(id or f"t{number}", tuple(Turn(roles[k % 2], text) for k, text in enumerate(texts)))


def corpus(count: int = 12, **options) -> Corpus:
    """A reference of such conversations."""
    return Corpus([talk(1000 + k, **options) for k in range(count)])


class Player:
    """Plays tasks by a function of the task, and remembers them."""

    def __init__(self, how: Callable[[Task], Conversation | str]) -> None:
        self.how = how
        self.rounds: list[list[Task]] = []

    def __call__(self, tasks: Sequence[Task]) -> list[Played]:
        self.rounds.append(list(tasks))
        done = []
        for task in tasks:
            said = self.how(task)
            broken = isinstance(said, str)
            done.append(Played(Conversation("x", ()) if broken else said, said if broken else None))
        return done


def fresh(task: Task) -> Conversation:
    """A different conversation for every task."""
    return talk(task.scenario.index * 10 + task.attempt)
