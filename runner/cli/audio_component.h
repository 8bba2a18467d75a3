#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/result.h>

/// What the program does with the library's component audio. Without it, an error says how to get it.
namespace qwen3_tts {

/// Can recordings be read?
Status check_recordings();
/// Can files and streams of this format be written?
Status check_format(AudioFormat format);
/// Can speech be as fast as that? kInvalidArgument, too, when it is no speed.
Status check_speed(double speed);

/// Of a format other than WAV, which the core writes. `sample_rate` in Hz.
Result<std::unique_ptr<AudioSink>> encoded_file(const std::string& path, AudioFormat format, int64_t sample_rate);
Result<std::unique_ptr<AudioSink>> encoded_stdout(AudioFormat format, int64_t sample_rate);

/// Passes speech on to `sink`, which must outlive it, at another speed.
Result<std::unique_ptr<AudioSink>> at_speed(double speed, AudioSink& sink, int64_t sample_rate);

}  // namespace qwen3_tts
