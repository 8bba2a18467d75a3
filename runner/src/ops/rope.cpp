#include <array>
#include <cmath>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/checks.h"
#include "ops/ops.h"

namespace qwen3_tts {

Tensor& rope_out(KernelRuntimeContext& context, const Tensor& positions, int64_t head_dim, double theta, Tensor& out) {
  ET_KERNEL_CHECK(context, positions.dim() == 1 && is_indices(positions, positions.size(0)), InvalidArgument, out);
  ET_KERNEL_CHECK(context, head_dim > 0 && head_dim % 2 == 0, InvalidArgument, out);
  const int64_t num_rows = positions.size(0);
  const std::array<int64_t, 2> sizes = {num_rows, head_dim};
  ET_KERNEL_CHECK(context, resize_output(out, sizes), InvalidArgument, out);
  const auto* at = positions.const_data_ptr<int64_t>();
  const int64_t half = head_dim / 2;
  auto* result = out.mutable_data_ptr<float>();
  for (int64_t i = 0; i < half; ++i) {
    // Angles in fp32, as the reference forms them: a difference here grows with the position.
    const auto frequency =
        static_cast<float>(1.0 / std::pow(theta, 2.0 * static_cast<double>(i) / static_cast<double>(head_dim)));
    for (int64_t s = 0; s < num_rows; ++s) {
      const float angle = static_cast<float>(at[s]) * frequency;
      result[s * head_dim + i] = std::cos(angle);
      result[s * head_dim + half + i] = std::sin(angle);
    }
  }
  return out;
}

}  // namespace qwen3_tts
