// The C interface without a model: whatever a program passes, the answer is a status, and a sentence in UTF-8. Bytes up
// to the first NUL are every text that a function takes, and those behind it every handle, number and sample.

#include <qwen3_tts.h>
#include <qwen3_tts_audio.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "fuzzing.h"

namespace {

using qwen3_tts::testing::require;
using qwen3_tts::testing::require_utf8;

constexpr size_t kMostSamples = 1024;
const char* const kMark = "untouched";

/// What one input gives.
struct Arguments {
  explicit Arguments(std::string_view bytes) : all(bytes), text(bytes.substr(0, bytes.find('\0'))) {
    bytes.remove_prefix(std::min(bytes.size(), text.size() + 1));
    std::memcpy(&number, bytes.data(), std::min(bytes.size(), sizeof(number)));
    std::memcpy(&weight, bytes.data(), std::min(bytes.size(), sizeof(weight)));
    samples.resize(std::min(bytes.size() / sizeof(float), kMostSamples));
    std::copy_n(bytes.begin(), samples.size() * sizeof(float), reinterpret_cast<char*>(samples.data()));
  }

  std::string_view all;
  std::string text;
  int64_t number = 0;
  double weight = 0;
  std::vector<float> samples;

  const char* words() const { return text.c_str(); }
  int64_t rate() const { return number & 0xFFFFF; }  ///< Near those that are allowed.
  template <typename Handle>
  Handle* handle() const {
    return reinterpret_cast<Handle*>(number);  // NOLINT(performance-no-int-to-ptr): it is no address.
  }
};

bool is_ok(qwen3_tts_status status) {
  require(status >= QWEN3_TTS_OK && status <= QWEN3_TTS_OUT_OF_MEMORY, "a status is one of those that there are");
  if (status != QWEN3_TTS_OK) {
    require(*qwen3_tts_last_error() != '\0', "an error says what is wrong");
    require_utf8(qwen3_tts_last_error());
  }
  return status == QWEN3_TTS_OK;
}

void must_fail(qwen3_tts_status status) { require(!is_ok(status), "this cannot be done"); }

int32_t ignore_samples(void* /*user*/, const float* /*samples*/, int64_t /*num_samples*/) { return 0; }

int32_t count_bytes(void* user, const void* /*bytes*/, size_t size) {
  *static_cast<size_t*>(user) += size;
  return 0;
}

void try_engine(const Arguments& given) {
  qwen3_tts_engine* engine = nullptr;
  const char* json = kMark;
  must_fail(qwen3_tts_engine_create(given.words(), &engine));
  require(engine == nullptr, "nothing is written where there is an error");
  must_fail(qwen3_tts_engine_create(given.words(), nullptr));
  engine = given.handle<qwen3_tts_engine>();
  must_fail(qwen3_tts_engine_preload(engine, given.words()));
  must_fail(qwen3_tts_engine_info(engine, &json));
  must_fail(qwen3_tts_engine_capacity(engine, &json));
  must_fail(qwen3_tts_engine_check(engine, given.words(), given.handle<qwen3_tts_voice>()));
  require(json == kMark, "nothing is written where there is an error");
  is_ok(qwen3_tts_engine_destroy(engine));
}

void try_session(const Arguments& given) {
  auto* const session = given.handle<qwen3_tts_session>();
  qwen3_tts_session* made = nullptr;
  qwen3_tts_chunk chunk{};
  const char* json = kMark;
  const int64_t* codes = nullptr;
  size_t num_codes = 0;
  must_fail(qwen3_tts_session_create(given.handle<qwen3_tts_engine>(), &made));
  must_fail(qwen3_tts_session_start(session, given.words(), given.handle<qwen3_tts_voice>()));
  must_fail(qwen3_tts_session_append(session, given.all.data(), given.all.size()));
  must_fail(qwen3_tts_session_finish(session));
  must_fail(qwen3_tts_session_next(session, &chunk));
  must_fail(qwen3_tts_session_stop(session));
  must_fail(qwen3_tts_session_stats(session, &json));
  must_fail(qwen3_tts_session_codes(session, &codes, &num_codes));
  must_fail(qwen3_tts_session_decode(session, &given.number, 1, ignore_samples, nullptr));
  is_ok(qwen3_tts_session_destroy(session));
}

/// Two voices of one model, and a third one of both.
void try_voices(const Arguments& given) {
  qwen3_tts_voice* voices[3] = {};
  must_fail(qwen3_tts_voice_load(given.words(), nullptr, &voices[0]));
  must_fail(qwen3_tts_voice_load(given.words(), given.handle<qwen3_tts_engine>(), &voices[0]));
  const size_t width = given.samples.size();
  const bool are_made = is_ok(qwen3_tts_voice_from_x_vector(given.samples.data(), width, given.words(), &voices[0])) &&
                        is_ok(qwen3_tts_voice_from_x_vector(given.samples.data(), width, nullptr, &voices[1]));
  const double weights[2] = {given.weight, 0.5};
  if (are_made && is_ok(qwen3_tts_voice_mix(voices, weights, 2, given.words(), &voices[2]))) {
    const char* json = nullptr;
    const float* x_vector = nullptr;
    size_t size = 0;
    require(is_ok(qwen3_tts_voice_info(voices[2], &json)), "a voice says what it is");
    require_utf8(json);
    require(is_ok(qwen3_tts_voice_x_vector(voices[2], &x_vector, &size)) && size == width,
            "it is as wide as its parts");
  }
  for (qwen3_tts_voice* const voice : voices) {
    require(is_ok(qwen3_tts_voice_destroy(voice)), "what was made can be destroyed");
  }
  must_fail(qwen3_tts_voice_save(given.handle<qwen3_tts_voice>(), given.words()));
}

void try_voice_encoder(const Arguments& given) {
  qwen3_tts_voice_encoder* encoder = nullptr;
  qwen3_tts_voice* voice = nullptr;
  int64_t rate = 0;
  must_fail(qwen3_tts_voice_encoder_create(given.words(), &encoder));
  encoder = given.handle<qwen3_tts_voice_encoder>();
  must_fail(qwen3_tts_voice_encoder_sample_rate(encoder, &rate));
  must_fail(qwen3_tts_voice_encoder_encode(encoder, given.samples.data(), given.samples.size(), given.words(), &voice));
  is_ok(qwen3_tts_voice_encoder_destroy(encoder));
}

void check_and_destroy(qwen3_tts_recording* recording) {
  const float* samples = nullptr;
  const char* notes = nullptr;
  size_t num_samples = 0;
  require(is_ok(qwen3_tts_recording_samples(recording, &samples, &num_samples)), "a recording has samples");
  require(is_ok(qwen3_tts_recording_notes(recording, &notes)), "and notes");
  require_utf8(notes);
  require(is_ok(qwen3_tts_recording_destroy(recording)), "what was made can be destroyed");
}

void try_recording(const Arguments& given) {
  const float* const samples = given.samples.data();
  const size_t size = given.samples.size();
  qwen3_tts_recording* recording = nullptr;
  must_fail(qwen3_tts_recording_read(given.words(), given.rate(), nullptr, &recording));
  must_fail(qwen3_tts_recording_read("/dev/null", 24000, given.words(), &recording));
  if (is_ok(qwen3_tts_recording_from_samples(samples, size, given.rate(), 24000, nullptr, &recording))) {
    check_and_destroy(recording);
  }
  if (is_ok(qwen3_tts_recording_from_samples(samples, size, 16000, 24000, given.words(), &recording))) {
    check_and_destroy(recording);
  }
  must_fail(qwen3_tts_recording_samples(given.handle<qwen3_tts_recording>(), nullptr, nullptr));
  is_ok(qwen3_tts_recording_destroy(given.handle<qwen3_tts_recording>()));
}

void try_encoder(const Arguments& given) {
  qwen3_tts_encoder* encoder = given.handle<qwen3_tts_encoder>();
  size_t num_bytes = 0;
  must_fail(qwen3_tts_encoder_close(encoder));
  if (!is_ok(qwen3_tts_encoder_create(given.words(), count_bytes, &num_bytes, &encoder))) {
    return;
  }
  is_ok(qwen3_tts_encoder_write(encoder, given.samples.data(), static_cast<int64_t>(given.samples.size())));
  is_ok(qwen3_tts_encoder_write(encoder, given.samples.data(), -1));
  require(!is_ok(qwen3_tts_encoder_close(encoder)) || num_bytes > 0, "a stream that is complete has bytes");
  require(is_ok(qwen3_tts_encoder_destroy(encoder)), "what was made can be destroyed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Arguments given(qwen3_tts::testing::text_of(data, size));
  try_engine(given);
  try_session(given);
  try_voices(given);
  try_voice_encoder(given);
  try_recording(given);
  try_encoder(given);
  return 0;
}
