"""What holds for every test."""

import os

from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing about the law that is tested.
# Examples are the same in every run, so that a change is judged by itself; HYPOTHESIS_PROFILE=explore draws new ones.
settings.register_profile("canario", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "canario"))
