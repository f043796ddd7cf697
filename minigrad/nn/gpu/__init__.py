"""Nodes for devices that have kernels: cuBLAS's products, and one launch for all that stands between two of them."""
