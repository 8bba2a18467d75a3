#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// What a program for an NVIDIA GPU says of itself beside its contract (docs/design/cuda.md). The methods of such a
/// program keep caches and states themselves, in one slot for each utterance: a session passes the slot's number.
struct CudaContract {
  /// kInvalidModel unless `json` is such an object, of a version that this runner knows.
  static Result<CudaContract> parse(std::string_view json);

  std::string gpu_arch;                     ///< Such as "sm_90": the only GPUs that run it.
  std::string dtype;                        ///< Of its weights; told to the user, no input or output depends on it.
  int64_t batch = 0;                        ///< Its slots, and the rows of its `frame`: the contract's max_batch.
  bool int4 = false;                        ///< Some of its layers are: see Int4Lease.
  std::vector<std::string> static_methods;  ///< Those whose shapes never change, so that a CUDA graph may cover them.
};

}  // namespace qwen3_tts
