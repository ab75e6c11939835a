"""One calibrated distribution over the leaves, and the guarantees that held-out images allow."""
