"""Figure: do the privacy tests find what is planted, accuse nobody else, and what does fidelity cost in privacy?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.corpora import load, markdown
from understudy.conversations import Corpus, Turn
from understudy.conversations.splitting import split_corpus
from understudy.measures.privacy.canaries import exposed, make_canaries, plant
from understudy.measures.privacy.disclosure import compare, disclosure, learn_sides, permuted
from understudy.measures.privacy.pii import STRUCTURED, find_pii
from understudy.measures.privacy.reidentification import reidentification
from understudy.measures.privacy.spans import said
from understudy.measures.privacy.standing_out import leads
from understudy.measures.realism.discriminator import discriminator
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.testing.personal_data import marked_sentences, recall
from understudy.users.population import FittedPopulation, fit_population
from understudy.users.speaker import Guard

CONTROLS = ("multiwoz_real", "redial_real", "persuasionforgood_real", "multidogo_useronly_real", "star_real")
FRONTIER = {
    "redial_real": None,
    "multiwoz_real": "ncuser_multiwoz_llm",
    "personachat_real": "synthetic_persona_chat_llm",
}
GUARDS: tuple[Guard, ...] = ("strict", "guarded", "free")
CONVERSATIONS = 1000
COPIED = 0.01
TOUCHED = 0.15
SPLITS = 60
TRIES, MOST_USERS, MOST_TALKS = 400, 900, 1200
ALPHA = 0.05
PLOT = Path(__file__).parent.parent / "docs" / "results" / "privacy.svg"
WANTED = (
    "Wanted: real strangers flagged in at most 5 % (upper bound 8 %), a copier of 1 % in at least 95 % at 1,000 "
    "conversations; a canary AUC of at most .55 at one repeat for the shipped guard (`guarded`); redaction recall of "
    ".99 for structured data, .90 for names and addresses. *Own turns*: the share of train turns that are of three "
    "words and more, and said by one person alone; a copy of any other gives nobody away."
)


def thirds(corpus: Corpus, seed: int) -> tuple[Corpus, Corpus, Corpus]:
    """Train, held-out and a third group of real users, whose conversations stand for a generator that copies none."""
    units = stream(seed, "thirds").permutation(np.unique(corpus.unit_ids))
    parts = [np.flatnonzero(np.isin(corpus.unit_ids, part)) for part in np.array_split(units, 3)]
    return corpus.subset(parts[0]), corpus.subset(parts[1]), corpus.subset(parts[2][:CONVERSATIONS])


def copying(base: Corpus, train: Corpus, share: float, *, rng: np.random.Generator, touched: float = 0.0) -> Corpus:
    """`base` with a share of its user turns replaced by train turns, of whose words a share `touched` is replaced."""
    pool = [turn.text for talk in train for turn in talk.turns if turn.role == "user"]
    words = " ".join(pool).split()

    def turned(turn: Turn) -> Turn:
        if turn.role != "user" or rng.random() >= share:
            return turn
        line = pool[rng.integers(len(pool))].split()
        return Turn("user", " ".join(words[rng.integers(len(words))] if rng.random() < touched else w for w in line))

    return Corpus([msgspec.structs.replace(talk, turns=tuple(map(turned, talk.turns))) for talk in base])


def p_value(train: Corpus, holdout: Corpus, synthetic: Sequence[Corpus], rng: np.random.Generator) -> list[float]:
    """The p of `privacy.disclosure` alone, of several synthetic sets, without minimum detectable shares."""
    sides = learn_sides(train, holdout, rng=rng)
    labels = permuted(sides.is_train, rng, 199)
    found = [leads(said(each), sides.real) for each in synthetic]
    values = [sides.given_away(each.owner, sides.odds.of(each)) for each in found]
    return [float(compare(value, sides.is_train, labels).p_value[0]) for value in values]


def alone(train: Corpus, holdout: Corpus) -> float:
    """Share of the train turns of three words and more that only one person said: the rest gives nobody away."""
    said_by: dict[str, set[str]] = {}
    for part in (train, holdout):
        for unit, talk in zip(part.unit_ids, part, strict=True):
            for turn in talk.turns:
                if turn.role == "user":
                    said_by.setdefault(" ".join(turn.text.lower().split()), set()).add(str(unit))
    own = [
        len(said_by[line]) == 1 and len(line.split()) >= 3
        for talk in train
        for turn in talk.turns
        if turn.role == "user" and (line := " ".join(turn.text.lower().split()))
    ]
    return float(np.mean(own))


def strangers(task: tuple[Path, str]) -> dict[str, Any]:
    """How often real strangers are flagged, over many splits of a part of the corpus into thirds."""
    data, name = task
    corpus = load(data, name)
    flags = []
    for seed in range(TRIES):
        units = stream(seed, "strangers", name).permutation(np.unique(corpus.unit_ids))
        rows = np.flatnonzero(np.isin(corpus.unit_ids, units[:MOST_USERS]))
        some = corpus.subset(stream(seed, "rows", name).permutation(rows)[:MOST_TALKS])
        train, holdout, free = thirds(some, seed)
        flags.append(p_value(train, holdout, [free], stream(seed, "strangers", name))[0] <= ALPHA)
    return {"corpus": name, "flagged": flags}


def controls(task: tuple[Path, str]) -> dict[str, Any]:
    """How often a copier of 1 % and a copier who touches up are flagged, over random splits."""
    data, name = task
    flags: dict[str, list[bool]] = {"copier": [], "touched up": []}
    sizes, own = (0, 0, 0), 0.0
    corpus = load(data, name)
    for seed in range(SPLITS):
        train, holdout, free = thirds(corpus, seed)
        turns = sum(turn.role == "user" for talk in free for turn in talk.turns)
        sizes = (len(np.unique(train.unit_ids)), len(free), round(COPIED * turns))
        own += alone(train, holdout) / SPLITS
        rng = stream(seed, "controls", name)
        copies = [copying(free, train, COPIED, rng=rng, touched=share) for share in (0.0, TOUCHED)]
        for arm, p in zip(flags, p_value(train, holdout, copies, rng), strict=True):
            flags[arm].append(p <= ALPHA)
    return {"corpus": name, "users": sizes[0], "conversations": sizes[1], "copies": sizes[2], "own": own, **flags}


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z = 1.96
    middle, reach = (hits + z**2 / 2) / (n + z**2), z / (n + z**2) * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def canaries(data: Path, name: str, conversations: int = 600) -> Iterator[dict[str, Any]]:
    """Our own fit: canaries planted 1, 4 and 16 times, told from unseen ones by what fitted users say."""
    corpus = load(data, name)[:conversations]
    for repeats, planted in ((1, 100), (4, 60), (16, 30)):
        made = make_canaries(corpus, planted=planted, unseen=400, repeats=repeats, seed=0)
        population = fit_population(plant(corpus, made, seed=0), seed=0)
        for guard in GUARDS:
            users = population.with_guard(guard)
            talks = simulate(users, users.partner(), n=conversations, seed=0).conversations
            yield {"corpus": name, "repeats": repeats, "guard": guard, **exposed(made, Corpus(talks))._asdict()}


def sources(population: FittedPopulation, train: Corpus) -> dict[str, str]:
    """The real unit behind each simulated user: user k of a population is the k-th unit of the corpus."""
    names = np.unique(train.unit_ids)
    return {f"sim-{k:06d}": str(name) for k, name in enumerate(names)}


def frontier(data: Path, name: str, counterpart: str | None, most: int = 500) -> Iterator[dict[str, Any]]:
    """Fidelity and disclosure of users fitted at both settings, of a language model's users and of real people."""
    corpus = load(data, name)
    train, holdout, free = (part[:most] for part in split_corpus(corpus, (1 / 3, 1 / 3, 1 / 3), seed=0))
    arms: dict[str, Corpus] = {"held-out real": free}
    if counterpart:
        arms["language model"] = load(data, counterpart)[:most]
    population = fit_population(train, seed=0)
    for guard in GUARDS:
        users = population.with_guard(guard)
        talks = simulate(users, users.partner(), n=min(most, population.n_sessions), seed=0).conversations
        arms[f"fitted, {guard}"] = Corpus(talks)
    for arm, synthetic in arms.items():
        rng = stream(0, "frontier", name, arm)
        real = discriminator(holdout, synthetic, rng=rng, permutations=19)
        given = disclosure(train, synthetic, holdout=holdout, rng=rng, permutations=499)
        row: dict[str, Any] = {
            "corpus": name,
            "arm": arm,
            "auc": real.value,
            "auc_interval": real.interval,
            "gap": given.value,
        }
        row |= {"gap_interval": given.interval, "p": given.p_value, "evidence": given.evidence}
        if arm.startswith("fitted"):
            found = reidentification(train, synthetic, holdout=holdout, sources=sources(population, train), rng=rng)
            row |= {"reidentified": found.value, "attack": found.evidence, "reason": found.reason}
        yield row


