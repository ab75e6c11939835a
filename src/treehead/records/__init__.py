"""The JSON records of a run folder and of a study folder, as types."""
