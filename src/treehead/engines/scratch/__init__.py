"""The network in NumPy with hand-written gradients; hot loops are compiled if Numba is installed.

In this package images are (N, H, W, C), so that one GEMM computes all channels of a pixel; kernels are OIHW.
"""
