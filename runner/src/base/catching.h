#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Where even the sentence finds no memory, words that need none.
inline Error out_of_memory() noexcept {
  try {
    return {ErrorCode::kOutOfMemory, "there is not enough memory for this; free some, or ask for less"};
  } catch (const std::exception&) {
    return {ErrorCode::kOutOfMemory, "out of memory"};  // within std::string itself
  }
}

/// What `work` returns, a Status or a Result. An exception of the standard library becomes an error: none leaves the
/// library, and none leaves half done what other threads wait for.
template <typename Work>
auto catching(const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::length_error&) {  // No vector has as many values.
    return out_of_memory();
  } catch (const std::exception& exception) {
    try {
      return Error{ErrorCode::kExecution, exception.what()};
    } catch (const std::exception&) {
      return out_of_memory();
    }
  }
}

}  // namespace qwen3_tts
