#include "ops/minimal_filtering.h"

#include <algorithm>
#include <array>

#include "ops/columns.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kMaxRows = 192;     // of a task: their sums at all points stay in the second cache,
constexpr int64_t kMaxDepth = 192;    // beside the weights of so many inputs
constexpr int64_t kEvaluatedRows = 64;

}  // namespace

/// What a task forms: outputs of one panel for rows [first, first + count) of all frames' rows.
struct MinimalFiltering::Rows {
  int64_t panel;
  int64_t first;
  int64_t count;
};

MinimalFiltering::MinimalFiltering(const ConvolutionLayer& layer, int64_t frames, int64_t frame_size)
    : layer_(layer),
      frames_(frames),
      frame_size_(frame_size),
      rows_(ceil_div(ceil_div(frame_size, layer.dilation), kTileOutputs) * layer.dilation),
      stored_rows_(rows_ + layer.dilation),
      plane_(frames * stored_rows_ * layer.width) {}

int64_t MinimalFiltering::worker_size() const {
  const int64_t depth = std::min(layer_.width, kMaxDepth);
  const int64_t rows = std::min(frames_ * rows_, kMaxRows);
  return (kFilterSlices * depth + kTileInputs * rows) * kPanelOutputs;
}

/// visit(frame, row, count) for the pieces of rows [first, first + count) of all frames' rows that lie in one frame.
template <typename Visit>
void MinimalFiltering::for_each_frame(int64_t first, int64_t count, const Visit& visit) const {
  for (const int64_t end = first + count; first < end;) {
    const int64_t row = first % rows_;
    const int64_t piece = std::min(rows_ - row, end - first);
    visit(first / rows_, row, piece);
    first += piece;
  }
}

/// `columns`: of one frame, and values: of one row of it.
void MinimalFiltering::evaluate_row(const float* columns, int64_t row, const float* zeros, float* values) const {
  const int64_t begin = row / layer_.dilation * kTileOutputs * layer_.dilation + row % layer_.dilation;
  std::array<const float*, kTileInputs> inputs{};
  for (int64_t i = 0; i < kTileInputs; ++i) {
    const int64_t column = begin + i * layer_.dilation;
    const bool is_there = column < layer_.past() + frame_size_;
    inputs[static_cast<size_t>(i)] = is_there ? columns + column * layer_.width : zeros;
  }
  convolution_kernels().evaluate_inputs(inputs.data(), layer_.width, values, plane_);
}

void MinimalFiltering::evaluate(const float* columns, int64_t num_workers, float* shared) const {
  float* const zeros = shared + kTileInputs * plane_;
  std::fill_n(zeros, layer_.width, 0.0F);
  const int64_t num_rows = frames_ * stored_rows_;
  for_each_task(ceil_div(num_rows, kEvaluatedRows), num_workers, [&](int64_t task, int64_t) {
    const int64_t end = std::min((task + 1) * kEvaluatedRows, num_rows);
    for (int64_t row = task * kEvaluatedRows; row < end; ++row) {
      const int64_t frame = row / stored_rows_;
      evaluate_row(columns + frame * frame_size_ * layer_.width, row % stored_rows_, zeros,
                   shared + row * layer_.width);
    }
  });
}

void MinimalFiltering::multiply(int64_t num_workers, const float* shared, float* worker_memory,
                                const ConvolutionOutputs& outputs) const {
  const int64_t num_rows = frames_ * rows_;
  const int64_t parts = ceil_div(num_rows, kMaxRows);
  std::array<int64_t, kMaxWorkers> panels{};  // whose weights a worker has evaluated, plus one
  for_each_task(layer_.panels() * parts, num_workers, [&](int64_t task, int64_t worker) {
    const int64_t first = task % parts * kMaxRows;
    const Rows rows = {task / parts, first, std::min(kMaxRows, num_rows - first)};
    float* const weights = worker_memory + worker * worker_size();
    float* const sums = weights + kFilterSlices * std::min(layer_.width, kMaxDepth) * kPanelOutputs;
    int64_t& panel = panels[static_cast<size_t>(worker)];
    multiply_rows(rows, shared, weights, panel == rows.panel + 1, sums);
    panel = layer_.width <= kMaxDepth ? rows.panel + 1 : 0;
    write_outputs(rows, sums, outputs);
  });
}

void MinimalFiltering::multiply_rows(const Rows& rows, const float* values, float* weights, bool has_weights,
                                     float* sums) const {
  const ConvolutionKernels& kernels = convolution_kernels();
  std::fill_n(sums, kTileInputs * rows.count * kPanelOutputs, 0.0F);
  for (int64_t input = 0; input < layer_.width; input += kMaxDepth) {
    const int64_t depth = std::min(kMaxDepth, layer_.width - input);
    if (!has_weights) {
      kernels.evaluate_weights(layer_.panel(rows.panel) + input * kPanelOutputs, layer_.tap_size(), depth, weights);
    }
    float* row_sums = sums;
    for_each_frame(rows.first, rows.count, [&](int64_t frame, int64_t row, int64_t count) {
      const float* inputs = values + (frame * stored_rows_ + row) * layer_.width + input;
      const float* next = inputs + layer_.dilation * layer_.width;  // the second half's
      for (int64_t point = 0; point < kTileInputs; ++point) {
        const float* slice = weights + point * depth * kPanelOutputs;
        float* const point_sums = row_sums + point * rows.count * kPanelOutputs;
        kernels.multiply(inputs + point * plane_, layer_.width, count, slice, depth, point_sums);
        if (point + kTileInputs < kFilterSlices) {
          slice += kTileInputs * depth * kPanelOutputs;
          kernels.multiply(next + point * plane_, layer_.width, count, slice, depth, point_sums);
        }
      }
      row_sums += count * kPanelOutputs;
    });
  }
}

void MinimalFiltering::write_outputs(const Rows& rows, const float* sums, const ConvolutionOutputs& outputs) const {
  const ConvolutionKernels& kernels = convolution_kernels();
  const int64_t dilation = layer_.dilation;
  alignas(64) std::array<float, kTileOutputs * kPanelOutputs> tile;
  for_each_frame(rows.first, rows.count, [&](int64_t frame, int64_t first, int64_t count) {
    for (int64_t row = first; row < first + count; ++row, sums += kPanelOutputs) {
      const int64_t begin = row / dilation * kTileOutputs * dilation + row % dilation;
      const int64_t left = std::max<int64_t>(0, ceil_div(frame_size_ - begin, dilation));
      kernels.interpolate(sums, rows.count * kPanelOutputs, tile.data());
      column_kernels().finish(
          outputs.panel(layer_, rows.panel, frame * frame_size_ + begin, std::min(left, kTileOutputs), dilation),
          tile.data());
    }
  });
}

}  // namespace qwen3_tts
