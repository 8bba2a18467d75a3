/* Runs the examples of docs/c.md and of both headers. */

#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <unistd.h>

#include "page_examples.h"
#include "qwen3_tts_audio_example.h"

#include "harness.h"

#define TINY MODEL("tiny-customvoice")

static const char kRequest[] = "{\"text\": \"Hello there.\", \"speaker\": \"ryan\", \"seed\": 7, \"frame_budget\": 20}";

/* A file without a name. */
static FILE* open_file(void) {
  FILE* file = tmpfile();
  if (file == NULL) exit(1);
  return file;
}

/* All of a file, or of what a program writes; its size. */
static size_t read_all(FILE* file, char** bytes) {
  size_t size = 0;
  size_t count = 0;
  *bytes = NULL;
  do {
    *bytes = realloc(*bytes, size + 65536);
    if (*bytes == NULL) exit(1);
    count = fread(*bytes + size, 1, 65536, file);
    size += count;
  } while (count > 0);
  return size;
}

/* The program names no speaker: a model that has none takes that. */
static void test_program_of_the_header(void) {
  speech expected = reference_speak(MODEL("tiny-voicedesign"), "{\"text\": \"Hello there.\", \"seed\": 7}", NULL);
  char* bytes = NULL;
  FILE* output = popen(C_EXAMPLE " '" MODEL("tiny-voicedesign") "'", "r");
  if (!CHECK(output != NULL)) exit(1);
  {
    const size_t size = read_all(output, &bytes);
    CHECK(pclose(output) == 0);
    CHECK(size == expected.num_samples * sizeof(float));
    CHECK(size > 0 && memcmp(bytes, expected.samples, size) == 0);
  }
  free(bytes);
  free_speech(&expected);
  output = popen(C_EXAMPLE " no_such_file 2>&1", "r");
  if (!CHECK(output != NULL)) exit(1);
  {
    const size_t size = read_all(output, &bytes);
    bytes[size < 65535 ? size : 65535] = '\0';
    CHECK(pclose(output) != 0);
    CHECK(strstr(bytes, "no_such_file") != NULL);
  }
  free(bytes);
}

