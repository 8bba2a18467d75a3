"""The project's own Triton kernels for the rows of a frame, where a launch costs more than the arithmetic.

`*_kernel.py` holds nothing but kernels, so that Triton's interpreter can run them on a CPU; the files beside them make
operators of them. Each operator is defined in plain PyTorch, too, and that is what runs on a CPU.
"""
