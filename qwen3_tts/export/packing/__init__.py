"""Weights in the order in which the kernels of the runner read them."""
