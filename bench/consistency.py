"""Figure: planted drift and contradictions found; a published set re-scored; the embedded judges against people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.corpora import load, markdown
from bench.persona_change import planted
from understudy.conversations import Conversation, Corpus, Turn
from understudy.conversations.splitting import split_corpus
from understudy.measures.consistency.drift import assistant_like
from understudy.measures.consistency.embedded_judge import KINDS, EmbeddedJudge, Person, fit_judge, people_of
from understudy.measures.consistency.judge_calibration import Label, agreement, surest
from understudy.measures.consistency.line_to_line import contradicted
from understudy.measures.consistency.lines import earned, lines_of
from understudy.measures.consistency.personas import unscorable
from understudy.measures.consistency.planting import contradict
from understudy.seeds import stream
from understudy.testing.checks import failures
from understudy.testing.hacks import Said, check_line_measure

SEED = 0
DECOYS = 9


def shares(judge: EmbeddedJudge, people: list[Person]) -> dict[str, Any]:
    """Own lines against the same lines beside nine others' descriptions: people ranked right, and AUC of lines."""
    rng = stream(SEED, "bench", "judge")
    told = sorted({p.persona for p in people})
    right, first, own_all, other_all, unit = [], [], [], [], []
    for k, p in enumerate(people):
        others = [told[j] for j in rng.permutation(len(told)) if told[j] != p.persona][:DECOYS]
        asked = [p.persona, *others]
        scores = judge.belongs([a for a in asked for _ in p.lines], list(p.lines) * len(asked)).value
        table = scores.reshape(len(asked), -1)
        right.append(table[0].mean() > table[1:].mean())
        first.append(table[0].mean() > table[1:].mean(axis=1).max())
        own_all += table[0].tolist()
        other_all += table[1].tolist()
        unit += [k] * len(p.lines)
    labels = [Label(f"{k}", (), "", own) for own in (True, False) for k in unit]
    found = agreement(np.array(own_all + other_all), labels, rng=rng, resamples=399)
    length = np.array([len(line.split()) for p in people for line in p.lines] * 2, dtype=float)
    trivial = agreement(length, labels, rng=rng, resamples=19).auc
    return {"people": len(people), "right": np.mean(right), "first": np.mean(first), "auc": found, "trivial": trivial}


def judges(data: Path) -> tuple[str, dict[str, EmbeddedJudge], Corpus]:
    """Row 3. Fitted on one half of PersonaChat, asked about the other half and about a set made by a language model."""
    fitting, held_out = split_corpus(load(data, "personachat_real"), (0.5, 0.5), seed=SEED)
    made = {kind: fit_judge([fitting], kind, seed=SEED) for kind in KINDS}
    decode = []
    for talk, unit in zip(load(data, "decode_humanbot"), load(data, "decode_humanbot").unit_ids.tolist(), strict=True):
        role = talk.turns[-1].role
        earlier = tuple(turn.text for turn in talk.turns[:-1] if turn.role == role)
        if earlier:
            decode.append(Label(unit, earlier, talk.turns[-1].text, bool(talk.meta["is_contradiction"])))
    rows: list[list[object]] = []
    for name, people in (
        ("personachat_real, held out", people_of(held_out)),
        ("synthetic_persona_chat_llm", people_of(load(data, "synthetic_persona_chat_llm"))),
    ):
        for kind, judge in made.items():
            r = shares(judge, people)
            low, high = r["auc"].auc_interval
            met = "ok" if r["right"] >= 0.9 else "missed"
            auc = f"{r['auc'].auc:.2f} [{low:.2f}, {high:.2f}]"
            rows.append(
                [name, kind, r["people"], f"{r['right']:.1%} ({met})", f"{r['first']:.1%}", auc, f"{r['trivial']:.2f}"]
            )
    heads = ["people", "judge", "n", "own above decoys, ≥ 90 %", "own above all 9", "AUC of lines", "AUC of length"]
    against: list[list[object]] = []
    trivial = {
        "number of earlier lines": np.array([float(len(label.earlier)) for label in decode]),
        "length of the line": np.array([float(len(label.later.split())) for label in decode]),
    }
    for name, values in {**{k: surest(j, decode) for k, j in made.items()}, **trivial}.items():
        a = agreement(values, decode, rng=stream(SEED, "decode", name), resamples=999)
        cells = [f"{v:.2f} [{i[0]:.2f}, {i[1]:.2f}]" for v, i in ((a.auc, a.auc_interval), (a.kappa, a.kappa_interval))]
        against.append([name, len(decode), *cells, f"{a.ac1:.2f}"])
    hacks: list[list[object]] = []
    for kind, judge in made.items():
        bad = failures(check_line_measure(_worth(judge, held_out)))
        hacks.append([kind, "all below a person's line" if not bad else "; ".join(bad.values())])
    text = "\n\n".join(
        [
            "**Judges without a language model** (fitted on half of PersonaChat's people)",
            markdown(heads, rows),
            "Contradictions, against human labels of DECODE (none of them used in fitting):",
            markdown(["scored by", "labels", "AUC", "kappa", "AC1"], against),
            "The hack battery under contrastive prompt-to-line:",
            markdown(["judge", "hacks"], hacks),
        ]
    )
    return text, made, held_out


