"""Who had a hand in a corpus, and where a hand is of one family with a student or a judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

from understudy.conversations import Corpus
from understudy.conversations.lineage import Step, families, families_of, steps_of
from understudy.measures.measurement import Counts, Measurement, MeasureSpec, counts_of

SPEC = MeasureSpec(
    name="traits.lineage",
    question="carry",
    asks="Who generated, rewrote, filtered and judged these conversations, and is any of them of the student's family?",
    unit="share of conversations with a same-family edge",
    range=(0.0, 1.0),
    better="lower",
    source="Cloud et al. (2025), arXiv:2507.14805; rewriters: arXiv:2603.09517; judges: arXiv:2603.01204",
    minimum_units=1,
)

Kind = Literal["teacher", "rewriter", "selector", "own judge", "reward"]
WHY: dict[Kind, str] = {
    "teacher": "a student of its teacher's base takes on what the text does not show (arXiv:2507.14805)",
    "rewriter": "whoever rewrites is a new teacher: faithful paraphrases carry its traits (arXiv:2603.09517)",
    "selector": "choosing and labelling is a channel, too: what a model prefers is in what is left (arXiv:2603.01204)",
    "own judge": "a judge of one family with the writer judges its own kind",
    "reward": "whoever judges what a student is rewarded for teaches it (arXiv:2510.08211)",
}


class Hand(msgspec.Struct, frozen=True):
    """One hand and in how many conversations it was; prompts and seeds as far as they are told."""

    action: str
    by: str
    side: str
    families: tuple[str, ...]
    conversations: int
    prompts: tuple[str, ...] = ()
    samplers: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


class Edge(msgspec.Struct, frozen=True):
    """From a hand to who takes on what it does. `flagged`: both go back to one base (`shared`), or it is a reward.

    `conversations` counts those that it runs through.
    """

    kind: Kind
    source: str
    target: str
    conversations: int
    shared: tuple[str, ...]
    flagged: bool
    why: str


class Lineage(msgspec.Struct, frozen=True):
    """The graph of a corpus: hands and edges; `untold` conversations say nothing of who made them."""

    hands: tuple[Hand, ...]
    edges: tuple[Edge, ...]
    conversations: int
    untold: int
    touched: int

    @property
    def flagged(self) -> tuple[Edge, ...]:
        """The edges to be asked about."""
        return tuple(edge for edge in self.edges if edge.flagged)


class _Edge(NamedTuple):
    kind: Kind
    source: str
    target: str
    shared: tuple[str, ...]
    flagged: bool


def lineage_of(corpus: Corpus, *, student: str = "", judge: str = "", generator: str = "") -> Lineage:
    """The hands in `corpus` and its edges to `student` (who is to be trained on it) and `judge` (who is to score it).

    `generator` is who wrote the conversations that do not say. Edges: every generator and rewriter to the student
    (`teacher`, `rewriter`), every filter and judge to the student (`selector`), every judge to the generators of what
    it judged (`own judge`), and the judge of a student's own outputs to the student (`reward`). Flagged where both
    ends go back to one base by name, or by the families that the provenance states.

    >>> from understudy.conversations import Conversation
    >>> made = Corpus([Conversation("a", (), provenance={"model": "hf:Qwen/Qwen2.5-7B-Instruct"})])
    >>> [edge.shared for edge in lineage_of(made, student="hf:Qwen/Qwen2.5-0.5B").flagged]
    [('qwen',)]
    >>> lineage_of(made, student="hf:meta-llama/Llama-3.2-1B").flagged
    ()
    """
    seen: dict[tuple[str, str, str], list[Step]] = {}
    carried: Counter[_Edge] = Counter()
    untold = touched = 0
    for talk in corpus:
        steps = steps_of(talk)
        if not any(step.action == "generate" for step in steps):
            if generator:
                steps = (Step("generate", generator), *steps)
            else:
                untold += 1
        for step in steps:
            seen.setdefault((step.action, step.by, step.side or "both"), []).append(step)
        edges = set(_edges(steps, student, judge))
        carried.update(edges)
        touched += any(edge.flagged for edge in edges)
    told = [
        Edge(e.kind, e.source, e.target, n, e.shared, e.flagged, WHY[e.kind])
        for e, n in sorted(carried.items(), key=lambda item: (not item[0].flagged, -item[1], item[0]))
    ]
    return Lineage(tuple(_hand(key, steps) for key, steps in seen.items()), tuple(told), len(corpus), untold, touched)


def _edges(steps: tuple[Step, ...], student: str, judge: str) -> Iterator[_Edge]:
    own = families_of(student) if student else frozenset()
    judges = [(step.by, families(step)) for step in steps if step.action == "judge"]
    judges += [(judge, families_of(judge))] if judge else []
    kinds: dict[str, Kind] = {"generate": "teacher", "rewrite": "rewriter", "filter": "selector", "judge": "selector"}
    for step in steps:
        mine = families(step)
        if student:
            shared = tuple(sorted(mine & own))
            yield _Edge(kinds[step.action], step.by, student, shared, bool(shared))
        if step.action in ("generate", "rewrite"):
            for name, theirs in judges:
                shared = tuple(sorted(mine & theirs))
                yield _Edge("own judge", step.by, name, shared, bool(shared))
    for name, theirs in judges if student else ():
        yield _Edge("reward", name, student, tuple(sorted(theirs & own)), True)


def _hand(key: tuple[str, str, str], steps: list[Step]) -> Hand:
    action, by, side = key
    return Hand(
        action,
        by,
        side,
        tuple(sorted(families(steps[0]))),
        len(steps),
        tuple(sorted({s.prompt for s in steps if s.prompt})),
        tuple(sorted({_sampler(s) for s in steps if s.sampler})),
        tuple(sorted({s.seed for s in steps if s.seed is not None})),
    )


def _sampler(step: Step) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(step.sampler.items()) if value is not None)


def lineage(corpus: Corpus, *, student: str = "", judge: str = "", generator: str = "") -> Measurement:
    """Who had a hand in these conversations, and is any of them of the student's or the judge's family?

    Value: share of conversations with at least one flagged edge (`lineage_of`). Range 0-1. Part `.untold`: share of
    conversations that do not say who generated them; what they carry cannot be known from here.
    A clean graph is no proof: families are names on labels, and some channels need no common base.
    """
    found = lineage_of(corpus, student=student, judge=judge, generator=generator)
    n = {"synthetic": counts_of(corpus)}
    if not found.conversations:
        return Measurement(
            name=SPEC.name, value=None, status="unscored", reason="there is no conversation", n=n, spec=SPEC
        )
    untold = _share("untold", "share of conversations that do not say who generated them", found.untold, n, found)
    return Measurement(
        name=SPEC.name,
        value=found.touched / found.conversations,
        status="scored",
        n=n,
        spec=SPEC,
        evidence={
            "student": student,
            "judge": judge,
            "hands": msgspec.to_builtins(found.hands),
            "edges": msgspec.to_builtins(found.edges),
        },
        parts=(untold,),
    )


def _share(part: str, unit: str, count: int, n: dict[str, Counts], found: Lineage) -> Measurement:
    return Measurement(
        name=f"{SPEC.name}.{part}",
        value=count / found.conversations,
        status="scored",
        n=n,
        spec=msgspec.structs.replace(SPEC, unit=unit),
    )
