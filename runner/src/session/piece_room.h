#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "session/resolved_options.h"
#include "text/resolved_request.h"
#include "text/text_splitter.h"

namespace qwen3_tts {

/// What a piece carries well. Its rows and its frame budget fit the capacity.
PieceLimits piece_limits(const ResolvedRequest& request, const ResolvedOptions& options, const ModelMetadata& metadata);

/// Most frames that speech of `num_tokens` text tokens may take; 0: no limit.
int64_t frame_budget(int64_t num_tokens, const ResolvedRequest& request, const ResolvedOptions& options,
                     const ModelMetadata& metadata);

/// Refuses pieces that leave no room to speak, and names what is too long. Borrows what it is made of.
class RoomCheck {
 public:
  RoomCheck(const ResolvedRequest& request, const ResolvedOptions& options, const ModelMetadata& metadata)
      : request_(request), options_(options), metadata_(metadata) {}

  /// `piece` is a part of `text`, of `num_tokens` tokens; piece_limits() may be exceeded by what cannot be cut.
  Status check(std::string_view piece, std::string_view text, int64_t num_tokens) const;

 private:
  int64_t rows(int64_t num_tokens) const;
  Error too_long_before(int64_t num_rows) const;
  Error no_room(const std::string& what, const std::string& remedy) const;

  const ResolvedRequest& request_;
  const ResolvedOptions& options_;
  const ModelMetadata& metadata_;
};

}  // namespace qwen3_tts
