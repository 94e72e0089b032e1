"""A report built by hand: every kind of measurement that an audit makes, with numbers that a reader believes."""
# ruff: noqa: E501 - the texts and tables of a fixture

from __future__ import annotations

import math
from typing import Any

from understudy.conversations import Conversation, Ending, Turn
from understudy.measures.measurement import Counts, Estimate, Measurement, MeasureSpec
from understudy.reports.report import Example, Report, make_report

N = {"real": Counts(208, 612, 4389), "synthetic": Counts(150, 600, 4527)}
FLAG = "signed gap, share of user turns"
RATE = "signed gap, per 100 words"
MEAN = "signed gap, mean over user turns"


def spec(
    name: str, asks: str, unit: str, low: float | None = 0.0, high: float | None = None, **rest: Any
) -> MeasureSpec:
    """A declaration."""
    rest = {"question": "real", "better": "match", "source": "arXiv:1610.06545", **rest}
    return MeasureSpec(name=name, asks=asks, unit=unit, range=(low, high), **rest)


def scored(declared: MeasureSpec, value: float, reach: float, p: float | None = 0.001, **rest: Any) -> Measurement:
    """A measurement with a symmetric interval."""
    rest = {"name": declared.name, "n": N, "interval": (value - reach, value + reach), "adjusted_p": p, **rest}
    return Measurement(value=value, status="scored", spec=declared, p_value=p, **rest)


def missing(declared: MeasureSpec, reason: str, name: str = "") -> Measurement:
    """An unscored measurement."""
    return Measurement(name=name or declared.name, value=None, status="unscored", n=N, spec=declared, reason=reason)


def tell(
    feature: str, real: float, synthetic: float, real_turns: list[str], synthetic_turns: list[str]
) -> dict[str, Any]:
    """What a discriminator leans on."""
    return {
        "feature": feature,
        "direction": "overdone" if synthetic > real else "missing",
        "weight": abs(real - synthetic),
        "real_rate": real,
        "synthetic_rate": synthetic,
        "unit": "share of conversations",
        "real_examples": real_turns,
        "synthetic_examples": synthetic_turns,
    }


TELLS = [
    tell(
        "⏎ i am",
        0.06,
        0.61,
        ["i am bored lol, what's out"],
        ["I am looking for a comedy from the 1990s.", "I am interested in films by Nora Ephron."],
    ),
    tell(
        "looking for",
        0.18,
        0.66,
        ["just looking for something w/ my mom"],
        ["I am looking for a suspenseful thriller.", "I'm looking for a feel-good family film."],
    ),
    tell("lol", 0.31, 0.01, ["lol no that one put me to sleep", "haha ok lol"], []),
    tell("thank you ⏎", 0.22, 0.58, ["ok thank you"], ["That sounds wonderful, thank you!", "Perfect. Thank you."]),
    tell("⏎ hi", 0.71, 0.35, ["hi!", "hi there hows it going"], ["Hi! Could you help me find a film?"]),
    tell("maybe", 0.28, 0.04, ["maybe something scary? idk"], ["Maybe a documentary would be nice."]),
    tell("such as", 0.02, 0.27, ["stuff such as alien"], ["I enjoy directors such as Denis Villeneuve."]),
    tell("i dont", 0.19, 0.00, ["i dont like musicals sorry"], []),
]


def discriminator() -> Measurement:
    """The ladder of nested feature sets."""
    s = spec(
        "realism.discriminator",
        "Can a classifier tell synthetic from real user sides, and from what?",
        "AUC, 0.5 = cannot tell, 1 = always tells",
        0.0,
        1.0,
        headline=True,
    )
    sets = [
        ("length", 0.71, 0.78),
        ("punctuation", 0.86, 0.81),
        ("function_words", 0.83, 0.76),
        ("words", 0.89, 0.93),
        ("behaviours", 0.80, 0.74),
        ("all", 0.94, 0.95),
    ]
    parts = tuple(
        scored(
            s,
            auc,
            0.024,
            name=f"{s.name}.{name}",
            floor=Estimate(0.502, (0.455, 0.549), "40 halvings of the real units"),
            ceiling=Estimate(other, (other - 0.02, other + 0.02), "another real corpus: star_real.jsonl"),
            evidence={
                "null_mean": 0.5,
                "null_sd": 0.02,
                "features": 150,
                **({"tells": TELLS} if name == "words" else {}),
            },
        )
        for name, auc, other in sets
    )
    whole = parts[-1]
    return Measurement(
        name=s.name,
        value=whole.value,
        status="scored",
        n=N,
        spec=s,
        interval=whole.interval,
        p_value=0.001,
        adjusted_p=0.009,
        floor=whole.floor,
        ceiling=whole.ceiling,
        parts=parts,
        evidence={"detectable_auc": 0.56, "conversations_used": {"real": 612, "synthetic": 600}},
    )


