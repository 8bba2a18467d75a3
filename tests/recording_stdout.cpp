// Reads a sound file for tests/test_voice_program.py: `recording_stdout FILE RATE` prints the samples at that rate as
// raw fp32, or the error and exits with 1.

#include <cstdio>
#include <cstdlib>

#include <qwen3_tts/read_recording.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: recording_stdout FILE RATE\n", stderr);
    return 2;
  }
  const auto recording = qwen3_tts::read_recording(argv[1], std::strtoll(argv[2], nullptr, 10), {});
  if (!recording.ok()) {
    std::fprintf(stderr, "%s\n", recording.error().message.c_str());
    return 1;
  }
  const auto& samples = recording->samples;
  return std::fwrite(samples.data(), sizeof(float), samples.size(), stdout) == samples.size() ? 0 : 1;
}