def redaction(each: int = 300) -> dict[str, Any]:
    """Recall of the rules on seeded sentences, by group of kinds."""
    counted = recall(find_pii, marked_sentences(each, seed=11))
    groups = {"structured": STRUCTURED, "name": ("name",), "address": ("address",)}
    return {group: [sum(counted[k][i] for k in kinds) for i in (0, 1)] for group, kinds in groups.items()}


def _share(flags: list[bool]) -> str:
    low, high = wilson(sum(flags), len(flags))
    return f"{np.mean(flags):.3f} [{low:.3f}, {high:.3f}]"


def table(found: dict[str, Any]) -> str:
    """The five tables of the figure."""
    every = [flag for r in found["strangers"] for flag in r["flagged"]]
    heads = (
        ["real strangers of", "tries", "flagged"],
        ["corpus", "train users", "conversations", "turns copied (1 %)", "own turns", "flagged", "flagged, touched up"],
        ["canaries in", "repeats", "guard", "AUC", "found at 1 % false alarms", "exposure (bits)", "suffixes said"],
        [
            "corpus",
            "synthetic set",
            "discriminator AUC",
            "users pointed at, train minus held-out",
            "p",
            "re-identified",
        ],
        ["personal data", "found", "95 %"],
    )
    bodies: tuple[list[list[object]], ...] = (
        [
            *([r["corpus"], len(r["flagged"]), _share(r["flagged"])] for r in found["strangers"]),
            ["all", len(every), _share(every)],
        ],
        [
            [
                r["corpus"],
                r["users"],
                r["conversations"],
                r["copies"],
                f"{r['own']:.0%}",
                _share(r["copier"]),
                _share(r["touched up"]),
            ]
            for r in found["controls"]
        ],
        [_canary_row(r) for r in found["canaries"]],
        [_frontier_row(r) for r in found["frontier"]],
        [[g, f"{a} of {b}", "{:.3f}–{:.3f}".format(*wilson(a, b))] for g, (a, b) in found["redaction"].items()],
    )
    return "\n\n".join(markdown(head, body) for head, body in zip(heads, bodies, strict=True))


