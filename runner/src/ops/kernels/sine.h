#pragma once

namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET {
namespace {

/// sin(z)^2 of a vector of floats, within 3e-7 of that of the rounded z for |z| < 1000: z less the nearest multiple of
/// pi, whose first part is exact for 2^16 multiples, then the minimax polynomial of degree 9. The sign that is lost
/// does not matter to the square.
template <typename Floats>
inline __attribute__((always_inline)) Floats sin_squared(Floats z) {
  constexpr float kRounder = 12582912.0F;  // 1.5 * 2^23: adding and subtracting it rounds to the nearest even integer
  const Floats turns = (z * 0.318309886F + kRounder) - kRounder;
  const Floats r = z - turns * 3.140625F - turns * 9.67653590e-4F;
  const Floats r2 = r * r;
  Floats sine = r2 * 2.5904880e-06F + -1.9800898e-04F;
  sine = sine * r2 + 8.3328998e-03F;
  sine = sine * r2 + -1.6666648e-01F;
  sine = (sine * r2 + 1.0F) * r;
  return sine * sine;
}

}  // namespace
}  // namespace qwen3_tts::QWEN3_TTS_INSTRUCTION_SET
