// What qwen3tts.Qwen3Tts calls: the C interface. Text is UTF-8 in arrays of bytes, since a jstring of JNI has another
// encoding.

// In C, so that a compiler without a C++ library for Android takes it, too. NOLINTBEGIN(modernize-deprecated-headers)
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// NOLINTEND(modernize-deprecated-headers)

#include <jni.h>

#include <qwen3_tts.h>

namespace {

template <typename Handle>
Handle* handle_of(jlong number) {
  return reinterpret_cast<Handle*>(static_cast<intptr_t>(number));  // NOLINT(performance-no-int-to-ptr): a number
}

template <typename Handle>
jlong number_of(Handle* handle) {
  return static_cast<jlong>(reinterpret_cast<intptr_t>(handle));
}

/// Null where Java has no memory for it, and throws that.
jbyteArray to_bytes(JNIEnv* env, const char* text) {
  const auto size = static_cast<jsize>(strlen(text));
  jbyteArray bytes = env->NewByteArray(size);
  if (bytes != nullptr) {
    env->SetByteArrayRegion(bytes, 0, size, reinterpret_cast<const jbyte*>(text));
  }
  return bytes;
}

/// True; or false with a Qwen3Tts.Failure under way.
bool succeeds(JNIEnv* env, qwen3_tts_status status) {
  if (status == QWEN3_TTS_OK) {
    return true;
  }
  jbyteArray message = to_bytes(env, qwen3_tts_last_error());
  jclass failure = message == nullptr ? nullptr : env->FindClass("qwen3tts/Qwen3Tts$Failure");
  jmethodID make = failure == nullptr ? nullptr : env->GetMethodID(failure, "<init>", "(I[B)V");
  jobject thrown = make == nullptr ? nullptr : env->NewObject(failure, make, static_cast<jint>(status), message);
  if (thrown != nullptr) {
    env->Throw(static_cast<jthrowable>(thrown));
  }
  return false;
}

/// The bytes of an array with a NUL behind them, while it lives.
class Text {
 public:
  Text(JNIEnv* env, jbyteArray bytes) {
    const jsize size = env->GetArrayLength(bytes);
    text_ = static_cast<char*>(malloc(static_cast<size_t>(size) + 1));
    if (text_ != nullptr) {
      env->GetByteArrayRegion(bytes, 0, size, reinterpret_cast<jbyte*>(text_));
      text_[size] = '\0';
    }
  }
  ~Text() { free(text_); }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;

  const char* get() const { return text_; }

 private:
  char* text_;
};

}  // namespace

extern "C" {

JNIEXPORT jlong JNICALL Java_qwen3tts_Qwen3Tts_createEngine(JNIEnv* env, jclass, jbyteArray options_json) {
  qwen3_tts_engine* engine = nullptr;
  succeeds(env, qwen3_tts_engine_create(Text(env, options_json).get(), &engine));
  return number_of(engine);
}

JNIEXPORT jlong JNICALL Java_qwen3tts_Qwen3Tts_createSession(JNIEnv* env, jclass, jlong engine) {
  qwen3_tts_session* session = nullptr;
  succeeds(env, qwen3_tts_session_create(handle_of<qwen3_tts_engine>(engine), &session));
  return number_of(session);
}

JNIEXPORT jbyteArray JNICALL Java_qwen3tts_Qwen3Tts_info(JNIEnv* env, jclass, jlong engine) {
  const char* json = nullptr;
  return succeeds(env, qwen3_tts_engine_info(handle_of<qwen3_tts_engine>(engine), &json)) ? to_bytes(env, json)
                                                                                          : nullptr;
}

JNIEXPORT void JNICALL Java_qwen3tts_Qwen3Tts_start(JNIEnv* env, jclass, jlong session, jbyteArray request_json) {
  succeeds(env, qwen3_tts_session_start(handle_of<qwen3_tts_session>(session), Text(env, request_json).get(), nullptr));
}

JNIEXPORT jfloatArray JNICALL Java_qwen3tts_Qwen3Tts_next(JNIEnv* env, jclass, jlong session, jintArray rate_and_end) {
  qwen3_tts_chunk chunk{};
  if (!succeeds(env, qwen3_tts_session_next(handle_of<qwen3_tts_session>(session), &chunk))) {
    return nullptr;
  }
  const auto count = static_cast<jsize>(chunk.num_samples);
  jfloatArray samples = env->NewFloatArray(count);
  if (samples == nullptr) {
    return nullptr;
  }
  env->SetFloatArrayRegion(samples, 0, count, chunk.samples);
  const jint values[] = {static_cast<jint>(chunk.sample_rate), chunk.is_last};
  env->SetIntArrayRegion(rate_and_end, 0, 2, values);
  return samples;
}

JNIEXPORT void JNICALL Java_qwen3tts_Qwen3Tts_stop(JNIEnv*, jclass, jlong session) {
  qwen3_tts_session_stop(handle_of<qwen3_tts_session>(session));  // It may be gone, and then there is nothing to stop.
}

JNIEXPORT void JNICALL Java_qwen3tts_Qwen3Tts_destroySession(JNIEnv*, jclass, jlong session) {
  qwen3_tts_session_destroy(handle_of<qwen3_tts_session>(session));
}

JNIEXPORT void JNICALL Java_qwen3tts_Qwen3Tts_destroyEngine(JNIEnv*, jclass, jlong engine) {
  qwen3_tts_engine_destroy(handle_of<qwen3_tts_engine>(engine));
}

}  // extern "C"
