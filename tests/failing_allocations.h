#pragma once

#include <cstdint>

/// Replaces all `new` of the program that it is linked into, that of shared libraries too: some may be told to fail.
namespace qwen3_tts::testing {

enum class Failing { kOne, kAllFromThere };

/// Lets allocation `number` from now on fail, in whichever thread, and with kAllFromThere those after it.
void fail_allocations(int64_t number, Failing how);

/// No more fail. Whether any did.
bool heal_allocations();

}  // namespace qwen3_tts::testing
