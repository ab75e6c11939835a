"""How hard the laws are tried: enough to find a counterexample, little enough for every commit."""

from hypothesis import settings

settings.register_profile("laws", max_examples=60, deadline=None)  # a busy machine is no counterexample
settings.load_profile("laws")
