"""Figures and pages, drawn from the files of a run folder."""

from treehead.report.study_write import write_study_report as write_study_report
from treehead.report.write import write_report as write_report
