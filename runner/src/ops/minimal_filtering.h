#pragma once

#include <cstdint>

#include "ops/convolution_layer.h"

namespace qwen3_tts {

/// A convolution of seven taps by minimal filtering (kernels/convolution_kernels.h), which takes half the products.
///
/// Columns `dilation` apart are one sequence, and four outputs of it are a tile. Every frame is cut into tiles by
/// itself, with zeros for what comes after it: the sums are rounded otherwise than those of single columns, and no
/// split of an utterance may change how.
class MinimalFiltering {
 public:
  /// Of `frames` frames of `frame_size` columns each.
  MinimalFiltering(const ConvolutionLayer& layer, int64_t frames, int64_t frame_size);

  /// Values that all workers share, and those that each of them needs.
  int64_t shared_size() const { return kTileInputs * plane_ + layer_.width; }
  int64_t worker_size() const;

  /// First: evaluates the inputs into `shared`. `columns`: past() of the layer, then those of the frames.
  void evaluate(const float* columns, int64_t num_workers, float* shared) const;
  /// Then: forms the outputs. worker_memory: worker_size() values for each of at most kMaxWorkers.
  void multiply(int64_t num_workers, const float* shared, float* worker_memory,
                const ConvolutionOutputs& outputs) const;

 private:
  struct Rows;
  template <typename Visit>
  void for_each_frame(int64_t first, int64_t count, const Visit& visit) const;
  void evaluate_row(const float* columns, int64_t row, const float* zeros, float* values) const;
  void multiply_rows(const Rows& rows, const float* values, float* weights, bool has_weights, float* sums) const;
  void write_outputs(const Rows& rows, const float* sums, const ConvolutionOutputs& outputs) const;

  const ConvolutionLayer& layer_;
  int64_t frames_;
  int64_t frame_size_;
  int64_t rows_;         // tiles of a frame: row i is tile i / dilation of sequence i % dilation
  int64_t stored_rows_;  // and one tile more of every sequence, for the second half of the taps
  int64_t plane_;        // values of all rows at one point
};

}  // namespace qwen3_tts
