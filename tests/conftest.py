"""What holds for every test."""

from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing about the law that is tested.
settings.register_profile("canario", deadline=None)
settings.load_profile("canario")
