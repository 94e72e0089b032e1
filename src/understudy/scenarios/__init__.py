"""The layered plan: topics and subtopics, personas, contexts; sampled, labelled, covered, accounted for."""

from understudy.scenarios.characteristics import Characteristic, Context
from understudy.scenarios.plan import Plan, load_plan, parse_plan
from understudy.scenarios.scenario import Scenario, profile_of

__all__ = ["Characteristic", "Context", "Plan", "Scenario", "load_plan", "parse_plan", "profile_of"]
