"""One CNN, a head for every level of your label tree."""
