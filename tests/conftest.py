"""The suite runs in as many processes as there are cores: each gets one thread, or they wait for one another."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
