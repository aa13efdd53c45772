"""For all tests: Hypothesis draws the same examples every time where nobody watches, and no example is timed.

A machine that is busy for a moment is no failure; what is too slow is for the bench to say.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
