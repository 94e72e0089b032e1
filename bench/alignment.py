"""Figure: test-time alignment. Are aligned users told apart, do unseen sessions bear them out, and is noise refused?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from bench.collapse import averaged
from bench.corpora import halves, load, markdown
from understudy.conversations import Conversation, Corpus
from understudy.measures.embeddings import conversation_embeddings
from understudy.measures.privacy.reidentification import reidentification
from understudy.measures.separability.cross_prediction import dominance
from understudy.measures.separability.histories import Histories, beyond_topic
from understudy.measures.separability.silhouette import silhouettes
from understudy.measures.separability.twins import Twins, find_twins, twin_hits
from understudy.measures.style import style_matrix
from understudy.rollouts.simulate import simulate
from understudy.seeds import stream
from understudy.users.aligned import AlignedPopulation
from understudy.users.alignment import Alignment, Settings, align
from understudy.users.copy_guard import verbatim_rate
from understudy.users.heldout import Replay
from understudy.users.personas import digest_of
from understudy.users.population import FittedPopulation, fit_population

CORPORA = ("redial_real", "star_real", "recllmsim_human_real", "persuasionforgood_real")
MOST_SESSIONS = 24  # of a user: with two hundred, as some have, everybody is found
FEWEST_USERS = 10
NOISE = 0.3
COPIES = ("verbatim", "verbatim_own", "verbatim_real")
FOUND = ("reidentified", "reidentified_before", "reidentified_real")
NULLS = 3  # times that conversations are dealt out
MOST_SPOKEN = 300


def repeating(corpus: Corpus, least: int) -> Corpus:
    """The first sessions of the users who have at least `least`."""
    seen: dict[str | None, int] = {}
    counts = dict(zip(*np.unique(corpus.unit_ids, return_counts=True), strict=True))
    kept = []
    for row, talk in enumerate(corpus):
        seen[talk.user_id] = seen.get(talk.user_id, 0) + 1
        if counts[corpus.unit_ids[row]] >= least and seen[talk.user_id] <= MOST_SESSIONS:
            kept.append(row)
    return corpus.subset(kept)


def alternate(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """Two halves of every user's sessions, by turns: the same people on both sides."""
    count: dict[str | None, int] = {}
    sides: tuple[list[int], list[int]] = ([], [])
    for row, talk in enumerate(corpus):
        count[talk.user_id] = count.get(talk.user_id, 0) + 1
        sides[(count[talk.user_id] - 1) % 2].append(row)
    return corpus.subset(sides[0]), corpus.subset(sides[1])


def earlier(corpus: Corpus, share: float = 0.7) -> tuple[Corpus, Corpus]:
    """The earlier sessions of every user, and the later ones."""
    total = dict(zip(*np.unique(corpus.unit_ids, return_counts=True), strict=True))
    seen: dict[str | None, int] = {}
    sides: tuple[list[int], list[int]] = ([], [])
    for row, talk in enumerate(corpus):
        name = corpus.unit_ids[row]
        seen[talk.user_id] = seen.get(talk.user_id, 0) + 1
        cut = min(max(2, round(share * total[name])), total[name] - 1)
        sides[seen[talk.user_id] > cut].append(row)
    return corpus.subset(sides[0]), corpus.subset(sides[1])


def learned(population: FittedPopulation, corpus: Corpus, names: list[str]) -> np.ndarray:
    """The most likely slots of these people, as vectors, whether a test would accept them or not."""
    slots = population.speaker.slots
    rows = population.speaker.slots.deeds.read(corpus)
    told, units = slots.read(rows), np.unique(corpus.unit_ids)
    nothing, zero = Replay.of(slots, {}), slots.values_of({})
    own = [told.take(np.flatnonzero(units[rows.user_of_talk] == name)) for name in names]
    return np.stack([nothing.best(slots, history, zero) for history in own]).astype(float)


