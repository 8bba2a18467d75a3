#pragma once

#include <cstdint>

#include "ops/instruction_set.h"

namespace qwen3_tts {

/// A weight [N, K] as qwen3_tts/export/packing/linear.py packs it: panels of rows, blocks of columns.
struct PackedWeight {
  static constexpr int64_t kPanelRows = 16;
  static constexpr int64_t kBlockColumns = 32;
  static constexpr int64_t kMaxGroupColumns = 1 << 16;  ///< The sum of more products of bytes could leave 32 bits.
  static constexpr int64_t block_bytes(int64_t num_bits) { return kPanelRows * kBlockColumns * num_bits / 8; }

  const uint8_t* codes;    ///< [num_panels, K / kBlockColumns, block_bytes(bits)]
  const uint16_t* scales;  ///< [num_panels, num_groups, kPanelRows] bfloat16
  int64_t bits;            ///< 4, 5, 6 or 8
  int64_t num_panels;      ///< N / kPanelRows
  int64_t num_groups;      ///< of a row; each has its scale
  int64_t group_blocks;    ///< blocks of a group
};

/// Rows [S, K] rounded to int8: codes * scale, with one scale for each group.
struct QuantizedRows {
  int8_t* codes;  ///< [S, K]
  float* scales;  ///< [S, groups]
  int32_t* sums;  ///< [S, groups] of the codes
};

/// The loops of a quantized linear layer.
struct LinearKernels {
  /// out [size] = weight * x / sqrt(mean(x^2) + eps).
  void (*rms_norm)(const float* x, const float* weight, float eps, int64_t size, float* out);

  /// Quantizes x [num_groups * group_size] as the row `row` of `out`.
  void (*quantize)(const float* x, int64_t num_groups, int64_t group_size, int64_t row, const QuantizedRows& out);

  /// y[s, n] += the product of row s of x and row n of the weight, for S rows and the panels from `begin` to `end`.
  void (*multiply)(const QuantizedRows& x, int64_t num_rows, const PackedWeight& weight, int64_t begin, int64_t end,
                   float* y);

  /// out [size] = gate * sigmoid(gate) * up of gate_up [2 * size].
  void (*swiglu)(const float* gate_up, int64_t size, float* out);
};

QWEN3_TTS_DECLARE_KERNELS(LinearKernels, linear_kernels)

}  // namespace qwen3_tts