def _worth(judge: EmbeddedJudge, others: Corpus) -> Any:
    def score(said: list[Said]) -> list[float]:
        out = []
        for one in said:
            turns = tuple(Turn("user", text) for text in (*one.before, one.line))
            mine = Conversation("mine", turns, meta={"persona": list(one.persona)})
            table = earned(lines_of(Corpus([mine]), others[:60]), judge, stream(SEED, "hacks"), decoys=40)
            out.append(float(table.contrast[len(one.before)]))
        return out

    return score


def contradictions(judge: EmbeddedJudge, held_out: Corpus) -> str:
    """Row 1, second half: planted in people's lines, with and without a reason for the change."""
    rng = stream(SEED, "bench", "planted")
    hits = could = alarms = licensed = told_why = talks = 0
    for talk in held_out:
        mine = [k for k, turn in enumerate(talk.turns) if turn.role == "user"]
        talks += 1
        alarms += bool(contradicted(talk, judge))
        said = [k for k in mine[:-2] if contradict(talk.turns[k].text, rng)]
        if not said:
            continue
        first = said[int(rng.integers(len(said)))]
        against = contradict(talk.turns[first].text, rng)
        turns = list(talk.turns)
        turns[mine[-1]] = Turn("user", str(against))
        could += 1
        lag = len(mine) - 1 - mine.index(first)
        hits += (len(mine) - 1, lag) in contradicted(msgspec.structs.replace(talk, turns=tuple(turns)), judge)
        reason = f"But actually that is no longer so: {talk.turns[first].text}"
        turns[mine[-1]] = Turn("user", f"then you are right, {against}")
        turns.insert(mine[-1], Turn("assistant", reason))
        told_why += 1
        licensed += (len(mine) - 1, lag) in contradicted(msgspec.structs.replace(talk, turns=tuple(turns)), judge)
    recall, false = hits / could, alarms / talks
    verdict = "ok" if recall >= 0.8 and false <= 0.1 else "missed"
    heads = ["planted", "found at its lag, ≥ 80 %", "conversations with a false alarm, ≤ 10 %",
             "licensed changes that fire"]  # fmt: skip
    table = markdown(heads, [[could, f"{recall:.1%}", f"{false:.1%} ({verdict})", f"{licensed} of {told_why}"]])
    note = "Planted by the rules that the classifier learned from (`planting.contradict`), in other people's lines."
    return f"**Planted contradictions** in held-out PersonaChat. {note}\n\n{table}"


def rescored(data: Path, judge: EmbeddedJudge) -> str:
    """Row 2: the released dialogues of the consistency paper, by their training, first speaker."""
    corpus = load(data, "consistent_llms_chatting_llm")
    groups: dict[str, list[Conversation]] = {}
    for talk in corpus:
        groups.setdefault(str(talk.meta["simulator_training"]), []).append(talk)
    rows: list[list[object]] = []
    for name, talks in sorted(groups.items()):
        why, passed, junk = [], 0, 0
        for talk in talks:
            mine = [turn for turn in talk.turns if turn.role == "user"]
            for k, turn in enumerate(mine):
                reason = unscorable(turn.text, before=[t.text for t in mine[:k]])
                why.append(reason)
                if reason:
                    junk += 1
                    passed += not turn.meta.get("persona_inconsistent")
        shown = ", ".join(
            f"{r} {why.count(r) / len(why):.0%}" for r in ("blank", "echo", "repeat", "short") if r in why
        )
        share = f"{passed} of {junk}" if junk else "–"
        polite = np.mean([assistant_like(t.text) for talk in talks for t in talk.turns if t.role == "user"])
        rows.append([name, len(talks), len(why), shown or "–", share, f"{polite:.1%}"])
    long = Corpus([talk for talk in corpus if len(talk.turns) == 60])
    table = earned(lines_of(long, long[:0]), judge, stream(SEED, "rescored"))
    lines = lines_of(long, long[:0])
    third = np.minimum(3 * lines.at // lines.of, 2)
    curve = [float(np.nanmean(table.contrast[third == k])) for k in range(3)]
    pairs = []
    for talk in long:
        own = sum(turn.role == "user" for turn in talk.turns)
        pairs.append(1 - len(contradicted(talk, judge)) / (own * (own - 1) / 2))
    published = [talk.meta["scores"].get("P1_index_consistency_score") for talk in long]
    known = [float(x) for x in published if x is not None]
    first, last = curve[0], curve[-1]
    drop = f"{first:.3f}, {curve[1]:.3f}, {last:.3f}"
    return "\n\n".join(
        [
            "**The released dialogues of arXiv:2511.00222**, first speaker; lines from which nothing can be learned,"
            " and how many of them the released judge passed as consistent",
            markdown(["training", "dialogues", "lines", "unscorable", "of these passed", "assistant-like"], rows),
            f"Sixty turns ({len(long)} dialogues): prompt-to-line against decoys by thirds {drop}; pair-normalised "
            f"line-to-line by our judge {np.mean(pairs):.3f}, as released {np.mean(known):.3f}.",
        ]
    )


def run(data: Path, out: Path) -> str:
    text, made, held_out = judges(data)
    fitting, _ = split_corpus(load(data, "personachat_real"), (0.5, 0.5), seed=SEED)
    changes = planted(fitting, made, held_out)
    return "\n\n".join([changes, contradictions(made["words"], held_out), rescored(data, made["words"]), text])
