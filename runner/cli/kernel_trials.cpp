#include "kernel_trials.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include <executorch/extension/memory_allocator/malloc_memory_allocator.h>
#include <executorch/extension/tensor/tensor.h>

#include "base/error.h"
#include "base/try.h"
#include "ops/kernels/linear_kernels.h"
#include "ops/ops.h"
#include "ops/quantized_layer.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;
using Clock = std::chrono::steady_clock;

constexpr int64_t kGroup = 32;           // Weights that share a scale.
constexpr float kLargestCode = 127.0F;   // Inputs whose largest is this one are rounded to themselves.
constexpr double kMsPerTrial = 60;       // Of calls that are timed,
constexpr size_t kFewestCalls = 3;       // which are at least so many.

TensorPtr tensor(const std::vector<int64_t>& sizes, const void* data, ScalarType type = ScalarType::Float) {
  // Operators take what they only read as they take what they write.
  return make_tensor_ptr(std::vector<SizesType>(sizes.begin(), sizes.end()), const_cast<void*>(data), type);
}

/// Whole numbers up to `largest`, which every `period`th one is.
std::vector<float> whole_numbers(int64_t count, int64_t period, int64_t largest) {
  std::vector<float> numbers(static_cast<size_t>(count));
  uint32_t state = 1;
  for (size_t i = 0; i < numbers.size(); ++i) {
    state = state * 1664525 + 1013904223;
    const int64_t number = static_cast<int64_t>(state >> 8) % (2 * largest + 1) - largest;
    numbers[i] = static_cast<float>(i % static_cast<size_t>(period) == 0 ? largest : number);
  }
  return numbers;
}

/// Numbers of the same size: any sum of them is rounded.
std::vector<float> fractions(int64_t count) {
  std::vector<float> numbers = whole_numbers(count, count, 1000);
  for (float& number : numbers) {
    number /= 999.0F;
  }
  return numbers;
}

/// What an operator needs besides its tensors.
class Caller {
 public:
  /// call(context); false when the operator refused.
  template <typename Call>
  bool operator()(const Call& call) {
    KernelRuntimeContext context(nullptr, &allocator_);
    call(context);
    allocator_.reset();
    return context.failure_state() == executorch::runtime::Error::Ok;
  }

 private:
  executorch::extension::MallocMemoryAllocator allocator_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Linear layers

/// Where linear layers find weights: any byte is a code.
struct Weights {
  const std::vector<uint8_t>& codes;
  std::vector<uint16_t> scales;  // bfloat16, 2^-7 and 2^-6: sums of whole numbers times these are exact

