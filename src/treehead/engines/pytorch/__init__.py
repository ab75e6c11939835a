"""The network on PyTorch, on CPU, CUDA or Apple GPUs."""
