#pragma once

#include <cstddef>
#include <string>

#include <qwen3_tts/result.h>

#include "base/error.h"

namespace qwen3_tts::c_api {

/// A pointer that a function cannot do without. `name` is the parameter's.
inline Status require(const void* pointer, const char* name) {
  return pointer != nullptr ? Status() : invalid_argument(std::string(name) + " is NULL; give a pointer");
}

/// As require(), of a function.
template <typename Result, typename... Arguments>
Status require_function(Result (*function)(Arguments...), const char* name) {
  return function != nullptr ? Status() : invalid_argument(std::string(name) + " is NULL; give a function");
}

/// A pointer to `size` values, which may be NULL when there are none.
inline Status require_values(const void* values, size_t size, const char* name) {
  return size == 0 ? Status() : require(values, name);
}

/// JSON whose keys are all optional, and so itself.
inline const char* object_or_empty(const char* json) { return json == nullptr ? "{}" : json; }

}  // namespace qwen3_tts::c_api
