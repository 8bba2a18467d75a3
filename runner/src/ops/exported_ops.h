#pragma once

#include <cstdint>
#include <optional>

#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/kernel/kernel_runtime_context.h>

/// The operators of ATen, and of torchao's rows, that models which speak have outside the delegates, with the arguments
/// that ExecuTorch passes. They do what the exports ask for and no more: other types and layouts fail the call
/// (InvalidArgument), and none touches memory outside its tensors.
///
/// ExecuTorch's own ones, all of ATen, take 9 MB. Where they are linked, these are not used: register_ops().
namespace qwen3_tts::exported {

using executorch::aten::ArrayRef;
using executorch::aten::Tensor;
using executorch::runtime::KernelRuntimeContext;

// Copies, of any type.

Tensor& cat_out(KernelRuntimeContext& context, ArrayRef<Tensor> tensors, int64_t dim, Tensor& out);

/// With a step of 1.
Tensor& slice_copy_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, std::optional<int64_t> start,
                       std::optional<int64_t> end, int64_t step, Tensor& out);

Tensor& select_copy_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, int64_t index, Tensor& out);

/// `indices`: int64 [count], none of them negative.
Tensor& index_select_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, const Tensor& indices,
                         Tensor& out);

Tensor& unsqueeze_copy_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, Tensor& out);

/// One size may be -1: what is left.
Tensor& view_copy_out(KernelRuntimeContext& context, const Tensor& x, ArrayRef<int64_t> sizes, Tensor& out);

// Numbers.

/// fp16 to fp32.
Tensor& to_copy_out(KernelRuntimeContext& context, const Tensor& x, bool non_blocking, std::optional<int64_t> format,
                    Tensor& out);

/// int64.
Tensor& full_like_out(KernelRuntimeContext& context, const Tensor& x, int64_t value, std::optional<int64_t> format,
                      Tensor& out);

/// x + alpha * y in int64, where y is repeated for all of x: its sizes are the last ones of x, or none.
Tensor& add_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& y, int64_t alpha, Tensor& out);

/// fp32, over one dimension, from its first element to its last.
Tensor& sum_out(KernelRuntimeContext& context, const Tensor& x, ArrayRef<int64_t> dims, bool keeps_dim,
                std::optional<int64_t> dtype, Tensor& out);

/// fp32, over the last dimension. `out`, `mean`, `inverse_deviation`: all are written. Sums are formed in double.
Tensor& layer_norm_out(KernelRuntimeContext& context, const Tensor& x, ArrayRef<int64_t> normalized_shape,
                       const std::optional<Tensor>& weight, const std::optional<Tensor>& bias, double eps,
                       const Tensor& out, const Tensor& mean, Tensor& inverse_deviation);

// Rows of a table [num_rows, width], at int64 indices of any shape: [..., width].

Tensor& embedding_out(KernelRuntimeContext& context, const Tensor& table, const Tensor& indices, int64_t padding_index,
                      bool scales_gradient, bool is_sparse, Tensor& out);

/// int8 [num_rows, width] * fp32 scales [num_rows, groups of a row].
Tensor& embedding_byte_out(KernelRuntimeContext& context, const Tensor& table, const Tensor& scales,
                           const std::optional<Tensor>& zero_points, int64_t least, int64_t most, const Tensor& indices,
                           Tensor& out);

/// The same of 4 bits: two columns a byte, the first one in its upper half; value + 8 is stored.
Tensor& embedding_4bit_out(KernelRuntimeContext& context, const Tensor& table, const Tensor& scales,
                           const std::optional<Tensor>& zero_points, int64_t least, int64_t most, const Tensor& indices,
                           Tensor& out);

}  // namespace qwen3_tts::exported
