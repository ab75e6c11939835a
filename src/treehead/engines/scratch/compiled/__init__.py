"""The hot loops, compiled by Numba. Each is named like its plain NumPy twin, which says what it computes."""
