"""Data sets: read into memory, split, and augmented anew in each epoch."""
