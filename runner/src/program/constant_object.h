#pragma once

#include <string>

#include <qwen3_tts/result.h>

#include "base/error.h"
#include "base/try.h"
#include "program/program.h"

namespace qwen3_tts {

/// The JSON object in the constant method `name`, as T::parse() reads it; an error names the file.
template <typename T>
Result<T> read_object(Program& program, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string json, program.read_string(name));
  return about("'" + program.name() + "'", T::parse(json));
}

}  // namespace qwen3_tts