BEHAVIOURS = [
    ("hedges", 0.50, 0.07, RATE, "maybe, I think, not sure ...", 0.001),
    ("lower_case", 0.55, 0.04, FLAG, "letters, none of them a capital", 0.001),
    ("no_final_mark", 0.62, 0.09, FLAG, "does not end in a sentence mark", 0.001),
    ("fragment", 0.38, 0.11, FLAG, "no verb form that the list knows", 0.001),
    ("n_words", 7.3, 14.8, MEAN, "words in the turn", 0.001),
    ("thanks", 0.06, 0.21, FLAG, "thanks", 0.001),
    ("fillers", 0.91, 0.16, RATE, "um, hmm, well, lol ...", 0.001),
    ("shorthand", 0.14, 0.01, FLAG, "abbreviations, missing apostrophes, common misspellings", 0.001),
    ("explicit_preference", 0.12, 0.36, FLAG, "I like, I want, I'm looking for ...", 0.001),
    ("self_correction", 0.031, 0.004, FLAG, "takes back or changes: I meant, scratch that", 0.004),
    ("ignores_question", 0.17, 0.05, FLAG, "asked, and neither an answer form nor a shared word", 0.002),
    ("question", 0.21, 0.24, FLAG, "has a question mark", 0.11),
    ("emoji", 0.022, 0.019, FLAG, "emoji or emoticon", 0.62),
    ("digits", 0.081, 0.077, FLAG, "has a digit", 0.84),
    ("echo", 0.12, 0.14, MEAN, "share of the partner's content words said back", 0.31),
]
TURNS = {
    "hedges": (
        [
            "maybe something with a heist? not sure tbh",
            "i guess i could watch that",
            "kinda like inception i think",
        ],
        ["I might enjoy a thriller."],
    ),
    "lower_case": (["yeah that one was ok", "nope havent seen it"], ["ok"]),
    "no_final_mark": (["ooh what about something from korea", "my kids loved it"], ["Action, please"]),
    "fragment": (["something funny", "scary but not too scary"], ["A romantic comedy from the 2000s."]),
    "n_words": (
        ["i liked the second one more", "any good ones this year"],
        ["I am looking for a science fiction film that explores the idea of time travel in a thoughtful way."],
    ),
    "thanks": (
        ["ok thx", "thanks!!"],
        ["Thank you so much for the suggestion.", "That sounds wonderful, thank you!"],
    ),
}


def messiness() -> Measurement:
    """Behaviours, worst first, with turns."""
    s = spec(
        "realism.messiness",
        "Do turn-level behaviours occur as often and as variably as among people?",
        "mean total-variation distance over behaviours",
        0.0,
        1.0,
        better="lower",
        headline=True,
    )
    parts, tells = [], []
    for name, real, synthetic, unit, says, p in BEHAVIOURS:
        own = spec(f"{s.name}.{name}", f"Synthetic minus real: {says}", unit, None)
        apart = abs(real - synthetic) / (real + synthetic)
        evidence = {
            "behaviour": says,
            "real": real,
            "synthetic": synthetic,
            "total_variation": round(apart / 2, 3),
        }
        reach = 0.1 * max(real, synthetic)
        parts.append(scored(own, synthetic - real, reach, p, floor=Estimate(0.0, (-reach, reach)), evidence=evidence))
        shown = TURNS.get(name, ([], []))
        tells.append({**tell(name, real, synthetic, *shown), "says": says, "unit": unit.partition(", ")[2]})
    own = spec(f"{s.name}.indirect_preference", "Synthetic minus real", FLAG, -1.0, 1.0)
    parts.append(missing(own, "no lexicon for this script or language"))
    return scored(
        s,
        0.214,
        0.018,
        0.009,
        floor=Estimate(0.061, (0.052, 0.073)),
        ceiling=Estimate(0.153, (0.14, 0.17), "another real corpus"),
        parts=tuple(parts),
        evidence={"tells": tells, "behaviours_scored": len(BEHAVIOURS), "permutations": 999},
    )