def losses(population: FittedPopulation, personas: np.ndarray, corpus: Corpus, names: list[str]) -> np.ndarray:
    """(U, U): loss in nats a turn of the sessions of user j, by the persona of user i."""
    slots = population.speaker.slots
    rows = population.speaker.slots.deeds.read(corpus)
    told = slots.read(rows)
    units = np.unique(corpus.unit_ids)
    out = np.zeros((len(names), len(names)))
    for j, name in enumerate(names):
        own = told.take(np.flatnonzero(units[rows.user_of_talk] == name))
        turns = own.turns.sum()
        for i in range(len(names)):
            out[i, j] = (own.loss.sum() - slots.gain(own, personas[i].astype(np.int64)).sum()) / turns
    return out


def noisy(corpus: Corpus, rng: np.random.Generator) -> Corpus:
    """The same conversations, of which `NOISE` of the user turns are other users' of the corpus."""
    pool = [(t, talk.user_id) for talk in corpus for t in talk.turns if t.role == "user"]
    talks = []
    for talk in corpus:
        turns = list(talk.turns)
        for k, turn in enumerate(turns):
            while turn.role == "user" and rng.random() < NOISE:
                other, owner = pool[int(rng.integers(len(pool)))]
                if owner != talk.user_id:
                    turns[k] = other
                    break
        talks.append(Conversation(talk.id, tuple(turns), talk.user_id, talk.topic))
    return Corpus(talks)


