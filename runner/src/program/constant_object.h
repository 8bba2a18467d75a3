#pragma once

#include <string>

#include <qwen3_tts/result.h>

#include "program/program.h"

namespace qwen3_tts {

/// The JSON object in the constant method `name`, as T::parse() reads it; an error names the file.
template <typename T>
Result<T> read_object(Program& program, const std::string& name) {
  const auto json = program.read_string(name);
  if (!json.ok()) {
    return json.error();
  }
  auto parsed = T::parse(*json);
  if (!parsed.ok()) {
    return Error{parsed.error().code, "'" + program.path() + "': " + parsed.error().message};
  }
  return parsed;
}

}  // namespace qwen3_tts
