"""A study folder drawn: figures and a page."""
