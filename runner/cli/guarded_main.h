#pragma once

#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>

#include "console.h"

namespace qwen3_tts {

/// The exit code of `run(argc, argv)`; an exception is an error that is told, as any other.
inline int guarded_main(const char* program, int (*run)(int, char**), int argc, char** argv) {
  constexpr char kNoMemory[] = "out of memory; free some, raise the limit (ulimit -v), or ask for less";
  const auto fail = [program](const char* message) {
    Console(program, Verbosity::kQuiet).error(message);
    return EXIT_FAILURE;
  };
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    return fail(kNoMemory);
  } catch (const std::length_error&) {  // No vector has as many values.
    return fail(kNoMemory);
  } catch (const std::exception& exception) {
    return fail(exception.what());
  }
}

}  // namespace qwen3_tts
