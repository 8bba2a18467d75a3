#include <array>
#include <cmath>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "base/sampler.h"
#include "ops/checks.h"
#include "ops/ops.h"

namespace qwen3_tts {

Tensor& sample_out(KernelRuntimeContext& context, const Tensor& logits, const Tensor& uniforms, int64_t index,
                   const Tensor& sampling, Tensor& out) {
  ET_KERNEL_CHECK(context, is_float(logits, 2) && logits.size(0) == 1 && logits.size(1) > 0, InvalidArgument, out);
  ET_KERNEL_CHECK(context, is_float(uniforms, 1) && index >= 0 && index < uniforms.numel(), InvalidArgument, out);
  ET_KERNEL_CHECK(context, is_float(sampling, 1) && sampling.numel() == 3 && out.numel() == 1, InvalidArgument, out);
  const auto* parameters = sampling.const_data_ptr<float>();
  // The scratch memory of a sampler grows once; a thread keeps its own.
  thread_local Sampler sampler;
  const int64_t code = sampler.pick(logits.const_data_ptr<float>(), logits.size(1),
                                    {parameters[0], static_cast<int64_t>(parameters[1]), parameters[2]},
                                    uniforms.const_data_ptr<float>()[index]);
  // Nothing to draw from (NaN logits): an embedding row must not be looked up with it.
  ET_KERNEL_CHECK(context, code >= 0, InvalidArgument, out);
  *out.mutable_data_ptr<int64_t>() = code;
  return out;
}

}  // namespace qwen3_tts
