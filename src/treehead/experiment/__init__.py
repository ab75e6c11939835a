"""One training with its folder, and what is made of it."""
