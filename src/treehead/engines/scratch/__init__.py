"""The network in NumPy, every gradient by hand; its hot loops compiled by Numba where Numba is.

Images are (N, H, W, C) in here, so that one GEMM makes all channels of a pixel; kernels are OIHW, as everywhere.
"""
