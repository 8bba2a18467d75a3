#pragma once

#include <cstddef>
#include <string>

#include <qwen3_tts/result.h>

#include "base/error.h"

namespace qwen3_tts::c_api {

/// A pointer, also to a function, that cannot be done without. `name` is the parameter's.
template <typename Pointer>
Status require(Pointer pointer, const char* name) {
  return pointer != nullptr ? Status() : invalid_argument(std::string(name) + " is NULL; give a pointer");
}

/// A pointer to `size` values, which may be NULL when there are none.
inline Status require_values(const void* values, size_t size, const char* name) {
  return size == 0 ? Status() : require(values, name);
}

/// JSON whose keys are all optional, and so itself.
inline const char* object_or_empty(const char* json) { return json == nullptr ? "{}" : json; }

}  // namespace qwen3_tts::c_api
