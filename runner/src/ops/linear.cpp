#include <algorithm>
#include <array>
#include <optional>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/checks.h"
#include "ops/kernels/linear_kernels.h"
#include "ops/ops.h"
#include "ops/parallel.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;

constexpr int64_t kMinWorkPerThread =
    1 << 16;  // Weights times rows; below this a second thread costs more than it gives.

/// The bits of the codes whose blocks take so many bytes; 0 for a format that there is not.
int64_t bits_of_blocks(int64_t bytes) {
  for (const int64_t bits : {4, 5, 6, 8}) {
    if (PackedWeight::block_bytes(bits) == bytes) {
      return bits;
    }
  }
  return 0;
}

/// The weight that two tensors hold; nothing when they do not fit each other or K columns.
std::optional<PackedWeight> packed_weight(const Tensor& codes, const Tensor& scales, int64_t columns) {
  if (!is_of(codes, ScalarType::Byte) || !is_of(scales, ScalarType::BFloat16) || codes.dim() != 3 ||
      scales.dim() != 3) {
    return std::nullopt;
  }
  const int64_t panels = codes.size(0);
  const int64_t blocks = codes.size(1);
  const int64_t groups = scales.size(1);
  const int64_t bits = bits_of_blocks(codes.size(2));
  const bool fits = bits > 0 && blocks * PackedWeight::kBlockColumns == columns && scales.size(0) == panels &&
                    scales.size(2) == PackedWeight::kPanelRows && blocks > 0 && groups > 0 && blocks % groups == 0 &&
                    columns / groups <= PackedWeight::kMaxGroupColumns;
  if (!fits) {
    return std::nullopt;
  }
  return PackedWeight{codes.const_data_ptr<uint8_t>(),
                      static_cast<const uint16_t*>(scales.const_data_ptr()),
                      bits,
                      panels,
                      groups,
                      blocks / groups};
}

bool valid_extras(const std::optional<Tensor>& bias, const std::optional<Tensor>& norm,
                  const std::optional<Tensor>& residual, const Tensor& x, int64_t outputs) {
  return (!bias.has_value() || (is_float(*bias, 1) && bias->size(0) == outputs)) &&
         (!norm.has_value() || (is_float(*norm, 1) && norm->size(0) == x.size(1))) &&
         (!residual.has_value() ||
          (is_float(*residual, 2) && residual->size(0) == x.size(0) && residual->size(1) == outputs));
}

/// y [rows, outputs] before the product is added: residual and bias, as far as there are any.
void start_sums(const std::optional<Tensor>& bias, const std::optional<Tensor>& residual, int64_t rows, int64_t outputs,
                float* y) {
  if (residual.has_value()) {
    std::copy_n(residual->const_data_ptr<float>(), rows * outputs, y);
  } else {
    std::fill_n(y, rows * outputs, 0.0F);
  }
  if (!bias.has_value()) {
    return;
  }
  const auto* values = bias->const_data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row, y += outputs) {
    for (int64_t n = 0; n < outputs; ++n) {
      y[n] += values[n];
    }
  }
}

}  // namespace

Tensor& linear_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& codes, const Tensor& scales,
                   const std::optional<Tensor>& bias, const std::optional<Tensor>& norm, double eps,
                   const std::optional<Tensor>& residual, Tensor& out) {
  ET_KERNEL_CHECK(context, is_float(x, 2), InvalidArgument, out);
  const int64_t rows = x.size(0);
  const int64_t columns = x.size(1);
  const auto weight = packed_weight(codes, scales, columns);
  ET_KERNEL_CHECK(context, weight.has_value(), InvalidArgument, out);
  const int64_t outputs = weight->num_panels * PackedWeight::kPanelRows;
  ET_KERNEL_CHECK(context, valid_extras(bias, norm, residual, x, outputs), InvalidArgument, out);
  const std::array<int64_t, 2> sizes = {rows, outputs};
  ET_KERNEL_CHECK(context, resize_output(out, sizes), InvalidArgument, out);
  if (rows == 0) {
    return out;
  }

  // One piece of scratch: a normed row, then scales, sums and codes of all rows.
  const int64_t groups = weight->num_groups;
  const int64_t words = columns + 2 * rows * groups;
  const auto scratch =
      context.allocate_temp(static_cast<size_t>(words) * sizeof(float) + static_cast<size_t>(rows * columns));
  ET_KERNEL_CHECK(context, scratch.ok(), MemoryAllocationFailed, out);
  auto* const normed = static_cast<float*>(scratch.get());
  const QuantizedRows quantized = {reinterpret_cast<int8_t*>(normed + words), normed + columns,
                                   reinterpret_cast<int32_t*>(normed + columns + rows * groups)};
  const LinearKernels& kernels = linear_kernels();
  for (int64_t row = 0; row < rows; ++row) {
    const float* input = x.const_data_ptr<float>() + row * columns;
    if (norm.has_value()) {
      kernels.rms_norm(input, norm->const_data_ptr<float>(), static_cast<float>(eps), columns, normed);
      input = normed;
    }
    kernels.quantize(input, groups, columns / groups, row, quantized);
  }

  auto* const y = out.mutable_data_ptr<float>();
  start_sums(bias, residual, rows, outputs, y);
  const int64_t work = rows * columns * PackedWeight::kPanelRows;  // Of one panel.
  const int64_t grain = std::max<int64_t>(1, kMinWorkPerThread / work);
  parallel_for(weight->num_panels, grain,
               [&](int64_t begin, int64_t end) { kernels.multiply(quantized, rows, *weight, begin, end, y); });
  return out;
}

Tensor& swiglu_out(KernelRuntimeContext& context, const Tensor& gate_up, Tensor& out) {
  ET_KERNEL_CHECK(context, is_float(gate_up, 2) && gate_up.size(1) % 2 == 0, InvalidArgument, out);
  const int64_t size = gate_up.size(1) / 2;
  const std::array<int64_t, 2> sizes = {gate_up.size(0), size};
  ET_KERNEL_CHECK(context, resize_output(out, sizes), InvalidArgument, out);
  for (int64_t row = 0; row < gate_up.size(0); ++row) {
    linear_kernels().swiglu(gate_up.const_data_ptr<float>() + row * 2 * size, size,
                            out.mutable_data_ptr<float>() + row * size);
  }
  return out;
}

}  // namespace qwen3_tts
