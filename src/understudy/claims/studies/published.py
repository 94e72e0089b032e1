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
