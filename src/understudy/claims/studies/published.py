"""Studies of published tables: do the quoted numbers follow from them, and what do they say beside their baseline?"""

from __future__ import annotations

import numpy as np

from understudy.claims.evidence import Evidence
from understudy.claims.record import Claim
from understudy.claims.verdict import Finding, Outcome, Row
from understudy.transfer.published_tables import cell_means, check_quoted


def _row(claim: Claim, value: float, outcome: Outcome, why: str) -> Finding:
    row = Row(corpus="the published table", measure=claim.study, outcome=outcome, why=why, value=round(value, 4))
    return Finding(outcome=outcome, why=why, rows=(row,))


def coverage(claim: Claim, evidence: Evidence) -> Finding:
    """S/I as quoted, beside what the models have without any synthetic data (B/I).

    weakened: the ratio is reproduced, but most of it is there without the data.
    """
    found = cell_means(claim.quoted["before"], claim.quoted["after"], claim.quoted["in_domain"])
    told = check_quoted("S/I", claim.quoted["says"][0], 100 * found.coverage)
    if "not reproducible" in told:
        return _row(claim, found.coverage, "refuted", told)
    added = (found.coverage - found.base) / (1 - found.base)
    outcome: Outcome = "held" if found.base < 0.5 else "weakened"
    why = f"{told}; without any synthetic data B/I is {found.base:.1%}, so that {added:.0%} of what was missing came"
    return _row(claim, found.coverage, outcome, why)


def improvement(claim: Claim, evidence: Evidence) -> Finding:
    """The mean improvement as quoted, from the table's cells."""
    found = cell_means(claim.quoted["before"], claim.quoted["after"], claim.quoted["in_domain"])
    told = check_quoted("improvement", claim.quoted["says"][0], 100 * found.improvement)
    return _row(claim, found.improvement, "refuted" if "not reproducible" in told else "held", told)


def relative_gain(claim: Claim, evidence: Evidence) -> Finding:
    """A quoted percentage of improvement, as the relative rise of a score and as the fall of what was wrong."""
    before, after = claim.quoted["before"][0], claim.quoted["after"][0]
    rise, fall = 100 * (after / before - 1), 100 * (1 - (1 - after) / (1 - before))
    told = check_quoted("relative rise of the score", claim.quoted["says"][0], rise, decimals=1)
    outcome: Outcome = "refuted" if "not reproducible" in told else "weakened"
    why = f"{told}; what was inconsistent fell by {fall:.0f} %: the quoted figure is not a share of drift"
    return _row(claim, rise / 100, outcome, why)


def shares_of_factors(claim: Claim, evidence: Evidence) -> Finding:
    """Shares of factors that add up to 100 are shares of what the factors explain, not of the whole."""
    shares = np.array(claim.quoted["says"])
    total = float(shares.sum())
    why = f"{' + '.join(f'{x:g}' for x in shares)} = {total:g} %: "
    if abs(total - 100) < 0.5:
        return _row(claim, total, "weakened", why + "shares of the variance that three factors explain together")
    return _row(claim, total, "held", why + "shares of the whole variance")


def part_of_the_fall(claim: Claim, evidence: Evidence) -> Finding:
    """The fall without the part that a system is credited with, beside the fall without another part."""
    whole, without, other = (np.array(claim.quoted[name]) for name in ("whole", "without", "without_other"))
    falls = [float((np.abs(whole - less) / whole).mean()) for less in (without, other)]
    outcome: Outcome = "held" if falls[0] >= falls[1] else "weakened"
    why = f"without it scores fall by {falls[0]:.1%} on average, without the largest other part by {falls[1]:.1%}"
    return _row(claim, falls[0], outcome, why)


def unread_as_consistent(claim: Claim, evidence: Evidence) -> Finding:
    """Answers of the judge that say neither yes nor no, and count as consistent."""
    unread, judged = claim.quoted["unread"][0], claim.quoted["judged"][0]
    why = f"{unread:g} of {judged:g} answers ({unread / judged:.0%}) could not be read and counted as full marks"
    return _row(claim, unread / judged, "refuted" if unread else "held", why)


def pairs_dilute(claim: Claim, evidence: Evidence) -> Finding:
    """The score of a speaker who takes back one line in ten, if every pair of lines counts, by length of the talk."""
    scores = [1 - (lines / 10) / (lines * (lines - 1) / 2) for lines in claim.quoted["own_lines"]]
    told = ", ".join(f"{s:.3f} at {n:g} own lines" for s, n in zip(scores, claim.quoted["own_lines"], strict=True))
    same = max(scores) - min(scores) < 0.01
    return _row(claim, scores[-1], "held" if same else "refuted", f"one line in ten taken back scores {told}")