def by_user(change: np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % t interval over users."""
    reach = stats.t.ppf(0.975, len(change) - 1) * change.std(ddof=1) / np.sqrt(len(change))
    return float(change.mean()), float(change.mean() - reach), float(change.mean() + reach)


def spoken(users: Any, n: int, seed: int) -> Corpus:
    return Corpus(simulate(users, users.partner(), n=n, seed=seed).conversations)


def conversation_vectors(corpora: list[Corpus]) -> list[np.ndarray]:
    """Style and words of each conversation, scaled over all of the corpora together."""
    whole = Corpus([talk for corpus in corpora for talk in corpus])
    words = conversation_embeddings(whole, Corpus([]), rng=np.random.default_rng(0)).astype(float)
    style = style_matrix(whole)
    style = (style - style.mean(axis=0)) / np.maximum(style.std(axis=0), 1e-9)
    words = words / np.maximum(words.std(), 1e-9)
    joined = np.hstack([style / np.sqrt(style.shape[1]), words / np.sqrt(words.shape[1])])
    ends = np.cumsum([len(c) for c in corpora])[:-1]
    return list(np.split(joined, ends))


def centroids(matrix: np.ndarray, units: np.ndarray, names: list[str]) -> np.ndarray:
    return np.stack([matrix[units == name].mean(axis=0) for name in names])


def heard_apart(real: Corpus, made: Corpus, names: list[str], pseudonyms: list[str]) -> Twins:
    """Are the people found by the conversations of their simulated users?"""
    one, two = conversation_vectors([real, made])
    return find_twins(
        centroids(one, real.unit_ids, names), centroids(two, made.unit_ids, pseudonyms), rng=stream(0, "heard")
    )


def one_side(fitted_to: Corpus, people: Corpus, name: str, side: int) -> dict[str, Any]:
    """Fit to some people, align to others."""
    population = fit_population(fitted_to, seed=0)
    log = repeating(people, 2)
    names = np.unique(log.unit_ids).tolist()
    first, second = alternate(log)
    settings = Settings(level=0.05)
    pair = [learned(population, half, names) for half in (first, second)]
    tested = align(population, log, settings=settings, seed=side)
    row: dict[str, Any] = {"counts": tested.counts, "users": len(names), "prequential": tested.held_out}
    row["pair"] = pair
    row["hit"] = find_twins(*pair, rng=stream(0, "twins", name, side)).hit
    row["cross"] = losses(population, pair[0], second, names)
    style, words = style_matrix(log), conversation_embeddings(log, Corpus([]), rng=stream(0, "raw", name, side))
    row["raw"] = {"style": style, "words": words.astype(float), "unit": log.unit_ids, "topics": log.topics}
    with_later = repeating(people, 3)
    before, later = earlier(with_later)
    late = np.unique(later.unit_ids).tolist()
    for arm, made in (("clean", before), ("noise", noisy(before, stream(0, "noise", name, side)))):
        found = align(population, made, settings=settings, seed=side)
        row[arm] = change_of(population, found, later, late)
        row[f"{arm}_counts"] = found.counts
    # Average users: of the population's own people, which is the test's null; and of people it was not fitted to.
    for arm, whose in (("null", repeating(fitted_to, 2)), ("null_others", log)):
        dealt = [averaged(whose, stream(k, arm, name, side)) for k in range(NULLS)]
        found = [align(population, one, settings=settings, seed=k) for k, one in enumerate(dealt)]
        row[arm] = [sum(a.counts[o] for a in found) for o in ("accepted", "rolled back")]
    half = align(population, first, settings=settings, seed=side).population
    row |= behaviour(population, half, second, log, names, side)
    return row


def change_of(population: FittedPopulation, found: Alignment, later: Corpus, names: list[str]) -> np.ndarray:
    """(users, 2): change of the loss of later sessions, and whether the update was accepted."""
    slots = population.speaker.slots
    rows = population.speaker.slots.deeds.read(later)
    told = slots.read(rows)
    units = np.unique(later.unit_ids)
    by_source = {p.source: p for p in found.population.personas.personas}
    out = []
    for name in names:
        own = told.take(np.flatnonzero(units[rows.user_of_talk] == name))
        record = by_source[digest_of(name)]
        gain = slots.gain(own, slots.values_of(record.slots)).sum() / own.turns.sum()
        out.append((-gain, found.versions[record.id].outcome == "accepted"))
    return np.array(out, dtype=float)


def behaviour(
    population: FittedPopulation, aligned: AlignedPopulation, second: Corpus, log: Corpus, names: list[str], side: int
) -> dict[str, Any]:
    """What the users say whose personas come from the first halves, beside the second halves of their people."""
    pseudonym = {p.source: p.id for p in aligned.personas.personas}
    n = min(aligned.n_sessions, MOST_SPOKEN)
    made = spoken(aligned, n, side)
    same = [pseudonym[digest_of(name)] for name in names]
    plain = without_personas(aligned)
    unaligned = spoken(plain, n, side)
    sources = {pseudonym[digest_of(name)]: name for name in names}
    private = reidentification(second, made, rng=stream(0, "re", side), sources=sources, permutations=99)
    privacy_before = reidentification(second, unaligned, rng=stream(0, "re", side), sources=sources, permutations=99)
    return {
        "made_hit": heard_apart(second, made, names, same).hit,
        "unaligned_hit": heard_apart(second, unaligned, names, same).hit,
        "verbatim": verbatim_rate(made, log),
        "verbatim_real": verbatim_rate(second, population_words(population)),
        "verbatim_own": verbatim_rate(made, population_words(population)),
        "reidentified": private.evidence.get("accuracy"),
        "reidentified_before": privacy_before.evidence.get("accuracy"),
        "reidentified_real": private.evidence.get("real"),
    }


def without_personas(aligned: AlignedPopulation) -> AlignedPopulation:
    """The same users without their personas: each a member of the population."""
    import msgspec

    records = tuple(msgspec.structs.replace(p, slots={}, episodes=()) for p in aligned.personas.personas)
    return AlignedPopulation(aligned.base, msgspec.structs.replace(aligned.personas, personas=records))


def population_words(population: FittedPopulation) -> Corpus:
    """The user turns that the population was fitted to."""
    from understudy.conversations import Turn

    t = population.material.turns
    talks = [
        Conversation(str(k), (Turn("user", text),), user_id=str(t.user_of_talk[talk]))
        for k, (text, talk, user) in enumerate(zip(t.texts, t.talk.tolist(), t.is_user.tolist(), strict=True))
        if user
    ]
    return Corpus(talks)


def switched(population: FittedPopulation, log: Corpus, rng: np.random.Generator) -> tuple[float, float, int]:
    """A planted switch: sessions of one person, then of another, under one name. Change of the loss of the second's
    last sessions against the persona of the first: mean over pairs, share tracked, pairs."""
    counts = dict(zip(*np.unique(log.unit_ids, return_counts=True), strict=True))
    able = [n for n, c in counts.items() if c >= 6]
    order = rng.permutation(len(able))
    slots = population.speaker.slots
    changes = []
    for a, b in zip(order[0::2].tolist(), order[1::2].tolist(), strict=False):
        sides = [[t for t in log if t.user_id == able[k]] for k in (a, b)]
        size = min(len(sides[0]), len(sides[1]) - 2, 12)
        first, then, test = sides[0][:size], sides[1][:size], sides[1][size : size + 4]
        named = [Conversation(f"{k}", t.turns, "one", t.topic) for k, t in enumerate((*first, *then))]
        found = align(population, Corpus(named[:size]), seed=0)
        moved = align(found.population, Corpus(named), seed=0)
        told = slots.read(population.speaker.slots.deeds.read(Corpus(test)))
        old, new = (
            slots.gain(told, slots.values_of(x.population.personas.personas[0].slots)).sum() / told.turns.sum()
            for x in (found, moved)
        )
        changes.append(old - new)
    if not changes:
        return float("nan"), float("nan"), 0
    return float(np.mean(changes)), float(np.mean(np.array(changes) < 0)), len(changes)


def one_corpus(data: Path, name: str) -> dict[str, Any]:
    """Both ways: fitted to one half of the people and aligned to the other, and the reverse."""
    sides = halves(load(data, name), stream(0, "alignment", name))
    rows = [one_side(sides[k], sides[1 - k], name, k) for k in (0, 1)]
    found: dict[str, Any] = {"corpus": name, "users": sum(r["users"] for r in rows)}
    for key in ("hit", "made_hit", "unaligned_hit"):
        found[key] = by_user(np.concatenate([r[key] for r in rows]))
    found["chance"] = float(np.mean([1 / r["users"] for r in rows]))
    found["made_gap"] = by_user(np.concatenate([r["made_hit"] - r["unaligned_hit"] for r in rows]))
    for key in ("counts", "clean_counts", "noise_counts"):
        found[key] = {k: sum(r[key][k] for r in rows) for k in rows[0][key]}
    for arm in ("clean", "noise"):
        change = np.concatenate([r[arm] for r in rows])
        found[arm] = by_user(change[:, 0])
        accepted = change[change[:, 1] > 0, 0]
        found[f"{arm}_accepted"] = by_user(accepted) if len(accepted) > 1 else None
        found[f"{arm}_users"] = len(change)
    for arm in ("null", "null_others"):
        found[arm] = [sum(r[arm][k] for r in rows) for k in (0, 1)]
    found["dominance"] = [dominance(r["cross"], rng=stream(0, "dominance"))._asdict() for r in rows]
    found["silhouette"] = [silhouette_of(np.stack(r["pair"], axis=1)) for r in rows]
    found["raw"] = [raw_twins(r["raw"]) for r in rows]
    for key in (*COPIES, *FOUND):
        known = [r[key] for r in rows if r[key] is not None]
        found[key] = float(np.mean(known)) if known else None
    population = fit_population(sides[0], seed=0)
    found["switch"] = switched(population, repeating(sides[1], 6), stream(0, "switch", name))
    return found


def silhouette_of(pairs: np.ndarray) -> dict[str, Any]:
    """Of the personas of two halves, beside the same with halves dealt out at random."""
    histories = Histories(pairs, np.zeros(pairs.shape[:2], dtype=int))
    return beyond_topic(histories, silhouettes, rng=stream(0, "silhouette"), permutations=199)._asdict()


def raw_twins(raw: dict[str, Any]) -> dict[str, Any]:
    """Twins by the histories themselves, topic held constant, for users with two sessions or more: two of each."""
    units, topics = raw["unit"], np.unique([t or "" for t in raw["topics"]], return_inverse=True)[1]
    sizes = dict(zip(*np.unique(units, return_counts=True), strict=True))
    sessions = 4 if sum(c >= 4 for c in sizes.values()) >= FEWEST_USERS else 2
    rows = np.stack([np.flatnonzero(units == u)[:sessions] for u in sizes if sizes[u] >= sessions])
    found = {}
    for kind in ("style", "words"):
        histories = Histories(raw[kind][rows], topics[rows])
        found[kind] = beyond_topic(histories, twin_hits, rng=stream(0, kind), permutations=99)._asdict()
    return found


def _i(x: tuple[float, float, float], digits: int = 2) -> str:
    return f"{x[0]:.{digits}f} [{x[1]:.{digits}f}, {x[2]:.{digits}f}]"


def _both(found: list[dict[str, Any]], show: str) -> str:
    """What the two ways round gave."""
    return " / ".join(show.format(**one) for one in found)


def _counts(counts: dict[str, int]) -> str:
    return " / ".join(str(v) for v in counts.values())


def apart(rows: list[dict[str, Any]]) -> str:
    """Are aligned users told apart?"""
    head = [
        "corpus",
        "users",
        "chance",
        "twin top-1 of personas",
        "people found by their aligned users' talk",
        "by unaligned users'",
        "difference",
        "others outdone by the own persona (.5 by chance)",
        "silhouette of personas",
        "twin top-1 of raw words, topic held constant",
    ]
    body: list[list[object]] = [
        [
            r["corpus"],
            r["users"],
            f"{r['chance']:.3f}",
            f"{_i(r['hit'])} ({r['hit'][0] / r['chance']:.0f} x)",
            *(_i(r[key]) for key in ("made_hit", "unaligned_hit", "made_gap")),
            _both(r["dominance"], "{share:.2f} (p {p_value:.3f})"),
            _both(r["silhouette"], "{value:.2f} (null {topic_alone:.2f}, p {p_value:.3f})"),
            _both([d["words"] for d in r["raw"]], "{value:.2f} (topic alone {topic_alone:.2f})"),
        ]
        for r in rows
    ]
    return markdown(head, body)


def borne_out(rows: list[dict[str, Any]]) -> str:
    """Do later sessions bear the personas out, and is noise refused?"""
    head = [
        "corpus",
        "users",
        "accepted / rolled back / untouched",
        "change, all users",
        "with 30 % noise",
        "change, all",
        "change, accepted",
        "average users accepted",
        "of people it was not fitted to",
        "after a switch (tracked)",
    ]
    body: list[list[object]] = [
        [
            r["corpus"],
            r["clean_users"],
            _counts(r["clean_counts"]),
            _i(r["clean"], 3),
            _counts(r["noise_counts"]),
            _i(r["noise"], 3),
            "–" if r["noise_accepted"] is None else _i(r["noise_accepted"], 3),
            *(
                f"{r[arm][0]} of {sum(r[arm])} ({r[arm][0] / max(sum(r[arm]), 1):.1%})"
                for arm in ("null", "null_others")
            ),
            f"{r['switch'][0]:.2f} ({100 * r['switch'][1]:.0f} % of {r['switch'][2]})" if r["switch"][2] else "–",
        ]
        for r in rows
    ]
    return markdown(head, body)


def price(rows: list[dict[str, Any]]) -> str:
    """What is copied, and whom an attacker finds."""
    head = [
        "corpus",
        "of the log",
        "of the fitting people",
        "other real people, of the fitting people",
        "person found by the aligned user",
        "by the unaligned user",
        "by the person's other sessions",
        "chance",
    ]

    def shown(value: float | None, form: str) -> str:
        return "–" if value is None else form.format(value)

    body: list[list[object]] = [
        [
            r["corpus"],
            *(shown(r[key], "{:.1%}") for key in COPIES),
            *(shown(r[key], "{:.2f}") for key in FOUND),
            f"{r['chance']:.3f}",
        ]
        for r in rows
    ]
    return markdown(head, body)


def tables(rows: list[dict[str, Any]]) -> str:
    """Three tables: told apart, borne out, at what price."""
    return "\n\n".join(
        [
            "**Told apart.** Fitted to one half of the people, aligned to the other, both ways round. Personas from two"
            " halves of each history; intervals over users.",
            apart(rows),
            "**Borne out.** Change of the loss of later sessions that no persona saw (nats a turn, below 0 is better),"
            " by user; the same with 30 % of the turns of the log replaced by other people's; average users"
            f" (conversations dealt out within topic, {NULLS} times) accepted at the 5 % level; one person's sessions"
            " followed by another's under one name: change for the second's later sessions by realigning.",
            borne_out(rows),
            "**At what price.** Turns of 8+ words with a verbatim 8-word span; whom an attacker finds by character"
            " n-grams.",
            price(rows),
        ]
    )


def run(data: Path, out: Path) -> str:
    """One corpus after the other."""
    rows = []
    for name in CORPORA:
        rows.append(one_corpus(data, name))
        (out / "alignment.json").write_text(json.dumps(rows, default=float, indent=1))
    return tables(rows)
