#pragma once

#include <string>

namespace qwen3_tts {

/// Has a read of mapped memory whose file became shorter, or cannot be read any more, end the program with a message
/// that names the file (where the system tells it, else `model_path`) and with EXIT_FAILURE, as for a bad model.
/// Without this the system would end it without a word (SIGBUS).
void tell_bus_errors(const char* program, const std::string& model_path);

}  // namespace qwen3_tts
