#pragma once

#include <cstddef>
#include <cstdint>

#include <qwen3_tts/result.h>

#include "program/model_source.h"

namespace qwen3_tts {

/// Bytes of a .pte that say how large its parts are.
inline constexpr size_t kProgramHeaderBytes = 64;

/// Bytes of the program alone, without the weights behind it. `header`: kProgramHeaderBytes. 0 when it does not say.
uint64_t program_bytes(const uint8_t* header);

/// Is it there, is it a program, is it whole? ExecuTorch maps the file and would find out by crashing. kIo or
/// kInvalidModel.
Status check_program_file(const ModelSource& source);

}  // namespace qwen3_tts