  explicit Weights(const std::vector<uint8_t>& bytes) : codes(bytes), scales(bytes.size() / 8) {
    for (size_t i = 0; i < scales.size(); ++i) {
      scales[i] = i % 3 == 0 ? 0x3C80 : 0x3C00;
    }
  }
};

/// Layers of one size that a stage reads one after the other.
struct LinearShape {
  const char* name;
  int64_t outputs;
  int64_t inputs;
  int64_t stage_weights;  // Of the whole stage, after which it begins again.
};

constexpr LinearShape kLinearShapes[] = {
    {"talker", 6144, 1024, int64_t{440} << 20},
    {"code predictor", 4096, 1024, int64_t{79} << 20},
};

KernelTrial linear_trial(const std::shared_ptr<const Weights>& weights, const LinearShape& shape, int64_t bits,
                         int64_t rows) {
  const int64_t size = shape.outputs * shape.inputs;
  const int64_t code_bytes = size * bits / 8;
  const int64_t num_scales = size / kGroup;
  const int64_t fitting = std::min(static_cast<int64_t>(weights->codes.size()) / code_bytes,
                                   static_cast<int64_t>(weights->scales.size()) / num_scales);
  const int64_t num_layers = std::min(fitting, shape.stage_weights / size);
  const auto x = std::make_shared<const std::vector<float>>(
      whole_numbers(rows * shape.inputs, kGroup, static_cast<int64_t>(kLargestCode)));
  const auto y = std::make_shared<std::vector<float>>(static_cast<size_t>(rows * shape.outputs));
  const auto caller = std::make_shared<Caller>();
  const auto run = [=](int64_t call) {
    const int64_t layer = call % num_layers;
    const int64_t panels = shape.outputs / PackedWeight::kPanelRows;
    const TensorPtr codes =
        tensor({panels, shape.inputs / PackedWeight::kBlockColumns, PackedWeight::block_bytes(bits)},
               weights->codes.data() + layer * code_bytes, ScalarType::Byte);
    const TensorPtr scales = tensor({panels, shape.inputs / kGroup, PackedWeight::kPanelRows},
                                    weights->scales.data() + layer * num_scales, ScalarType::BFloat16);
    const TensorPtr in = tensor({rows, shape.inputs}, x->data());
    const TensorPtr out = tensor({rows, shape.outputs}, y->data());
    return (*caller)([&](KernelRuntimeContext& context) {
      linear_out(context, *in, *codes, *scales, std::nullopt, std::nullopt, 1e-6, std::nullopt, *out);
    });
  };
  return {"linear, " + std::to_string(bits) + " bits",
          std::string(shape.name) + ", " + std::to_string(shape.outputs) + " x " + std::to_string(shape.inputs),
          rows,
          code_bytes + num_scales * static_cast<int64_t>(sizeof(uint16_t)),
          0,
          run,
          y};
}

// ---------------------------------------------------------------------------------------------------------------------
// Convolutions: those of 192 channels in the codec decoder, over one frame

constexpr int64_t kChannels = 192;
constexpr int64_t kColumns = 640;
constexpr int64_t kTaps = 7;
constexpr int64_t kSignalBytes = 2 * kColumns * kChannels * static_cast<int64_t>(sizeof(float));

std::string convolution_shape() {
  return "codec, " + std::to_string(kChannels) + " x " + std::to_string(kChannels) + " x " + std::to_string(kTaps);
}

/// A tap's weights as multiply() of quantized_convolution_kernels.h reads them: in [-127, 127], and before them what
/// takes the codes' offset back.
void finish_slice(int8_t* slice, int64_t bytes) {
  std::array<int32_t, kPanelOutputs> headers{};
  int8_t* const weights = slice + kSliceHeaderBytes;
  for (int64_t i = 0; i < bytes - kSliceHeaderBytes; ++i) {
    weights[i] = std::max<int8_t>(weights[i], -127);
    headers[static_cast<size_t>(i / 4 % kPanelOutputs)] -= kCodeOffset * weights[i];
  }
  std::memcpy(slice, headers.data(), sizeof(headers));
}

KernelTrial int8_convolution_trial(const std::vector<uint8_t>& bytes) {
  QuantizedLayer layer = {};
  layer.width = kChannels;
  layer.outputs = kChannels;
  layer.digits = 1;
  layer.taps = kTaps;
  layer.dilation = 1;
  const int64_t num_weights = layer.panels() * layer.panel_bytes();
  const auto weights = std::make_shared<std::vector<int8_t>>(static_cast<size_t>(num_weights));
  std::memcpy(weights->data(), bytes.data(), weights->size());
  for (int64_t slice = 0; slice < layer.panels() * layer.taps; ++slice) {
    finish_slice(weights->data() + slice * layer.tap_bytes(), layer.tap_bytes());
  }
  const auto scales = std::make_shared<const std::vector<float>>(static_cast<size_t>(kChannels), 1.0F / 128);
  const auto x = std::make_shared<const std::vector<float>>(
      whole_numbers(kColumns * kChannels, kChannels, static_cast<int64_t>(kLargestCode)));
  const auto history = std::make_shared<std::vector<float>>(static_cast<size_t>(layer.past_bytes()) / sizeof(float));
  const auto y = std::make_shared<std::vector<float>>(static_cast<size_t>(kColumns * kChannels));
  const auto caller = std::make_shared<Caller>();
  const auto run = [=](int64_t) {
    std::fill(history->begin(), history->end(), 0.0F);
    const TensorPtr in = tensor({kColumns, kChannels}, x->data());
    const TensorPtr codes = tensor({layer.panels(), layer.taps, layer.tap_bytes()}, weights->data(), ScalarType::Char);
    const TensorPtr units = tensor({kChannels}, scales->data());
    const TensorPtr past = tensor({static_cast<int64_t>(history->size())}, history->data());
    const TensorPtr out = tensor({kColumns, kChannels}, y->data());
    return (*caller)([&](KernelRuntimeContext& context) {
      quantized_convolution_out(context, *in, *codes, *units, std::nullopt, std::nullopt, *past, 0, 1, 1, *out);
    });
  };
  return {"convolution, int8", convolution_shape(), kColumns, num_weights + kSignalBytes, 0, run, y};
}

/// `is_filtered`: by minimal filtering, as the residual units are, which rounds; else sum by sum.
KernelTrial convolution_trial(bool is_filtered) {
  const int64_t panels = kChannels / kPanelOutputs;
  const int64_t num_weights = kChannels * kTaps * kChannels;
  const auto weights = std::make_shared<const std::vector<float>>(whole_numbers(num_weights, num_weights, 8));
  const auto x = std::make_shared<const std::vector<float>>(whole_numbers(kColumns * kChannels, kChannels, 8));
  const auto history = std::make_shared<std::vector<float>>(static_cast<size_t>((kTaps - 1) * kChannels));
  const auto y = std::make_shared<std::vector<float>>(static_cast<size_t>(kColumns * kChannels));
  const auto caller = std::make_shared<Caller>();
  const auto run = [=](int64_t) {
    std::fill(history->begin(), history->end(), 0.0F);
    const TensorPtr in = tensor({kColumns, kChannels}, x->data());
    const TensorPtr taps = tensor({panels, kTaps, kChannels, kPanelOutputs}, weights->data());
    const TensorPtr past = tensor({static_cast<int64_t>(history->size())}, history->data());
    const TensorPtr out = tensor({kColumns, kChannels}, y->data());
    return (*caller)([&](KernelRuntimeContext& context) {
      causal_convolution_out(context, *in, *taps, std::nullopt, std::nullopt, std::nullopt, *past, 0, kChannels, 1, 1,
                             is_filtered ? kColumns : 0, *out);
    });
  };
  return {is_filtered ? "convolution, fp32" : "convolution, fp32, sum by sum",
          convolution_shape(),
          kColumns,
          num_weights * static_cast<int64_t>(sizeof(float)) + kSignalBytes,
          is_filtered ? 1e-4 : 0.0,
          run,
          y};
}

// ---------------------------------------------------------------------------------------------------------------------
// Attention of the talker, whose stored rows are in half precision

constexpr int64_t kHeads = 16;
constexpr int64_t kKvHeads = 8;
constexpr int64_t kHeadDim = 128;
constexpr int64_t kPositions = 512;
constexpr int64_t kLayers = 28;

KernelTrial attention_trial() {
  constexpr int64_t kRowSize = (kHeads + 2 * kKvHeads) * kHeadDim;
  constexpr int64_t kLayerSize = 2 * kKvHeads * kPositions * kHeadDim;
  const auto qkv = std::make_shared<const std::vector<float>>(fractions(kRowSize));
  const auto rotation = std::make_shared<std::vector<float>>(static_cast<size_t>(kHeadDim), 0.5F);
  const auto stored = std::make_shared<std::vector<executorch::aten::Half>>(static_cast<size_t>(kLayers * kLayerSize));
  const std::vector<float> values = fractions(kLayerSize);
  for (int64_t i = 0; i < kLayers * kLayerSize; ++i) {
    (*stored)[static_cast<size_t>(i)] = executorch::aten::Half(values[static_cast<size_t>(i % kLayerSize)]);
  }
  const auto y = std::make_shared<std::vector<float>>(static_cast<size_t>(kHeads * kHeadDim));
  const auto caller = std::make_shared<Caller>();
  const auto run = [=](int64_t call) {
    const int64_t position = kPositions - 1;
    const TensorPtr in = tensor({1, kRowSize}, qkv->data());
    const TensorPtr rope = tensor({1, kHeadDim}, rotation->data());
    const TensorPtr positions = tensor({1}, &position, ScalarType::Long);
    const TensorPtr kv = tensor({1, kLayers, 2, kKvHeads, kPositions, kHeadDim}, stored->data(), ScalarType::Half);
    const TensorPtr out = tensor({1, kHeads * kHeadDim}, y->data());
    return (*caller)([&](KernelRuntimeContext& context) {
      attention_out(context, *in, std::nullopt, std::nullopt, *rope, *positions, std::nullopt, *kv, call % kLayers,
                    kHeads, 0, 1e-6, *out);
    });
  };
  return {"attention",
          "talker, " + std::to_string(kHeads) + " heads, " + std::to_string(kPositions) + " positions",
          1,
          kLayerSize * static_cast<int64_t>(sizeof(executorch::aten::Half)),
          1e-4,
          run,
          y};
}

Error refused(const KernelTrial& trial) {
  return Error{ErrorCode::kExecution, "the kernel '" + trial.kernel + "' (" + trial.shape + ", " +
                                          std::to_string(trial.rows) + " rows) refuses what this program gives it: " +
                                          "program and library do not belong together; build both again"};
}

double largest_magnitude(const std::vector<float>& values) {
  double largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  }
  return largest;
}

