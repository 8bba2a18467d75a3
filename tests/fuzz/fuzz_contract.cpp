// What a program says of itself.

#include <qwen3_tts/model_metadata.h>

#include "fuzzing.h"
#include "program/cuda_contract.h"
#include "voice/voice_encoder_contract.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  const std::string_view json = testing::text_of(data, size);
  if (const auto metadata = ModelMetadata::parse(json); metadata.ok()) {
    testing::require(metadata->num_code_groups > 0 && metadata->hidden_size > 0 && metadata->sample_rate > 0,
                     "sizes are positive");
  }
  static_cast<void>(VoiceEncoderContract::parse(json));
  static_cast<void>(CudaContract::parse(json));
  return 0;
}
