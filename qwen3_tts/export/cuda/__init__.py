"""The stages for an NVIDIA GPU: the same modules, with another leaf wherever the CPU has an operator of its own.

`stages.to_cuda` is the only place that chooses. What changes: keys, values and the codec's earlier columns are buffers
of the modules instead of inputs; attention is `scaled_dot_product_attention` with a bool mask, convolutions are matrix
products of shifted columns, codes are drawn with plain reductions. No operator of this project is left, so that
AOTInductor compiles a method as a whole (docs/design.md, "CUDA").
"""
