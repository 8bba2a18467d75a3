#ifndef HARNESS_H
#define HARNESS_H

/* What the tests in C share. A check that fails says where and why, and the program goes on; finish() is its exit code.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qwen3_tts.h>

#include "reference.h"

/* Path of one of the models that tests/models.py makes. */
#define MODEL(name) QWEN3_TTS_TEST_MODELS "/" name ".pte"

static int num_checks = 0;
static int num_failed = 0;

static inline int check_at(int holds, const char* what, const char* file, int line) {
  ++num_checks;
  if (!holds) {
    ++num_failed;
    fprintf(stderr, "%s:%d: %s\n  last error: %s\n", file, line, what, qwen3_tts_last_error());
  }
  return holds;
}

#define CHECK(condition) check_at((condition) ? 1 : 0, #condition, __FILE__, __LINE__)
#define CHECK_OK(call) check_at((call) == QWEN3_TTS_OK, #call, __FILE__, __LINE__)

/* A call fails with `status`, and the sentence has `words`. */
static inline int fails_with(qwen3_tts_status got, qwen3_tts_status status, const char* words) {
  return got == status && strstr(qwen3_tts_last_error(), words) != NULL;
}
#define CHECK_FAILS(call, status, words) \
  check_at(fails_with((call), (status), (words)), #call " fails with " #status ": " #words, __FILE__, __LINE__)
#define CHECK_REFUSES(call, words) CHECK_FAILS(call, QWEN3_TTS_INVALID_ARGUMENT, words)

/* What cannot be done without. */
#define MUST(call)                \
  do {                            \
    if (!CHECK_OK(call)) exit(1); \
  } while (0)

static inline int finish(void) {
  if (num_checks == 0) fprintf(stderr, "nothing was checked\n");
  printf("%d checks, %d failed\n", num_checks, num_failed);
  return num_checks > 0 && num_failed == 0 ? 0 : 1;
}

static inline qwen3_tts_engine* open_engine(const char* model_path) {
  char options[4096];
  qwen3_tts_engine* engine = NULL;
  snprintf(options, sizeof(options), "{\"model_path\": \"%s\"}", model_path);
  MUST(qwen3_tts_engine_create(options, &engine));
  return engine;
}

static inline qwen3_tts_session* open_session(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = NULL;
  MUST(qwen3_tts_session_create(engine, &session));
  return session;
}

static inline void append_samples(speech* spoken, const float* samples, size_t num_samples) {
  const size_t size = spoken->num_samples + num_samples;
  spoken->samples = realloc(spoken->samples, (size + 1) * sizeof(float));
  if (spoken->samples == NULL) exit(1);
  if (num_samples > 0) memcpy(spoken->samples + spoken->num_samples, samples, num_samples * sizeof(float));
  spoken->num_samples = size;
}

/* A qwen3_tts_write. */
static inline int32_t keep_samples(void* spoken, const float* samples, int64_t num_samples) {
  append_samples(spoken, samples, (size_t)num_samples);
  return 0;
}

static inline void keep_codes(speech* spoken, qwen3_tts_session* session) {
  const int64_t* codes = NULL;
  MUST(qwen3_tts_session_codes(session, &codes, &spoken->num_codes));
  spoken->codes = malloc(spoken->num_codes * sizeof(int64_t) + 1);
  if (spoken->codes == NULL) exit(1);
  if (spoken->num_codes > 0) memcpy(spoken->codes, codes, spoken->num_codes * sizeof(int64_t));
}

/* One utterance, chunk by chunk. `voice` may be NULL. */
static inline speech speak(qwen3_tts_session* session, const char* request, const qwen3_tts_voice* voice) {
  speech spoken = {0};
  qwen3_tts_chunk chunk = {0};
  MUST(qwen3_tts_session_start(session, request, voice));
  while (!chunk.is_last) {
    MUST(qwen3_tts_session_next(session, &chunk));
    append_samples(&spoken, chunk.samples, (size_t)chunk.num_samples);
  }
  keep_codes(&spoken, session);
  return spoken;
}

static inline int is_equal(const speech* left, const speech* right) {
  return left->num_samples > 0 && left->num_samples == right->num_samples && left->num_codes == right->num_codes &&
         memcmp(left->samples, right->samples, left->num_samples * sizeof(float)) == 0 &&
         memcmp(left->codes, right->codes, left->num_codes * sizeof(int64_t)) == 0;
}

#endif /* HARNESS_H */
