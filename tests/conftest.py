"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("busy-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
if not os.environ.get("CI"):  # there Hypothesis takes a profile of its own, which allows as much
    settings.load_profile("busy-machine")
