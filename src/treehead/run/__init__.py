"""One training, from its config to its finished folder."""
