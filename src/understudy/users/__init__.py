"""Who speaks: profiles, and the simulators that speak for them."""

from understudy.users.profile import Goal, Persona, Profile
from understudy.users.simulator import Population, UserSession, UserSimulator, UserTurn

__all__ = ["Goal", "Persona", "Population", "Profile", "UserSession", "UserSimulator", "UserTurn"]
