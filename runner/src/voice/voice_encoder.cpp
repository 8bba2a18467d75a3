#include <qwen3_tts/voice_encoder.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <utility>

#include "audio/leading_silence.h"
#include "base/catching.h"
#include "base/error.h"
#include "base/names.h"
#include "base/try.h"
#include "program/constant_object.h"
#include "program/contract.h"
#include "program/mapped_tensor.h"
#include "program/program.h"
#include "program/signature.h"
#include "program/thread_pool.h"
#include "program/verification.h"
#include "text/language_names.h"
#include "text/text_checks.h"
#include "text/text_tokenizer.h"
#include "text/tokenizer_tables.h"
#include "voice/voice_encoder_contract.h"

namespace qwen3_tts {
namespace {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;

constexpr char kWanted[] = "; give the voice_encoder.pte that export_unified.py --voice-encoder writes";

Status check_kind(Program& program) {
  ASSIGN_OR_RETURN(const auto methods, program.method_names());
  if (methods.count(contract::kTalker) > 0) {
    return Error{ErrorCode::kInvalidModel, "'" + program.name() + "' is a model (it has a method '" +
                                               contract::kTalker + "'): it speaks and does not make voices" + kWanted};
  }
  for (const char* name : {contract::kContractMethod, contract::kTokenizerMethod, contract::kEncodeSpeaker,
                           contract::kEncodeAudio, contract::kEncodeCodes}) {
    if (methods.count(name) == 0) {
      return Error{ErrorCode::kInvalidModel, "'" + program.name() + "' is an ExecuTorch program, but not a voice " +
                                                 "encoder (it has no '" + name + "')" + kWanted};
    }
  }
  return {};
}

Status check_methods(Program& program, const VoiceEncoderContract& c) {
  const std::vector<int64_t> number = {1};
  for (const Signature& signature :
       {Signature{contract::kEncodeSpeaker, {{c.num_blocks(c.max_samples), c.samples_per_block}, number}, {}},
        Signature{contract::kEncodeAudio, {{c.max_encode_frames, c.samples_per_frame}, number}, {}},
        Signature{contract::kEncodeCodes, {{2 * c.num_frames(c.max_samples), c.row_size}, number}, {}}}) {
    RETURN_IF_ERROR(check_inputs(program, signature));
  }
  return {};
}

std::string seconds(size_t num_samples, int64_t sample_rate) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f s", static_cast<double>(num_samples) / static_cast<double>(sample_rate));
  return text;
}

Status check_samples(const std::vector<float>& samples, const VoiceEncoderContract& c) {
  const auto count = static_cast<int64_t>(samples.size());
  if (count < c.min_samples || count > c.max_samples) {
    return invalid_argument("it lasts " + seconds(samples.size(), c.sample_rate) + "; give one of " +
                            seconds(static_cast<size_t>(c.min_samples), c.sample_rate) + " to " +
                            seconds(static_cast<size_t>(c.max_samples), c.sample_rate) +
                            ", best 5 to 15 s of clear speech");
  }
  float peak = 0;
  for (const float sample : samples) {
    if (!std::isfinite(sample)) {
      return invalid_argument("it has a sample that is not a finite number; make it again");
    }
    peak = std::max(peak, std::abs(sample));
  }
  if (peak < LeadingSilence::kLoud) {
    return invalid_argument("it is silent, no sample is louder than " + std::to_string(peak) + " of full scale; " +
                            "record it again, or raise its level");
  }
  return {};
}

/// The language as the model spells it; "auto" when it is left open.
Result<std::string> check_language(const std::string& language, const std::set<std::string>& languages) {
  if (is_auto_language(language)) {
    return std::string(kAutoLanguage);
  }
  if (const std::string* known = find_language(languages, language)) {
    return *known;
  }
  std::string names = kAutoLanguage;
  for (const std::string& name : languages) {
    names += ", " + name;
  }
  return invalid_argument("the language '" + language + "' is not one of the model; give one of " + names);
}

TensorPtr view(std::vector<float>& data, int64_t rows, int64_t columns) {
  return make_tensor_ptr({static_cast<SizesType>(rows), static_cast<SizesType>(columns)}, data.data(),
                         ScalarType::Float);
}

}  // namespace

