#include "c_api/last_error.h"

#include <exception>
#include <string>

namespace {

thread_local std::string kept;
thread_local const char* said = "";

}  // namespace

void qwen3_tts_keep_last_error(const char* message) {
  try {
    kept = message;
    said = kept.c_str();
  } catch (const std::exception&) {
    said = "there is no memory left, not even to say what failed; free some";
  }
}

const char* qwen3_tts_last_error() { return said; }
