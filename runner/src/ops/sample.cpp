#include <array>
#include <cmath>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "base/sampler.h"
#include "ops/checks.h"
#include "ops/ops.h"
#include "ops/parallel.h"

namespace qwen3_tts {

Tensor& sample_out(KernelRuntimeContext& context, const Tensor& logits, const Tensor& uniforms, int64_t index,
                   const Tensor& sampling, Tensor& out) {
  ET_KERNEL_CHECK(context, is_float(logits, 2) && logits.size(1) > 0, InvalidArgument, out);
  const int64_t num_rows = logits.size(0);
  const int64_t size = logits.size(1);
  ET_KERNEL_CHECK(context, is_float(uniforms, 2) && uniforms.size(0) == num_rows, InvalidArgument, out);
  ET_KERNEL_CHECK(context, index >= 0 && index < uniforms.size(1), InvalidArgument, out);
  ET_KERNEL_CHECK(context, is_float(sampling, 2) && sampling.size(0) == num_rows && sampling.size(1) == 3,
                  InvalidArgument, out);
  const std::array<int64_t, 1> sizes = {num_rows};
  ET_KERNEL_CHECK(context, resize_output(out, sizes, executorch::aten::ScalarType::Long), InvalidArgument, out);
  const auto* all_logits = logits.const_data_ptr<float>();
  const auto* all_parameters = sampling.const_data_ptr<float>();
  const auto* numbers = uniforms.const_data_ptr<float>() + index;
  auto* codes = out.mutable_data_ptr<int64_t>();
  parallel_for(num_rows, 1, [&](int64_t begin, int64_t end) {
    // The scratch memory of a sampler grows once; a thread keeps its own.
    thread_local Sampler sampler;
    for (int64_t row = begin; row < end; ++row) {
      const float* parameters = all_parameters + 3 * row;
      codes[row] = sampler.pick(all_logits + row * size, size,
                                {parameters[0], static_cast<int64_t>(parameters[1]), parameters[2]},
                                numbers[row * uniforms.size(1)]);
    }
  });
  return out;
}

}  // namespace qwen3_tts
