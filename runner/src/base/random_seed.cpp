#include <chrono>
#include <exception>
#include <random>

#include <qwen3_tts/request.h>

namespace qwen3_tts {

uint64_t random_seed() {
  try {
    return std::random_device()() & UINT32_MAX;
  } catch (const std::exception&) {  // The system gives no random numbers: any clock is as good.
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) & UINT32_MAX;
  }
}

}  // namespace qwen3_tts
