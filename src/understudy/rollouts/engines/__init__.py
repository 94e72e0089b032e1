"""Where rollouts run: on this machine, or on Ray. Placement changes nothing in the result."""

from typing import Literal

Engine = Literal["local", "ray"]
