#include "sound_format.h"

#include "audio_component.h"
#include "base/file_ending.h"
#include "base/try.h"

namespace qwen3_tts {

Result<AudioFormat> format_of_file(const std::string& path, std::optional<AudioFormat> otherwise) {
  ASSIGN_OR_RETURN(const auto named, format_of_ending(path));
  const AudioFormat format = named.value_or(otherwise.value_or(AudioFormat::kWav));
  RETURN_IF_ERROR(check_format(format));
  return format;
}

}  // namespace qwen3_tts
