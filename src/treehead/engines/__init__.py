"""Two engines that compute the same network."""
