#pragma once

#include <string>

#include <qwen3_tts/result.h>

#include "program/cuda_contract.h"
#include "program/program.h"

namespace qwen3_tts {

/// The architecture of the first NVIDIA GPU of this machine, such as "sm_90". kInvalidModel when there is no driver or
/// no GPU. Asks the driver, so it is there whatever this was built with.
Result<std::string> gpu_architecture();

/// Whether `program` can run here, if it needs a GPU: ExecuTorch's CUDA backend is part of this build, and the GPU is
/// of the architecture that the program was compiled for.
Status check_gpu(Program& program, const CudaContract& contract);

}  // namespace qwen3_tts
