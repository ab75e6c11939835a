"""Figures and pages, drawn from the files of a run folder."""

from treehead.report.run.write import write_report as write_report
from treehead.report.study.write import write_study_report as write_study_report
