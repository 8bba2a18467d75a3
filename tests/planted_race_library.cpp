#include <cstdint>

#include "rendezvous.h"

int64_t planted_count = 0;

/// A race, also where two threads of Python call it: ctypes lets go of Python's lock. Waits for the second one.
extern "C" __attribute__((visibility("default"))) void planted_race() {
  static qwen3_tts::testing::Rendezvous both;
  both.wait();
  for (int i = 0; i < 1000; ++i) {
    planted_count = planted_count + 1;
  }
}
