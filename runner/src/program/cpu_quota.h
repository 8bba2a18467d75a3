#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace qwen3_tts {

/// How many processors' time the process may use, rounded up and at least 1: the smallest quota of its Linux control
/// group and of the groups around it, as a container has one. Versions 1 (cpu.cfs_quota_us) and 2 (cpu.max) of control
/// groups. Nothing where there is no quota. `root`: the folder that has proc/ and sys/, another one in tests.
std::optional<int64_t> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace qwen3_tts
