/* Speech in C is that of C++, and what is told about it is right. */

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <time.h>

#include "harness.h"

#define TINY MODEL("tiny-customvoice")

static const char kGreedy[] =
    "{\"text\": \"Hello there.\", \"speaker\": \"ryan\", \"temperature\": 0, \"subtalker_temperature\": 0, "
    "\"frame_budget\": 20}";
static const char kSampled[] =
    "{\"text\": \"Hello there.\", \"speaker\": \"ryan\", \"seed\": 7, \"chunk_frames\": 3, \"frame_budget\": 20}";
static const char kLong[] =
    "{\"text\": \"One paragraph is here.\\n\\nAnother one is there.\", \"speaker\": \"ryan\", \"seed\": 3, "
    "\"long_text\": \"split\", \"frame_budget\": 5}";
/* Long enough to be stopped. */
static const char kEndless[] =
    "{\"text\": \"Hello there.\", \"speaker\": \"ryan\", \"min_frames\": 2000, \"frame_budget\": 2000}";

static void test_speech_is_that_of_cxx(qwen3_tts_engine* engine, const char* request) {
  qwen3_tts_session* session = open_session(engine);
  speech expected = reference_speak(TINY, request, NULL);
  speech first = speak(session, request, NULL);
  speech again = speak(session, request, NULL);
  CHECK(is_equal(&first, &expected));
  CHECK(is_equal(&again, &expected));
  free_speech(&expected);
  free_speech(&first);
  free_speech(&again);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_chunks_follow_each_other(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_chunk chunk = {0};
  int64_t num_frames = 0;
  int64_t num_samples = 0;
  MUST(qwen3_tts_session_start(session, kSampled, NULL));
  while (!chunk.is_last) {
    MUST(qwen3_tts_session_next(session, &chunk));
    CHECK(chunk.sample_rate == 24000);
    CHECK(chunk.first_frame == num_frames);
    CHECK(chunk.num_frames <= (num_frames == 0 ? 1 : 3));
    CHECK(chunk.needs_text == 0);
    num_frames += chunk.num_frames;
    num_samples += chunk.num_samples;
  }
  {
    const char* stats = NULL;
    CHECK_OK(qwen3_tts_session_stats(session, &stats));
    CHECK(json_number(stats, "frames") == (double)num_frames);
    CHECK(json_number(stats, "samples") == (double)num_samples);
    CHECK(json_number(stats, "total_ms") > 0);
    CHECK(json_size(stats) == 21);
  }
  CHECK_FAILS(qwen3_tts_session_next(session, &chunk), QWEN3_TTS_INVALID_STATE, "no utterance to continue");
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_codes_decode_to_the_same_samples(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  speech spoken = speak(session, kSampled, NULL);
  speech decoded = {0};
  speech expected = reference_decode(TINY, spoken.codes, spoken.num_codes);
  const int64_t* own = NULL;
  size_t num_own = 0;
  MUST(qwen3_tts_session_codes(session, &own, &num_own)); /* The session's own may be decoded. */
  CHECK_OK(qwen3_tts_session_decode(session, own, num_own, keep_samples, &decoded));
  keep_codes(&decoded, session);
  CHECK(is_equal(&decoded, &expected));
  CHECK(decoded.num_samples == spoken.num_samples);
  free_speech(&spoken);
  free_speech(&decoded);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static int32_t refuse(void* num_calls, const float* samples, int64_t num_samples) {
  (void)samples;
  (void)num_samples;
  ++*(int*)num_calls;
  return 5;
}

static void test_callback_ends_decoding(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  speech spoken = speak(session, kSampled, NULL);
  speech again = {0};
  qwen3_tts_chunk chunk = {0};
  int num_calls = 0;
  CHECK_FAILS(qwen3_tts_session_decode(session, spoken.codes, spoken.num_codes, refuse, &num_calls), QWEN3_TTS_IO,
              "write returned 5");
  CHECK(num_calls == 1);
  CHECK_FAILS(qwen3_tts_session_next(session, &chunk), QWEN3_TTS_INVALID_STATE, "start another utterance");
  CHECK_OK(qwen3_tts_session_decode(session, spoken.codes, spoken.num_codes, keep_samples, &again));
  CHECK(again.num_samples == spoken.num_samples);
  CHECK_REFUSES(qwen3_tts_session_decode(session, spoken.codes, spoken.num_codes - 1, keep_samples, &again), "codes");
  CHECK_OK(qwen3_tts_session_decode(session, NULL, 0, keep_samples, &again));
  CHECK(again.num_samples == spoken.num_samples); /* Of no codes came none. */
  free_speech(&spoken);
  free_speech(&again);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_model_tells_about_itself(qwen3_tts_engine* engine) {
  const char* json = NULL;
  CHECK_OK(qwen3_tts_engine_info(engine, &json));
  CHECK(json_has_text(json, "model_type", "custom_voice"));
  CHECK(json_number(json, "sample_rate") == 24000);
  CHECK(json_number(json, "file_bytes") > 1000);
  CHECK(strstr(json, "\"ryan\"") != NULL);
  CHECK_OK(qwen3_tts_engine_capacity(engine, &json));
  CHECK(json_size(json) == 5);
  CHECK(json_number(json, "max_batch") == 8);
  CHECK(json_number(json, "num_sessions") == 0);
  CHECK(json_number(json, "position_bytes") > 0);
  {
    qwen3_tts_session* session = open_session(engine);
    CHECK_OK(qwen3_tts_engine_capacity(engine, &json));
    CHECK(json_number(json, "num_sessions") == 1);
    CHECK_OK(qwen3_tts_session_destroy(session));
  }
  CHECK_OK(qwen3_tts_engine_capacity(engine, &json));
  CHECK(json_number(json, "num_sessions") == 0);
}

static void test_requests_are_checked(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  speech before = {0};
  CHECK_OK(qwen3_tts_engine_check(engine, kGreedy, NULL));
  CHECK_REFUSES(qwen3_tts_engine_check(engine, "{\"text\": \"Hi.\", \"speaker\": \"nobody\"}", NULL), "nobody");
  CHECK_REFUSES(qwen3_tts_engine_check(engine, "{\"text\": \"Hi.\", \"volume\": 11}", NULL), "'volume'; use text");
  CHECK_REFUSES(qwen3_tts_engine_check(engine, "Hi.", NULL), "write {\"text\"");
  CHECK_REFUSES(qwen3_tts_session_start(session, "{\"text\": \"Hi.\", \"top_k\": \"two\"}", NULL), "'top_k'");
  CHECK_REFUSES(qwen3_tts_session_start(session, "{\"text\": \"Hi.\", \"speaker\": \"nobody\"}", NULL), "nobody");
  before = speak(session, kGreedy, NULL); /* After an error it starts again. */
  CHECK(before.num_samples > 0);
  free_speech(&before);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_start_leaves_what_was(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_chunk chunk = {0};
  speech expected = reference_speak(TINY, kGreedy, NULL);
  speech spoken = {0};
  MUST(qwen3_tts_session_start(session, kEndless, NULL));
  MUST(qwen3_tts_session_next(session, &chunk));
  CHECK_OK(qwen3_tts_session_stop(session)); /* Comes before, and is forgotten. */
  spoken = speak(session, kGreedy, NULL);
  CHECK(is_equal(&spoken, &expected));
  free_speech(&spoken);
  CHECK_OK(qwen3_tts_session_stop(session));
  spoken = speak(session, kGreedy, NULL);
  CHECK(is_equal(&spoken, &expected));
  CHECK_REFUSES(qwen3_tts_session_start(session, "no JSON", NULL), "JSON");
  CHECK_FAILS(qwen3_tts_session_next(session, &chunk), QWEN3_TTS_INVALID_STATE, "no utterance");
  free_speech(&spoken);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void* stop_soon(void* session) {
  const struct timespec pause = {0, 20 * 1000 * 1000};
  nanosleep(&pause, NULL);
  qwen3_tts_session_stop(session);
  return NULL;
}

static void test_stop_from_another_thread(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_chunk chunk = {0};
  const char* stats = NULL;
  pthread_t thread;
  MUST(qwen3_tts_session_start(session, kEndless, NULL));
  if (!CHECK(pthread_create(&thread, NULL, stop_soon, session) == 0)) exit(1);
  while (!chunk.is_last) MUST(qwen3_tts_session_next(session, &chunk));
  pthread_join(thread, NULL);
  MUST(qwen3_tts_session_stats(session, &stats));
  CHECK(json_has_text(stats, "finish_reason", "stopped"));
  CHECK(json_number(stats, "frames") < 2000);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_stop_after_start_is_not_lost(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_chunk chunk = {0};
  MUST(qwen3_tts_session_start(session, kEndless, NULL));
  MUST(qwen3_tts_session_stop(session));
  MUST(qwen3_tts_session_next(session, &chunk));
  CHECK(chunk.is_last == 1);
  CHECK(chunk.num_samples == 0);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Text that is still being written                                                                                   */

static const char kOpen[] = "{\"speaker\": \"ryan\", \"open_text\": true, \"frame_budget\": 8}";
static const char kAll[] =
    "{\"text\": \"Gr\u00fc\u00dfe, alle! One more. And the last one.\", \"speaker\": \"ryan\", "
    "\"open_text\": true, \"frame_budget\": 8}";
static const char kText[] =
    "Gr\xc3\xbc\xc3\x9f"
    "e, alle! One more. And the last one.";

/* Keeps what can be spoken now; the last chunk of it. */
static qwen3_tts_chunk listen(qwen3_tts_session* session, speech* spoken) {
  qwen3_tts_chunk chunk = {0};
  while (!chunk.is_last && !chunk.needs_text) {
    MUST(qwen3_tts_session_next(session, &chunk));
    append_samples(spoken, chunk.samples, (size_t)chunk.num_samples);
  }
  return chunk;
}

static void test_open_text_byte_by_byte(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  speech expected = reference_speak(TINY, kAll, NULL);
  speech spoken = {0};
  qwen3_tts_chunk chunk;
  MUST(qwen3_tts_session_start(session, kOpen, NULL));
  chunk = listen(session, &spoken);
  CHECK(chunk.needs_text == 1 && chunk.num_samples == 0);
  for (size_t i = 0; i < strlen(kText); ++i) {
    CHECK_OK(qwen3_tts_session_append(session, kText + i, 1));
    CHECK(listen(session, &spoken).needs_text == 1);
  }
  CHECK(spoken.num_samples > 0);
  CHECK_OK(qwen3_tts_session_append(session, NULL, 0));
  CHECK_OK(qwen3_tts_session_finish(session));
  CHECK(listen(session, &spoken).is_last == 1);
  keep_codes(&spoken, session);
  CHECK(is_equal(&spoken, &expected));
  CHECK_FAILS(qwen3_tts_session_append(session, "More.", 5), QWEN3_TTS_INVALID_STATE, "open_text");
  free_speech(&spoken);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void* write_text(void* session) {
  const struct timespec pause = {0, 1000 * 1000};
  for (size_t i = 0; i < strlen(kText); i += 4) {
    const size_t left = strlen(kText) - i;
    nanosleep(&pause, NULL);
    if (qwen3_tts_session_append(session, kText + i, left < 4 ? left : 4) != QWEN3_TTS_OK) return session;
  }
  return qwen3_tts_session_finish(session) == QWEN3_TTS_OK ? NULL : session;
}

static void test_open_text_from_another_thread(qwen3_tts_engine* engine) {
  const struct timespec pause = {0, 1000 * 1000};
  qwen3_tts_session* session = open_session(engine);
  speech expected = reference_speak(TINY, kAll, NULL);
  speech spoken = {0};
  void* failed = NULL;
  pthread_t thread;
  MUST(qwen3_tts_session_start(session, kOpen, NULL));
  if (!CHECK(pthread_create(&thread, NULL, write_text, session) == 0)) exit(1);
  while (!listen(session, &spoken).is_last) nanosleep(&pause, NULL);
  pthread_join(thread, &failed);
  CHECK(failed == NULL);
  keep_codes(&spoken, session);
  CHECK(is_equal(&spoken, &expected));
  free_speech(&spoken);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_open_text_that_is_wrong(qwen3_tts_engine* engine) {
  qwen3_tts_session* session = open_session(engine);
  qwen3_tts_chunk chunk = {0};
  speech spoken = {0};
  MUST(qwen3_tts_session_start(session, kOpen, NULL));
  CHECK_REFUSES(qwen3_tts_session_append(session, "\xff\xff", 2), "UTF-8");
  CHECK_REFUSES(qwen3_tts_session_next(session, &chunk), "UTF-8");
  CHECK_FAILS(qwen3_tts_session_next(session, &chunk), QWEN3_TTS_INVALID_STATE, "start another utterance");
  MUST(qwen3_tts_session_start(session, kOpen, NULL));
  CHECK_REFUSES(qwen3_tts_session_finish(session), "no words");
  MUST(qwen3_tts_session_start(session, kOpen, NULL)); /* Another one may be stopped. */
  CHECK_OK(qwen3_tts_session_append(session, "One sentence. And", 17));
  CHECK_OK(qwen3_tts_session_stop(session));
  CHECK(listen(session, &spoken).is_last == 1);
  free_speech(&spoken);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

static void test_session_outlives_its_engine(void) {
  qwen3_tts_engine* engine = open_engine(TINY);
  qwen3_tts_session* session = open_session(engine);
  speech expected = reference_speak(TINY, kGreedy, NULL);
  speech spoken = {0};
  CHECK_OK(qwen3_tts_engine_destroy(engine));
  spoken = speak(session, kGreedy, NULL);
  CHECK(is_equal(&spoken, &expected));
  free_speech(&spoken);
  free_speech(&expected);
  CHECK_OK(qwen3_tts_session_destroy(session));
}

int main(void) {
  qwen3_tts_engine* engine = open_engine(TINY);
  CHECK(qwen3_tts_abi_version() == QWEN3_TTS_ABI_VERSION);
  CHECK(strspn(qwen3_tts_version(), "0123456789.") == strlen(qwen3_tts_version()));
  CHECK(strcmp(qwen3_tts_last_error(), "") == 0);
  CHECK_OK(qwen3_tts_engine_preload(engine, "speech"));
  test_model_tells_about_itself(engine);
  test_speech_is_that_of_cxx(engine, kGreedy);
  test_speech_is_that_of_cxx(engine, kSampled);
  test_speech_is_that_of_cxx(engine, kLong);
  test_chunks_follow_each_other(engine);
  test_codes_decode_to_the_same_samples(engine);
  test_callback_ends_decoding(engine);
  test_requests_are_checked(engine);
  test_start_leaves_what_was(engine);
  test_stop_from_another_thread(engine);
  test_stop_after_start_is_not_lost(engine);
  test_open_text_byte_by_byte(engine);
  test_open_text_from_another_thread(engine);
  test_open_text_that_is_wrong(engine);
  test_session_outlives_its_engine();
  CHECK_OK(qwen3_tts_engine_destroy(engine));
  return finish();
}