def _canary_row(r: dict[str, Any]) -> list[object]:
    auc = f"{r['auc']:.2f} [{r['interval'][0]:.2f}, {r['interval'][1]:.2f}]"
    bits, said_whole = f"{r['exposure']:.1f} of {r['most_exposure']:.1f}", f"{r['emitted']} of {r['n']}"
    return [r["corpus"], r["repeats"], r["guard"], auc, f"{r['caught']:.2f}", bits, said_whole]


def _frontier_row(r: dict[str, Any]) -> list[object]:
    bounds = "[{:.3f}, {:.3f}]".format(*r["gap_interval"]) if r["gap_interval"] else ""
    return [r["corpus"], r["arm"], f"{r['auc']:.2f}", f"{r['gap']:.3f} {bounds}", f"{r['p']:.3f}", _again(r)]


def _again(row: dict[str, Any]) -> str:
    if row.get("reidentified") is None:
        return "–"
    attack = row["attack"]
    beside = "" if attack["real"] is None else f", real users {attack['real']:.2f}"
    return f"{attack['accuracy']:.2f} (chance {attack['chance']:.3f}{beside})"


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """The frontier: how easily a set is told from people, against how surely it points at those it was made from."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    arms = ("held-out real", "language model", *(f"fitted, {guard}" for guard in GUARDS))
    drawn = {arm: f"C{k}{mark}" for k, (arm, mark) in enumerate(zip(arms, "os^Dv", strict=True))}
    figure, axes = pyplot.subplots(1, len(FRONTIER), figsize=(10, 3.6), sharey=True, layout="constrained")
    for panel, name in zip(axes, FRONTIER, strict=True):
        for row in (row for row in rows if row["corpus"] == name):
            x, y = row["auc"], row["gap"]
            reach = [
                [[max(at - low, 0)], [max(high - at, 0)]]
                for at, (low, high) in ((x, row["auc_interval"]), (y, row["gap_interval"]))
            ]
            panel.errorbar(x, y, reach[1], reach[0], fmt=drawn[row["arm"]], label=row["arm"], capsize=2)
        panel.axvline(0.5, color="0.8", zorder=0)
        panel.axhline(0.0, color="0.8", zorder=0)
        panel.set(title=name, xlabel="discriminator AUC (0.5: like people)", xlim=(0.35, 1.02), ylim=(-0.15, 1.1))
    axes[0].set_ylabel("training users pointed at, beyond held-out")
    axes[-1].legend(fontsize="small", loc="center right", frameon=False)
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _frontier(job: tuple[Path, str]) -> list[dict[str, Any]]:
    return list(frontier(*job, FRONTIER[job[1]]))


def _canaries(job: tuple[Path, str]) -> list[dict[str, Any]]:
    return list(canaries(*job))


def run(data: Path, out: Path, workers: int = 2) -> str:
    with ProcessPoolExecutor(workers) as pool:
        tested = pool.map(controls, [(data, name) for name in CONTROLS])
        free = pool.map(strangers, [(data, name) for name in CONTROLS])
        planted = pool.map(_canaries, [(data, name) for name in ("redial_real", "multiwoz_real")])
        compared = pool.map(_frontier, [(data, name) for name in FRONTIER])
        found: dict[str, Any] = {
            "strangers": list(free),
            "controls": list(tested),
            "canaries": [row for rows in planted for row in rows],
            "frontier": [row for rows in compared for row in rows],
            "redaction": redaction(),
        }
    (out / "privacy.json").write_text(json.dumps(found, default=float))
    plot(found["frontier"], PLOT)
    return f"{WANTED}\n\n{table(found)}\n\n![fidelity against privacy]({PLOT.name})"
