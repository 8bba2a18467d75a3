#pragma once

#include <string>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// ExecuTorch's name of the delegate.
inline constexpr char kCudaBackend[] = "CudaBackend";

/// Sets what the CUDA backend of this process does with methods that are loaded from now on: caches and weights of the
/// same name are one tensor for all methods, and `graph_methods` become CUDA graphs after some calls.
Status configure_gpu(const std::vector<std::string>& graph_methods);

}  // namespace qwen3_tts