/// Those of the baseline, with the chosen instruction set running again afterwards.
std::optional<std::vector<float>> baseline_outputs(const KernelTrial& trial) {
  const InstructionSet chosen = instruction_set();
  set_instruction_set(InstructionSet::kBaseline);
  const bool is_run = trial.run(0);
  set_instruction_set(chosen);
  return is_run ? std::optional(*trial.outputs) : std::nullopt;
}

}  // namespace

std::vector<KernelTrial> make_kernel_trials(const std::vector<uint8_t>& bytes) {
  const auto weights = std::make_shared<const Weights>(bytes);
  std::vector<KernelTrial> trials;
  for (const LinearShape& shape : kLinearShapes) {
    for (const int64_t bits : {4, 5, 6, 8}) {
      for (const int64_t rows : {1, 8}) {
        trials.push_back(linear_trial(weights, shape, bits, rows));
      }
    }
  }
  trials.push_back(int8_convolution_trial(bytes));
  trials.push_back(convolution_trial(true));
  trials.push_back(convolution_trial(false));
  trials.push_back(attention_trial());
  return trials;
}

Status compare_with_baseline(const KernelTrial& trial) {
  const auto expected = baseline_outputs(trial);
  if (!expected.has_value() || !trial.run(0)) {
    return refused(trial);
  }
  const double allowed = trial.tolerance * largest_magnitude(*expected);
  for (size_t i = 0; i < expected->size(); ++i) {
    const auto difference = std::abs(static_cast<double>((*trial.outputs)[i]) - static_cast<double>((*expected)[i]));
    if (!(difference <= allowed)) {
      return Error{ErrorCode::kExecution,
                   "the kernel '" + trial.kernel + "' (" + trial.shape + ", " + std::to_string(trial.rows) +
                       " rows) computes " + std::to_string((*trial.outputs)[i]) + " as output " + std::to_string(i) +
                       ", where the baseline's computes " + std::to_string((*expected)[i]) +
                       ": processor, memory or compiler is at fault; do not speak with this build on this machine"};
    }
  }
  return {};
}

Result<KernelTime> time_kernel(const KernelTrial& trial) {
  const auto call = [&](int64_t number) {
    const Clock::time_point start = Clock::now();
    const bool is_run = trial.run(number);
    const double ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    return is_run ? std::optional(ms) : std::nullopt;
  };
  if (!call(0)) {  // The first one may wait for pages.
    return refused(trial);
  }
  std::vector<double> times;
  double total = 0;
  while (times.size() < kFewestCalls || total < kMsPerTrial) {
    const auto ms = call(static_cast<int64_t>(times.size()) + 1);
    if (!ms) {
      return refused(trial);
    }
    times.push_back(*ms);
    total += *ms;
  }
  std::nth_element(times.begin(), times.begin() + static_cast<int64_t>(times.size() / 2), times.end());
  return KernelTime{trial.kernel, trial.shape, trial.rows, trial.bytes, times[times.size() / 2]};
}

}  // namespace qwen3_tts
