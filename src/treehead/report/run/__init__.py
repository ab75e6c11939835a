"""A run folder drawn: figures and a page."""
