/* Voices in C: files, x-vectors, mixes, and those that an encoder makes. */

#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <unistd.h>

#include "harness.h"

#define BASE MODEL("tiny-base")

static const char kRequest[] = "{\"text\": \"Hello there.\", \"seed\": 7, \"frame_budget\": 12}";

enum { kWidth = 64, kSecond = 24000 };

/* What a voice of the tiny model may be. */
static qwen3_tts_voice* some_voice(float start, const char* about) {
  float x_vector[kWidth];
  qwen3_tts_voice* voice = NULL;
  for (int i = 0; i < kWidth; ++i) x_vector[i] = start + 0.01F * (float)i;
  MUST(qwen3_tts_voice_from_x_vector(x_vector, kWidth, about, &voice));
  return voice;
}

static void test_voice_speaks_as_in_cxx(qwen3_tts_engine* engine, const char* path) {
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_voice* voice = some_voice(0.1F, "{\"name\": \"Ann\", \"language\": \"english\"}");
  qwen3_tts_voice* loaded = NULL;
  speech spoken = speak(session, kRequest, voice);
  speech expected = {0};
  CHECK_OK(qwen3_tts_voice_save(voice, path));
  expected = reference_speak(BASE, kRequest, path);
  CHECK(is_equal(&spoken, &expected));
  free_speech(&spoken);
  MUST(qwen3_tts_voice_load(path, engine, &loaded));
  CHECK_OK(qwen3_tts_engine_check(engine, kRequest, loaded));
  spoken = speak(session, kRequest, loaded);
  CHECK(is_equal(&spoken, &expected));
  free_speech(&spoken);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_voice_destroy(loaded));
  CHECK_OK(qwen3_tts_voice_destroy(voice));
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_voice_lives_while_it_is_spoken_with(qwen3_tts_engine* engine, const char* path) {
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_voice* voice = NULL;
  qwen3_tts_chunk chunk = {0};
  speech spoken = {0};
  speech expected = reference_speak(BASE, kRequest, path);
  MUST(qwen3_tts_voice_load(path, NULL, &voice));
  MUST(qwen3_tts_session_start(session, kRequest, voice));
  CHECK_OK(qwen3_tts_voice_destroy(voice));
  while (!chunk.is_last) {
    MUST(qwen3_tts_session_next(session, &chunk));
    append_samples(&spoken, chunk.samples, (size_t)chunk.num_samples);
  }
  keep_codes(&spoken, session);
  CHECK(is_equal(&spoken, &expected));
  free_speech(&spoken);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_voice_tells_about_itself(void) {
  qwen3_tts_voice* voice = some_voice(1, "{\"name\": \"\\u00c4nne\", \"language\": \"german\"}");
  qwen3_tts_voice* nameless = some_voice(1, NULL);
  const char* json = NULL;
  const float* x_vector = NULL;
  size_t size = 0;
  CHECK_OK(qwen3_tts_voice_info(voice, &json));
  CHECK(json_has_text(json, "name", "\xc3\x84nne"));
  CHECK(json_has_text(json, "language", "german"));
  CHECK(json_has_text(json, "model_type", "base"));
  CHECK(json_number(json, "hidden_size") == kWidth);
  CHECK(json_number(json, "num_frames") == 0);
  CHECK(json_number(json, "num_text_ids") == 0);
  CHECK(json_size(json) == 6);
  CHECK_OK(qwen3_tts_voice_info(nameless, &json));
  CHECK(json_has_text(json, "name", ""));
  CHECK(json_has_text(json, "language", "auto"));
  CHECK_OK(qwen3_tts_voice_x_vector(voice, &x_vector, &size));
  CHECK(size == kWidth);
  CHECK(x_vector[2] == 1 + 0.01F * 2);
  CHECK_OK(qwen3_tts_voice_destroy(voice));
  CHECK_OK(qwen3_tts_voice_destroy(nameless));
}

static void test_mix_is_the_weighted_sum(void) {
  const qwen3_tts_voice* voices[3];
  const double weights[3] = {0.5, 0.25, 0.25};
  const double nothing[1] = {NAN};
  qwen3_tts_voice* ann = some_voice(1, "{\"language\": \"english\"}");
  qwen3_tts_voice* bob = some_voice(2, "{\"language\": \"english\"}");
  qwen3_tts_voice* eve = some_voice(-4, "{\"language\": \"german\"}");
  qwen3_tts_voice* mixed = NULL;
  const float* x_vector = NULL;
  const char* json = NULL;
  size_t size = 0;
  voices[0] = ann;
  voices[1] = bob;
  voices[2] = eve;
  MUST(qwen3_tts_voice_mix(voices, weights, 3, "All", &mixed));
  CHECK_OK(qwen3_tts_voice_x_vector(mixed, &x_vector, &size));
  CHECK(size == kWidth);
  for (int i = 0; i < kWidth; ++i) CHECK(fabs(x_vector[i] - 0.01 * i) < 1e-6);
  CHECK_OK(qwen3_tts_voice_info(mixed, &json));
  CHECK(json_has_text(json, "name", "All"));
  CHECK(json_has_text(json, "language", "auto"));
  CHECK_OK(qwen3_tts_voice_destroy(mixed));
  MUST(qwen3_tts_voice_mix(voices, weights, 2, "Both", &mixed));
  CHECK_OK(qwen3_tts_voice_info(mixed, &json));
  CHECK(json_has_text(json, "language", "english"));
  CHECK_OK(qwen3_tts_voice_destroy(mixed));
  mixed = NULL;
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, weights, 0, "None", &mixed), "no voice to mix");
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, nothing, 1, "NaN", &mixed), "finite");
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, weights, 2, "\xff", &mixed), "name");
  CHECK_OK(qwen3_tts_voice_destroy(bob));
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, weights, 3, "All", &mixed), "voices[1]: this handle was destroyed");
  CHECK(mixed == NULL);
  CHECK_OK(qwen3_tts_voice_destroy(ann));
  CHECK_OK(qwen3_tts_voice_destroy(eve));
}

