"""Figures and pages, drawn from the files of a run folder."""
