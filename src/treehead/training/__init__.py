"""The loop, the schedule and the checkpoint."""
