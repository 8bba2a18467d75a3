#pragma once

#include <cstdint>
#include <optional>

#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/kernel/kernel_runtime_context.h>

/// Kernels of the custom operators `qwen3_tts::*` (definitions and shapes: qwen3_tts/export/ops.py).
/// Bad shapes or types fail the call (InvalidArgument) and never touch memory outside the tensors.
namespace qwen3_tts {

using executorch::aten::Tensor;
using executorch::runtime::KernelRuntimeContext;

/// Registers all of them with ExecuTorch, once a process; and of those in exported_ops.h the ones that nobody else has
/// registered, as ExecuTorch's own kernels do where they are linked.
void register_ops();
void register_exported_ops();  ///< The latter.

Tensor& rope_out(KernelRuntimeContext& context, const Tensor& positions, int64_t head_dim, double theta, Tensor& out);

Tensor& attention_out(KernelRuntimeContext& context, const Tensor& qkv, const std::optional<Tensor>& q_norm,
                      const std::optional<Tensor>& k_norm, const Tensor& rope, const Tensor& positions,
                      const std::optional<Tensor>& slots, const Tensor& kv, int64_t layer, int64_t num_heads,
                      int64_t window, double eps, Tensor& out);

Tensor& linear_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& codes, const Tensor& scales,
                   const std::optional<Tensor>& bias, const std::optional<Tensor>& norm, double eps,
                   const std::optional<Tensor>& residual, Tensor& out);

Tensor& swiglu_out(KernelRuntimeContext& context, const Tensor& gate_up, Tensor& out);

Tensor& causal_convolution_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights,
                               const std::optional<Tensor>& bias, const std::optional<Tensor>& snake,
                               const std::optional<Tensor>& residual, const std::optional<Tensor>& history,
                               int64_t offset, int64_t outputs, int64_t dilation, int64_t rate, int64_t frame_size,
                               Tensor& out);

Tensor& depthwise_convolution_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights,
                                  const Tensor& bias, const Tensor& history, int64_t offset, Tensor& out);

Tensor& quantized_convolution_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights,
                                  const Tensor& scales, const std::optional<Tensor>& bias,
                                  const std::optional<Tensor>& snake, const std::optional<Tensor>& history,
                                  int64_t offset, int64_t dilation, int64_t rate, Tensor& out);

Tensor& quantized_residual_unit_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights1,
                                    const Tensor& scales1, const std::optional<Tensor>& bias1,
                                    const std::optional<Tensor>& snake1, const Tensor& weights2, const Tensor& scales2,
                                    const std::optional<Tensor>& bias2, const std::optional<Tensor>& snake2,
                                    const Tensor& history, int64_t offset, int64_t dilation, Tensor& out);

Tensor& sample_out(KernelRuntimeContext& context, const Tensor& logits, const Tensor& uniforms, int64_t index,
                   const Tensor& sampling, Tensor& out);

}  // namespace qwen3_tts
