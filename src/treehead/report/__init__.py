"""Figures and pages, drawn from the files of a run folder."""

from treehead.report.write import write_report as write_report
