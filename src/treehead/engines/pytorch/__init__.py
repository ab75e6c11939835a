"""The network on PyTorch, at the full speed of the machine."""
