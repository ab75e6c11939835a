"""The hot loops, compiled by Numba. Each has the name of its NumPy version, whose docstring says what it computes."""
