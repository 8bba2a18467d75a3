#pragma once

#include <string>

#include "self_test.h"

namespace qwen3_tts {

/// What --self_test prints.
std::string describe_self_test(const SelfTest& test);

/// The same as one JSON object. Times are in milliseconds, speeds in GB a second.
std::string self_test_json(const SelfTest& test);

}  // namespace qwen3_tts