def icc() -> Measurement:
    """Who writes matters less."""
    s = spec(
        "separability.icc",
        "Is as much of the style due to who writes as among real users?",
        "difference of intraclass correlations, synthetic minus real",
        -2.0,
        2.0,
        headline=True,
    )
    levels = {
        "words_per_turn": (0.61, 0.09),
        "user_turns": (0.34, 0.11),
        "opening_length": (0.30, 0.02),
        "length_variation": (0.32, 0.13),
        "question_rate": (0.37, 0.05),
        "exclamation_rate": (0.52, 0.00),
        "final_punctuation_rate": (0.72, 0.12),
    }
    rows = [
        {
            "feature": k,
            "real": r,
            "real_interval": (r - 0.09, r + 0.09),
            "synthetic": v,
            "synthetic_interval": (v - 0.07, v + 0.07),
        }
        for k, (r, v) in levels.items()
    ]
    parts = tuple(
        scored(
            s,
            row["synthetic"] - row["real"],
            0.11,
            name=f"{s.name}.{row['feature']}",
            evidence=row,
            floor=Estimate(0.0, (-0.12, 0.12)),
        )
        for row in rows
    )
    return scored(s, -0.38, 0.06, 0.009, floor=Estimate(0.004, (-0.08, 0.09)), evidence={"features": rows}, parts=parts)


def conditional() -> Measurement:
    """Reacting, and the hazard of leaving."""
    s = spec(
        "realism.conditional",
        "Do users answer what the partner just did as people do, and leave when people leave?",
        "mean Jensen-Shannon distance over partner acts",
        0.0,
        1.0,
        better="lower",
        headline=True,
    )
    turns = list(range(1, 15))
    real = [0.02 + 0.16 / (1 + math.exp(-(t - 7) / 1.6)) for t in turns]
    synthetic = [0.0 if t < 4 else min(0.9, 0.05 * 1.32 ** (t - 3)) for t in turns]
    hazard = {
        "turn": turns,
        "real": real,
        "synthetic": synthetic,
        "real_interval": [
            (max(0, y - 0.02 - 0.002 * t), y + 0.02 + 0.002 * t) for t, y in zip(turns, real, strict=True)
        ],
        "synthetic_interval": [
            (max(0, y - 0.01 - 0.004 * t), y + 0.01 + 0.004 * t) for t, y in zip(turns, synthetic, strict=True)
        ],
    }
    leaving = scored(
        spec(f"{s.name}.leaving", "When do users leave?", "integrated difference of hazards", 0.0, None),
        0.087,
        0.02,
        floor=Estimate(0.02, (0.01, 0.03)),
        evidence={"hazard": hazard},
    )
    after = scored(
        spec(f"{s.name}.after_question", "What follows a question?", s.unit, 0.0, 1.0),
        0.24,
        0.03,
        floor=Estimate(0.06, (0.04, 0.09)),
    )
    return scored(s, 0.198, 0.02, 0.009, floor=Estimate(0.07, (0.05, 0.09)), parts=(leaving, after))


def ensemble() -> Measurement:
    """Classifiers and transitions."""
    s = spec(
        "realism.ensemble",
        "Do classifiers of turns see the same mix on both sides, and the same order?",
        "mean Jensen-Shannon distance, base 2",
        0.0,
        1.0,
        better="lower",
        headline=True,
    )
    rows = [
        ("act", 0.22, 0.05),
        ("sentiment", 0.11, 0.03),
        ("question", 0.04, 0.03),
        ("politeness", 0.19, 0.04),
        ("act_transitions", 0.31, 0.12),
    ]
    labels = [
        {"label": "inform", "real": 0.41, "synthetic": 0.63},
        {"label": "chat", "real": 0.22, "synthetic": 0.05},
        {"label": "thank", "real": 0.06, "synthetic": 0.17},
    ]
    parts = tuple(
        scored(
            spec(f"{s.name}.{name}", "", "Jensen-Shannon distance, base 2", 0.0, 1.0),
            v,
            0.02,
            0.6 if v < 0.05 else 0.001,
            floor=Estimate(f, (f - 0.015, f + 0.02)),
            evidence={"labels": labels},
        )
        for name, v, f in rows
    )
    return scored(
        s,
        0.174,
        0.015,
        0.009,
        floor=Estimate(0.054, (0.045, 0.066)),
        parts=parts,
        evidence={"classifiers": {"act": "labels of the data"}},
    )


