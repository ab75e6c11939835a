"""Two ways to run the same network."""