static void test_voices_that_fit_no_model(qwen3_tts_engine* engine) {
  const float narrow[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  float bad[2] = {0, 0};
  const qwen3_tts_voice* voices[2];
  const double weights[2] = {0.5, 0.5};
  qwen3_tts_voice* wide = some_voice(0, NULL);
  qwen3_tts_voice* voice = NULL;
  qwen3_tts_voice* none = NULL;
  MUST(qwen3_tts_voice_from_x_vector(narrow, 8, "{\"name\": \"Narrow\"}", &voice));
  CHECK_REFUSES(qwen3_tts_engine_check(engine, kRequest, voice), "8 values");
  voices[0] = voice;
  voices[1] = wide;
  CHECK_REFUSES(qwen3_tts_voice_mix(voices, weights, 2, "Both", &none), "'Narrow' is for another model");
  bad[1] = INFINITY;
  CHECK_REFUSES(qwen3_tts_voice_from_x_vector(bad, 2, NULL, &none), "value 1 of the x-vector is inf");
  CHECK_REFUSES(qwen3_tts_voice_from_x_vector(narrow, 0, NULL, &none), "0 values");
  CHECK_REFUSES(qwen3_tts_voice_from_x_vector(narrow, (size_t)-1, NULL, &none), "values");
  CHECK_REFUSES(qwen3_tts_voice_from_x_vector(narrow, 8, "{\"text\": \"Hi.\"}", &none), "use name, language");
  CHECK_REFUSES(qwen3_tts_voice_from_x_vector(narrow, 8, "{\"name\": 8}", &none), "'name' must be a string");
  CHECK_FAILS(qwen3_tts_voice_load("no_such.voice", engine, &none), QWEN3_TTS_IO, "no_such.voice");
  CHECK_REFUSES(qwen3_tts_voice_load(BASE, NULL, &none), BASE);
  CHECK_FAILS(qwen3_tts_voice_save(voice, "/no/such/folder/a.voice"), QWEN3_TTS_IO, "/no/such/folder");
  CHECK(none == NULL);
  CHECK_OK(qwen3_tts_voice_destroy(voice));
  CHECK_OK(qwen3_tts_voice_destroy(wide));
}

static void test_encoder_makes_voices(qwen3_tts_engine* engine) {
  static float samples[kSecond];
  qwen3_tts_voice_encoder* encoder = NULL;
  qwen3_tts_voice* voice = NULL;
  const char* json = NULL;
  int64_t sample_rate = 0;
  for (int i = 0; i < kSecond; ++i) samples[i] = 0.3F * sinf(0.05F * (float)i);
  CHECK_REFUSES(qwen3_tts_voice_encoder_create("{}", &encoder), "'path' is missing");
  CHECK_REFUSES(qwen3_tts_voice_encoder_create("{\"file\": \"a.pte\"}", &encoder), "use path, num_threads");
  CHECK_FAILS(qwen3_tts_voice_encoder_create("{\"path\": \"no_such.pte\"}", &encoder), QWEN3_TTS_IO, "no_such.pte");
  CHECK_FAILS(qwen3_tts_voice_encoder_create("{\"path\": \"" BASE "\"}", &encoder), QWEN3_TTS_INVALID_MODEL, "speaks");
  MUST(qwen3_tts_voice_encoder_create("{\"path\": \"" MODEL("tiny-base-voice-encoder") "\"}", &encoder));
  CHECK_OK(qwen3_tts_voice_encoder_sample_rate(encoder, &sample_rate));
  CHECK(sample_rate == 24000);

  MUST(qwen3_tts_voice_encoder_encode(encoder, samples, kSecond, "{\"name\": \"Ann\", \"language\": \"ENGLISH\"}",
                                      &voice));
  CHECK_OK(qwen3_tts_voice_info(voice, &json));
  CHECK(json_has_text(json, "name", "Ann"));
  CHECK(json_has_text(json, "language", "english"));
  CHECK(json_number(json, "hidden_size") == kWidth);
  CHECK(json_number(json, "num_frames") == 0);
  CHECK_OK(qwen3_tts_voice_destroy(voice));

  MUST(qwen3_tts_voice_encoder_encode(encoder, samples, kSecond, "{\"text\": \"What Ann says.\"}", &voice));
  CHECK_OK(qwen3_tts_voice_info(voice, &json));
  CHECK(json_number(json, "num_frames") == 50);
  CHECK(json_number(json, "num_text_ids") > 0);
  CHECK_OK(qwen3_tts_engine_check(engine, "{\"text\": \"Hi.\", \"voice_mode\": \"icl\"}", voice));
  CHECK_OK(qwen3_tts_voice_destroy(voice));

  voice = NULL;
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(encoder, samples, 100, NULL, &voice), "recording: it lasts");
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(encoder, NULL, 0, NULL, &voice), "recording: it lasts");
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(encoder, samples, kSecond, "{\"language\": \"elvish\"}", &voice),
                "elvish");
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(encoder, samples, kSecond, "{\"text\": \"\"}", &voice), "transcript");
  CHECK_REFUSES(qwen3_tts_voice_encoder_encode(encoder, samples, kSecond, "[]", &voice), "write {\"name\"");
  CHECK(voice == NULL);
  CHECK_OK(qwen3_tts_voice_encoder_destroy(encoder));
}

int main(void) {
  char folder[] = "test_c_voices.XXXXXX";
  char path[64];
  qwen3_tts_engine* engine = open_engine(BASE);
  if (!CHECK(mkdtemp(folder) != NULL)) return 1;
  snprintf(path, sizeof(path), "%s/ann.voice", folder);
  test_voice_speaks_as_in_cxx(engine, path);
  test_voice_lives_while_it_is_spoken_with(engine, path);
  test_voice_tells_about_itself();
  test_mix_is_the_weighted_sum();
  test_voices_that_fit_no_model(engine);
  test_encoder_makes_voices(engine);
  CHECK_OK(qwen3_tts_engine_destroy(engine));
  remove(path);
  rmdir(folder);
  return finish();
}
