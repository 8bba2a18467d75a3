#pragma once

#include <string>
#include <vector>

#include <qwen3_tts/result.h>

#include "program/cuda_contract.h"
#include "program/program.h"

namespace qwen3_tts {

/// ExecuTorch's name of the delegate.
inline constexpr char kCudaBackend[] = "CudaBackend";

/// The architecture of the first NVIDIA GPU of this machine, such as "sm_90". kInvalidModel when there is no driver or
/// no GPU. Asks the driver, so it is there whatever this was built with.
Result<std::string> gpu_architecture();

/// Whether `program` can run here, if it needs a GPU: ExecuTorch's CUDA backend is part of this build, and the GPU is
/// of the architecture that the program was compiled for.
Status check_gpu(Program& program, const CudaContract& contract);

/// Sets what the CUDA backend of this process does with programs loaded from now on: caches and weights of the same
/// name are one tensor for all methods, and `graph_methods` become CUDA graphs after some calls.
Status configure_gpu(const std::vector<std::string>& graph_methods);

}  // namespace qwen3_tts
