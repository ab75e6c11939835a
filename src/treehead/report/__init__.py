"""Reports: figures and HTML pages of a run folder or a study folder, from its files alone."""

from treehead.report.run.write import write_report as write_report
from treehead.report.study.write import write_study_report as write_study_report