struct VoiceEncoder::Impl {
  std::unique_ptr<Program> program;
  VoiceEncoderContract contract;
  TextTokenizer tokenizer;

  /// [H]
  Result<std::vector<float>> x_vector(const std::vector<float>& samples) const;
  /// [T, G]
  Result<std::vector<int64_t>> codes(const std::vector<float>& samples) const;

 private:
  /// Rows [2 * T, row_size] of the codec's convolutions, which see the recording piece by piece.
  Result<std::vector<float>> rows(const std::vector<float>& samples) const;
  /// Runs a method on `data`, [num_rows, columns], of which `count` samples or rows are not there to fill it up.
  Status run(const char* method, std::vector<float>& data, int64_t columns, int64_t count, OutputBuffer output) const;
};

Status VoiceEncoder::Impl::run(const char* method, std::vector<float>& data, int64_t columns, int64_t count,
                               OutputBuffer output) const {
  const TensorPtr input = view(data, static_cast<int64_t>(data.size()) / columns, columns);
  const TensorPtr number = make_tensor_ptr({1}, &count, ScalarType::Long);
  return program->execute(method, {*input, *number}, {output});
}

Result<std::vector<float>> VoiceEncoder::Impl::x_vector(const std::vector<float>& samples) const {
  const auto count = static_cast<int64_t>(samples.size());
  std::vector<float> blocks(static_cast<size_t>(contract.num_blocks(count) * contract.samples_per_block));
  std::copy(samples.begin(), samples.end(), blocks.begin());
  std::vector<float> x_vector(static_cast<size_t>(contract.hidden_size));
  RETURN_IF_ERROR(run(contract::kEncodeSpeaker, blocks, contract.samples_per_block, count,
                      {x_vector.data(), contract.hidden_size}));
  if (!std::all_of(x_vector.begin(), x_vector.end(), [](float value) { return std::isfinite(value); })) {
    return Error{ErrorCode::kExecution, "'" + program->name() + "': method '" + contract::kEncodeSpeaker +
                                            "' gave what is no number" + kReexport};
  }
  return x_vector;
}

Result<std::vector<float>> VoiceEncoder::Impl::rows(const std::vector<float>& samples) const {
  const auto count = static_cast<int64_t>(samples.size());
  const int64_t frame_size = contract.samples_per_frame;
  const int64_t num_frames = contract.num_frames(count);
  std::vector<float> rows;
  std::vector<float> piece;
  std::vector<float> piece_rows;
  rows.reserve(static_cast<size_t>(2 * num_frames * contract.row_size));
  for (int64_t start = 0; start < num_frames;) {
    // A piece begins early, so that its convolutions see what stands before; those rows are dropped.
    const int64_t begin = std::max<int64_t>(0, start - contract.context_frames);
    const int64_t end = std::min(begin + contract.max_encode_frames, num_frames);
    const int64_t first = begin * frame_size;
    const int64_t last = std::min(count, end * frame_size);
    piece.assign(samples.begin() + first, samples.begin() + last);
    piece.resize(static_cast<size_t>((end - begin) * frame_size));
    piece_rows.resize(static_cast<size_t>(2 * (end - begin) * contract.row_size));
    RETURN_IF_ERROR(run(contract::kEncodeAudio, piece, frame_size, last - first,
                        {piece_rows.data(), static_cast<int64_t>(piece_rows.size())}));
    rows.insert(rows.end(), piece_rows.begin() + 2 * (start - begin) * contract.row_size, piece_rows.end());
    start = end;
  }
  return rows;
}

