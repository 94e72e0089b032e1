"""What the model behind a simulated user is told: the part of a profile that this user knows, rendered once."""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Iterable
from functools import cache
from importlib import resources

import msgspec

from understudy.users.partner_model import PartnerState
from understudy.users.profile import Profile

_TRAITS = {
    "openness": ("down to earth, set in habits", "curious, imaginative"),
    "conscientiousness": ("careless, spontaneous", "orderly, thorough"),
    "extraversion": ("reserved, quiet", "outgoing, talkative"),
    "agreeableness": ("blunt, sceptical", "warm, trusting"),
    "neuroticism": ("calm, even-tempered", "anxious, easily upset"),
}
_PARTNERS = {"human": "another person", "ai": "a machine that answers in writing"}
_NOTABLE = 0.5  # standard deviations; nearer the average a trait says nothing
_STRONG = 1.5
_STRIKING = 0.45  # of a partner state; what the label alone suggests is less
_VIEWS = {
    "competence": ("not able to help", "able to help"),
    "human_likeness": ("cold", "warm"),
    "flexibility": ("talking by rote", "taking up what you say"),
}
REDACTED = "(something you do not know)"


class Briefing(msgspec.Struct, frozen=True):
    """What one simulated user knows of itself and its goal. Whatever is not in here cannot reach the model."""

    about: tuple[str, ...]
    wants: tuple[str, ...]
    knows: tuple[str, ...]
    partner: str

    @property
    def private(self) -> tuple[str, ...]:
        """What the other side is never to be told word for word."""
        return (*self.about, *self.knows)


def brief(profile: Profile, *, unknown: Iterable[str] = ()) -> Briefing:
    """The part of `profile` that its user knows. Entities of the kinds `unknown` are left out, wherever they stand.

    >>> from understudy.users import Goal, Persona
    >>> goal = Goal("film", (("genre", "western"), ("title", "Rio Bravo")), "wants to see Rio Bravo again")
    >>> brief(Profile(id="p", user_id="u", persona=Persona("u"), goal=goal), unknown=["title"]).wants
    ('topic: film', 'genre: western', 'wants to see (something you do not know) again')
    """
    kinds = frozenset(unknown)
    hide = _hider(forbidden(profile, unknown=kinds))
    persona, goal = profile.persona, profile.goal
    wants = [f"topic: {goal.topic}"] if goal.topic else []
    wants += [f"{kind}: {value}" for kind, value in goal.entities if kind not in kinds]
    wants += [goal.text] if goal.text.strip() else []
    style = [_style(name, value) for name, value in sorted(persona.style.items())]
    about = [*persona.facts, *_big_five(dict(persona.big_five)), *(line for line in style if line)]
    return Briefing(
        about=tuple(hide(line) for line in about),
        wants=tuple(hide(line) for line in wants),
        knows=tuple(hide(line) for line in profile.knowledge),
        partner=_PARTNERS.get(profile.partner_belief.partition("+")[0], "someone or something that answers in writing"),
    )


def impressed(briefing: Briefing, view: PartnerState) -> Briefing:
    """The briefing with what its user has come to think of the partner; unchanged where that is nothing in particular.

    >>> from understudy.users.partner_model import PartnerState
    >>> impressed(Briefing((), (), (), "a person"), PartnerState(-0.5, 0.0, 0.0)).partner
    'a person, who strikes you as not able to help'
    """
    strikes = [_VIEWS[name][value > 0] for name, value in view._asdict().items() if abs(value) >= _STRIKING]
    if not strikes:
        return briefing
    return msgspec.structs.replace(briefing, partner=f"{briefing.partner}, who strikes you as {' and '.join(strikes)}")


def forbidden(profile: Profile, *, unknown: Iterable[str]) -> tuple[str, ...]:
    """The surfaces that the user of `profile` must not know: its goal's entities of the kinds `unknown`."""
    kinds = frozenset(unknown)
    return tuple(dict.fromkeys(v.strip() for kind, v in profile.goal.entities if kind in kinds and v.strip()))


def render(briefing: Briefing, *, intent: str, leaving: bool, structured: bool = True) -> str:
    """The instruction for one turn: the session latent (`briefing`) and the turn latent (`intent`, `leaving`).

    The only place where either becomes text. Values are put in as they are: nothing in them is read as a template.
    """
    parts = []
    for title, lines in (("Who you are:", briefing.about), ("What you want:", briefing.wants)):
        parts += [title, *(f"- {_one_line(line)}" for line in lines)] if lines else []
    parts += ["What you know:", *(f"- {_one_line(line)}" for line in briefing.knows)] if briefing.knows else []
    text = string.Template(_prompt("prompted")).substitute(
        partner=briefing.partner,
        about="".join(f"{part}\n" for part in parts),
        intent=intent,
        leaving=LEAVES if leaving else STAYS,
    )
    return text + (_prompt("answer") if structured else "")


LEAVES = "This is the last thing you say: after it you are gone, so let it be an end."
STAYS = "You are not leaving yet: do not say goodbye."


@cache
def prompt_version() -> str:
    """A digest of the prompts, for the identity of whoever uses them."""
    text = _prompt("prompted") + _prompt("answer") + LEAVES + STAYS
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


@cache
def _prompt(name: str) -> str:
    return (resources.files("understudy.users") / "prompts" / f"{name}.txt").read_text("utf-8")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _big_five(scores: dict[str, float]) -> list[str]:
    lines = []
    for trait, (low, high) in _TRAITS.items():
        z = scores.get(trait, 0.0)
        if abs(z) >= _NOTABLE:
            lines.append(f"{'very ' if abs(z) >= _STRONG else ''}{high if z > 0 else low}")
    return lines


def _style(name: str, value: float) -> str:
    """Length is the one habit of writing that a model can be told; rates are not met by asking for them."""
    return f"usually writes about {max(1, round(value))} words at a time" if name == "words_per_turn" else ""


def _hider(surfaces: tuple[str, ...]):  # type: ignore[no-untyped-def]
    if not surfaces:
        return lambda text: text
    # Longest first, so that a title within a longer one does not leave its rest; any run of spaces is one.
    ordered = sorted(surfaces, key=len, reverse=True)
    pattern = re.compile("|".join(r"\s+".join(map(re.escape, s.split())) for s in ordered), re.IGNORECASE)
    return lambda text: pattern.sub(REDACTED, text)
