"""A trained network, answering."""
