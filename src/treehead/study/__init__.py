"""Many trainings as one piece of work, and what they show."""