def others() -> list[Measurement]:
    """Coverage, diversity, dispersion; one without a result."""
    c = spec(
        "realism.coverage",
        "What share of real behaviour do the simulated users show at all?",
        "share of real conversations",
        0.0,
        1.0,
        better="higher",
        headline=True,
    )
    d = spec(
        "realism.diversity",
        "Do simulated users vary from one another as much as real ones do?",
        "mean absolute log ratio, synthetic over real",
        0.0,
        None,
        headline=True,
    )
    w = spec(
        "separability.dispersion",
        "Do users spread as widely in style as real ones?",
        "mean absolute log ratio of standard deviations",
        0.0,
        None,
        better="lower",
        headline=True,
    )
    i = spec(
        "separability.identification",
        "Can a user be recognised from style?",
        "accuracy over chance",
        0.0,
        1.0,
        headline=True,
    )
    density = scored(
        spec(f"{c.name}.density", "Do they crowd?", "real neighbours per synthetic conversation", 0.0, None),
        1.31,
        0.2,
        floor=Estimate(0.99, (0.9, 1.1)),
    )
    levels = [
        ("spread", 0.93, 0.71),
        ("distinct_2", 0.62, 0.38),
        ("self_repetition", 0.05, 0.19),
        ("openings", 212.0, 41.0),
    ]
    parts = tuple(
        scored(
            spec(f"{d.name}.{name}", "", "log ratio, synthetic over real", None),
            math.log(b / a),
            0.1,
            evidence={"real": a, "synthetic": b},
        )
        for name, a, b in levels
    )
    return [
        scored(c, 0.64, 0.05, 0.009, floor=Estimate(0.96, (0.94, 0.98)), parts=(density,)),
        scored(d, 0.83, 0.12, 0.009, floor=Estimate(0.06, (0.03, 0.1)), parts=parts),
        scored(w, 0.41, 0.06, 0.27, floor=Estimate(0.38, (0.3, 0.46))),
        missing(i, "fewer than 10 users a side have two conversations"),
    ]


REAL_TALK = [
    ("user", "hey hows it going"),
    ("assistant", "Good! Are you looking for a film tonight?"),
    ("user", "yeah maybe something funny? w/ my sister so nothing gross"),
    ("assistant", "Have you seen Booksmart?"),
    ("user", "ya loved it"),
    ("assistant", "Then you might like Lady Bird, or The Edge of Seventeen."),
    ("user", "hmm seen lady bird. the other one idk who's in it"),
    ("assistant", "Hailee Steinfeld and Woody Harrelson."),
    ("user", "oh nice ok"),
    ("user", "thx bye"),
]
SYNTHETIC_TALK = [
    ("user", "Hello! I am looking for a comedy film that I can watch with my sister."),
    ("assistant", "Have you seen Booksmart?"),
    ("user", "Yes, I have seen Booksmart and I really enjoyed it. Do you have any other recommendations?"),
    ("assistant", "You might like Lady Bird."),
    ("user", "That sounds wonderful, thank you! I will watch Lady Bird."),
]


def examples(count: int = 6) -> list[Example]:
    """Conversations to show."""
    shown = []
    for i in range(count):
        turns = tuple(Turn(role, text) for role, text in REAL_TALK[: 10 - i % 3])
        shown.append(
            Example("real", Conversation(f"redial-{2041 + 37 * i}", turns, user_id=f"u{i % 4 + 11}", topic="movies"))
        )
        turns = tuple(Turn(role, text) for role, text in SYNTHETIC_TALK[i % 2 * 2 :])
        ending = Ending("user", "goal met")
        shown.append(
            Example("synthetic", Conversation(f"syn-{i:04d}", turns, user_id=f"s{i}", topic="movies", ending=ending))
        )
    return shown


PROVENANCE = {
    "understudy": "0.1.0",
    "python": "3.11.7",
    "numpy": "2.3.1",
    "command": "understudy audit syn.jsonl --real redial_real.jsonl --out report/",
    "seed": 0,
    "permutations": 999,
    "matching": {
        "topic": "Matched on topic: both sides follow the same mix of 4 topics (612 of 640 real and 600 of 600 synthetic conversations kept).",
        "length": "Conversation length is controlled in the word features and in rates per turn; it was not controlled in discriminator.all.",
    },
    "corpora": {
        "real": {
            "source": "data/redial_real.jsonl",
            "origin": "real",
            "digest": "0f3c9a1be2",
            "conversations": 612,
            "users_known": True,
        },
        "synthetic": {
            "source": "runs/prompted_syn.jsonl",
            "origin": "synthetic",
            "digest": "77ab01c4d9",
            "conversations": 600,
            "users_known": True,
        },
    },
    "seconds": {"realism.discriminator": 11.31, "realism.messiness": 4.2},
}


def all_measurements() -> list[Measurement]:
    """One of each."""
    return [discriminator(), messiness(), ensemble(), conditional(), icc(), *others()]


def whole_report() -> Report:
    """The report that the screenshots are of."""
    return make_report(all_measurements(), examples=examples(), provenance=PROVENANCE)