static void test_speech_becomes_a_wav_file(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  speech expected = reference_speak(TINY, kRequest, NULL);
  FILE* file = open_file();
  char* bytes = NULL;
  speak_to_file(session, kRequest, file);
  rewind(file);
  CHECK(read_all(file, &bytes) == 44 + 2 * expected.num_samples);
  CHECK(memcmp(bytes, "RIFF", 4) == 0);
  fclose(file);
  free(bytes);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

/* A player that somebody listens to for `most` samples. */
struct listener {
  int64_t num_heard;
  int64_t most;
};

static int listen(void* player, const float* samples, int64_t num_samples) {
  struct listener* listener = player;
  (void)samples;
  listener->num_heard += num_samples;
  return listener->num_heard < listener->most;
}

static void test_player_hears_all_or_stops(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  speech expected = reference_speak(TINY, kRequest, NULL);
  struct listener patient = {0, INT64_MAX};
  struct listener impatient = {0, 1};
  speak_aloud(session, kRequest, listen, &patient);
  CHECK(patient.num_heard == (int64_t)expected.num_samples);
  speak_aloud(session, kRequest, listen, &impatient);
  CHECK(impatient.num_heard > 0);
  CHECK(impatient.num_heard < patient.num_heard);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static int32_t write_file(void* file, const void* bytes, size_t size) {
  return fwrite(bytes, 1, size, file) == size ? 0 : 1;
}

/* A second of a tone, as a WAV file of this name. */
static void record(const char* path) {
  static float samples[24000];
  qwen3_tts_encoder* encoder = NULL;
  FILE* file = fopen(path, "wb");
  if (!CHECK(file != NULL)) exit(1);
  for (int i = 0; i < 24000; ++i) samples[i] = 0.3F * sinf(0.05F * (float)i);
  MUST(qwen3_tts_encoder_create("{\"sample_rate\": 24000}", write_file, file, &encoder));
  MUST(qwen3_tts_encoder_write(encoder, samples, 24000));
  MUST(qwen3_tts_encoder_close(encoder));
  MUST(qwen3_tts_encoder_destroy(encoder));
  fclose(file);
}

static void test_recording_becomes_a_voice(void) {
  char folder[] = "test_c_examples.XXXXXX";
  char recording[64];
  char voice_path[64];
  qwen3_tts_engine* engine = open_engine(MODEL("tiny-base"));
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_voice_encoder* encoder = NULL;
  qwen3_tts_voice* ann = NULL;
  qwen3_tts_voice* mixed = NULL;
  speech of_ann = {0};
  speech of_mixed = {0};
  if (!CHECK(mkdtemp(folder) != NULL)) exit(1);
  snprintf(recording, sizeof(recording), "%s/ann.wav", folder);
  snprintf(voice_path, sizeof(voice_path), "%s/ann.voice", folder);
  record(recording);
  MUST(qwen3_tts_voice_encoder_create("{\"path\": \"" MODEL("tiny-base-voice-encoder") "\"}", &encoder));
  ann = clone(encoder, recording, "{\"name\": \"Ann\", \"language\": \"english\"}", voice_path);
  mixed = halfway(ann, ann);
  of_ann = speak(session, "{\"text\": \"Hello.\", \"frame_budget\": 8}", ann);
  of_mixed = speak(session, "{\"text\": \"Hello.\", \"frame_budget\": 8}", mixed);
  CHECK(is_equal(&of_ann, &of_mixed));
  free_speech(&of_mixed);
  of_mixed = reference_speak(MODEL("tiny-base"), "{\"text\": \"Hello.\", \"frame_budget\": 8}", voice_path);
  CHECK(is_equal(&of_ann, &of_mixed));
  free_speech(&of_ann);
  free_speech(&of_mixed);
  CHECK_OK(qwen3_tts_voice_destroy(ann));
  CHECK_OK(qwen3_tts_voice_destroy(mixed));
  CHECK_OK(qwen3_tts_voice_encoder_destroy(encoder));
  CHECK_OK(qwen3_tts_session_destroy(session));
  CHECK_OK(qwen3_tts_engine_destroy(engine));
  remove(recording);
  remove(voice_path);
  rmdir(folder);
}

static void test_threads_speak_alike(qwen3_tts_engine* engine) {
  speech expected = reference_speak(TINY, kRequest, NULL);
  struct job jobs[4];
  for (int i = 0; i < 4; ++i) jobs[i] = (struct job){engine, kRequest, 0};
  speak_all(jobs, 4);
  for (int i = 0; i < 4; ++i) CHECK(jobs[i].num_samples == (int64_t)expected.num_samples);
  free_speech(&expected);
}

/* What comes of a text, five bytes at a time. */
static size_t write_on(void* writer, char* bytes, size_t size) {
  const char** text = writer;
  const size_t count = strlen(*text) < 5 ? strlen(*text) : 5;
  if (!CHECK(size >= 5)) exit(1);
  memcpy(bytes, *text, count);
  *text += count;
  return count;
}

static void test_open_text_is_spoken_as_a_whole_one(qwen3_tts_engine* engine) {
  static const char whole[] =
      "{\"text\": \"One sentence. And another one.\", \"speaker\": \"ryan\", \"frame_budget\": 9, \"open_text\": true}";
  const char* text = "tence. And another one.";
  qwen3_tts_session* session = open_session(engine);
  struct listener listener = {0, INT64_MAX};
  speech expected = reference_speak(TINY, whole, NULL);
  speak_open_text(session, "{\"text\": \"One sen\", \"speaker\": \"ryan\", \"frame_budget\": 9, \"open_text\": true}",
                  write_on, &text, listen, &listener);
  CHECK(listener.num_heard == (int64_t)expected.num_samples);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_samples_become_an_mp3(void) {
  static const float silence[24000] = {0};
  FILE* file = open_file();
  char* bytes = NULL;
  CHECK_OK(encode(silence, 24000, file));
  rewind(file);
  CHECK(read_all(file, &bytes) > 1000);
  fclose(file);
  free(bytes);
}

int main(void) {
  qwen3_tts_engine* engine = open_engine(TINY);
  test_program_of_the_header();
  test_speech_becomes_a_wav_file(engine);
  test_player_hears_all_or_stops(engine);
  test_recording_becomes_a_voice();
  test_threads_speak_alike(engine);
  test_open_text_is_spoken_as_a_whole_one(engine);
  test_samples_become_an_mp3();
  CHECK_OK(qwen3_tts_engine_destroy(engine));
  return finish();
}
