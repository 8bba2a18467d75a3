#include <array>

#include "ops/checked_kernel.h"
#include "ops/ops.h"

namespace qwen3_tts {
namespace {

// The names appear in ExecuTorch's profiles; the template takes them as static arrays.
constexpr char kRope[] = "qwen3_tts::rope.out";
constexpr char kAttention[] = "qwen3_tts::attention.out";
constexpr char kLinear[] = "qwen3_tts::linear.out";
constexpr char kSwiglu[] = "qwen3_tts::swiglu.out";
constexpr char kCausalConvolution[] = "qwen3_tts::causal_convolution.out";
constexpr char kDepthwiseConvolution[] = "qwen3_tts::depthwise_convolution.out";
constexpr char kQuantizedConvolution[] = "qwen3_tts::quantized_convolution.out";
constexpr char kQuantizedResidualUnit[] = "qwen3_tts::quantized_residual_unit.out";
constexpr char kSample[] = "qwen3_tts::sample.out";

}  // namespace

void register_ops() {
  static const executorch::runtime::Error kRegistered = [] {
    static const std::array<executorch::runtime::Kernel, 9> kKernels = {
        make_checked_kernel(kRope, EXECUTORCH_FN(rope_out, kRope)),
        make_checked_kernel(kAttention, EXECUTORCH_FN(attention_out, kAttention)),
        make_checked_kernel(kLinear, EXECUTORCH_FN(linear_out, kLinear)),
        make_checked_kernel(kSwiglu, EXECUTORCH_FN(swiglu_out, kSwiglu)),
        make_checked_kernel(kCausalConvolution, EXECUTORCH_FN(causal_convolution_out, kCausalConvolution)),
        make_checked_kernel(kDepthwiseConvolution, EXECUTORCH_FN(depthwise_convolution_out, kDepthwiseConvolution)),
        make_checked_kernel(kQuantizedConvolution, EXECUTORCH_FN(quantized_convolution_out, kQuantizedConvolution)),
        make_checked_kernel(kQuantizedResidualUnit, EXECUTORCH_FN(quantized_residual_unit_out, kQuantizedResidualUnit)),
        make_checked_kernel(kSample, EXECUTORCH_FN(sample_out, kSample)),
    };
    register_exported_ops();
    return executorch::runtime::register_kernels({kKernels.data(), kKernels.size()});
  }();
  static_cast<void>(kRegistered);  // Registration panics when it fails; there is no error to report.
}

}  // namespace qwen3_tts
