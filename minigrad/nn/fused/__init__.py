"""Whole sequences as one node, in NumPy: the fast twins of the readable cells. Tests hold both equal.

Inside, everything is feature-major: a step is a matrix (features, batch). The product W (H, K) @ z (K, B) is the
orientation that OpenBLAS runs fastest, and each block of features is contiguous, so every ufunc is one flat loop.
"""