Result<std::vector<int64_t>> VoiceEncoder::Impl::codes(const std::vector<float>& samples) const {
  ASSIGN_OR_RETURN(std::vector<float> all_rows, rows(samples));
  const auto count = static_cast<int64_t>(samples.size());
  std::vector<int64_t> codes(static_cast<size_t>(contract.num_frames(count) * contract.num_code_groups));
  RETURN_IF_ERROR(run(contract::kEncodeCodes, all_rows, contract.row_size, contract.num_rows(count),
                      {codes.data(), static_cast<int64_t>(codes.size())}));
  const int64_t size = contract.code_vocab_size;
  if (!std::all_of(codes.begin(), codes.end(), [size](int64_t code) { return code >= 0 && code < size; })) {
    return Error{ErrorCode::kExecution, "'" + program->name() + "': method '" + contract::kEncodeCodes +
                                            "' gave a code outside 0.." + std::to_string(size - 1) + kReexport};
  }
  return codes;
}

Result<std::unique_ptr<VoiceEncoder>> VoiceEncoder::create(const VoiceEncoderOptions& options) {
  return catching([&]() -> Result<std::unique_ptr<VoiceEncoder>> {
    RETURN_IF_ERROR(check_thread_count(options.num_threads));
    RETURN_IF_ERROR(verify(options.path, Verify::kOnce, Extent::kFile));
    ASSIGN_OR_RETURN(auto program, Program::create(options.path));
    RETURN_IF_ERROR(check_kind(*program));
    ASSIGN_OR_RETURN(auto contract, read_object<VoiceEncoderContract>(*program, contract::kContractMethod));
    RETURN_IF_ERROR(require_digests(options.path, Verify::kOnce));
    RETURN_IF_ERROR(check_methods(*program, contract));
    ASSIGN_OR_RETURN(auto tokenizer, read_tokenizer_tables(*program, contract.text_vocab_size));
    RETURN_IF_ERROR(set_thread_count(options.num_threads));
    std::unique_ptr<Impl> impl(new Impl{std::move(program), std::move(contract), std::move(tokenizer)});
    return std::unique_ptr<VoiceEncoder>(new VoiceEncoder(std::move(impl)));
  });
}

VoiceEncoder::VoiceEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

VoiceEncoder::~VoiceEncoder() = default;

int64_t VoiceEncoder::sample_rate() const { return impl_->contract.sample_rate; }

Result<std::vector<int64_t>> VoiceEncoder::tokenize(const std::string& transcript) const {
  return catching([&]() -> Result<std::vector<int64_t>> {
    RETURN_IF_ERROR(about("transcript", check_text(transcript)));
    ASSIGN_OR_RETURN(const std::string_view text, about("transcript", normalize_text(transcript)));
    return about("transcript", impl_->tokenizer.encode(text));
  });
}

Result<Voice> VoiceEncoder::encode(const Recording& recording, const std::string& name, const std::string& language,
                                   const std::vector<int64_t>& transcript_ids) {
  return catching([&]() -> Result<Voice> {
    const VoiceEncoderContract& contract = impl_->contract;
    const std::string source = recording.source.empty() ? "" : " " + recording.source;
    RETURN_IF_ERROR(about("recording" + source, check_samples(recording.samples, contract)));
    Voice voice;
    ASSIGN_OR_RETURN(voice.language, check_language(language, contract.languages));
    const auto is_id = [&](int64_t id) { return id >= 0 && id < contract.text_vocab_size; };
    if (const auto bad = std::find_if_not(transcript_ids.begin(), transcript_ids.end(), is_id);
        bad != transcript_ids.end()) {
      return invalid_argument("transcript: id " + std::to_string(*bad) + " is not in 0.." +
                              std::to_string(contract.text_vocab_size - 1) + "; take those of tokenize()");
    }
    voice.name = name;
    voice.model_type = contract.model_type;
    ASSIGN_OR_RETURN(voice.x_vector, impl_->x_vector(recording.samples));
    if (transcript_ids.empty()) {
      return voice;
    }
    ASSIGN_OR_RETURN(voice.codes, impl_->codes(recording.samples));
    voice.num_code_groups = contract.num_code_groups;
    voice.text_ids = transcript_ids;
    return voice;
  });
}

}  // namespace qwen3_tts
