#include <cstdint>
#include <cstdio>

#include "ops/parallel.h"
#include "program/thread_pool.h"
#include "rendezvous.h"

int64_t planted_sum = 0;

/// A race in the threads of ExecuTorch's pool, which ThreadSanitizer must find: what it is told of the pool hides none.
int main() {
  if (!qwen3_tts::set_thread_count(2).ok()) {
    return 1;
  }
  qwen3_tts::testing::Rendezvous both;
  qwen3_tts::parallel_for(64, 1, [&](int64_t begin, int64_t end) {
    both.wait();
    planted_sum += end - begin;
  });
  std::printf("%lld\n", static_cast<long long>(planted_sum));
  return 0;
}
