#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// An operator of runner/src/ops with inputs and weights that are made up, in a shape of the 0.6B.
struct KernelTrial {
  std::string kernel;  ///< Such as "linear, 4 bits".
  std::string shape;   ///< Such as "talker, 6144 x 1024".
  int64_t rows;        ///< Or columns of a convolution, that a call takes.
  int64_t bytes;       ///< That a call has to read and write at least.
  /// 0: every instruction set has to give the same bits, since numbers are chosen whose sums are exact. Else by how
  /// much outputs may differ, as a share of the largest: where sums are rounded, their order is the set's.
  double tolerance;
  /// Call number `call`; weights lie one after the other in memory that no cache holds, and each call takes the next.
  /// False: the operator refused.
  std::function<bool(int64_t call)> run;
  std::shared_ptr<const std::vector<float>> outputs;  ///< Of the last call.
};

/// How long a call takes: the median of several.
struct KernelTime {
  std::string kernel;
  std::string shape;
  int64_t rows;
  int64_t bytes;
  double ms;
};

/// All of them. `bytes`, random_bytes() of memory_speed.h, is where weights are taken from, and has to outlive them.
std::vector<KernelTrial> make_kernel_trials(const std::vector<uint8_t>& bytes);

/// kExecution when the kernels of the instruction set that runs give something else than those of the baseline.
Status compare_with_baseline(const KernelTrial& trial);

/// The same when the operator refuses.
Result<KernelTime> time_kernel(const KernelTrial& trial);

}  // namespace qwen3_tts
