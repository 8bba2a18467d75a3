#include <qwen3_tts/speed_sink.h>

#include <cmath>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "audio/pcm.h"
#include "base/catching.h"
#include "base/error.h"
#include "base/try.h"
#include "encoding/time_scale.h"

namespace qwen3_tts {

struct SpeedSink::State {
  AudioSink& sink;
  std::optional<TimeScale> scale;  ///< None at speed 1.
  std::vector<float> ready;        ///< To be passed on.

  Status pass_on();
};

Status SpeedSink::State::pass_on() {
  if (ready.empty()) {
    return {};
  }
  Status status = sink.write(ready.data(), static_cast<int64_t>(ready.size()));
  ready.clear();
  return status;
}

SpeedSink::SpeedSink(std::unique_ptr<State> state) : state_(std::move(state)) {}

SpeedSink::~SpeedSink() = default;

Result<std::unique_ptr<SpeedSink>> SpeedSink::create(AudioSink& sink, int64_t sample_rate, double speed) {
  return catching([&]() -> Result<std::unique_ptr<SpeedSink>> {
    if (std::isnan(speed) || speed < kMinSpeed || speed > kMaxSpeed) {
      std::ostringstream message;
      message << "speed is " << speed << "; it must be from " << kMinSpeed << " to " << kMaxSpeed;
      return invalid_argument(message.str());
    }
    auto state = std::make_unique<State>(State{sink, std::nullopt, {}});
    if (speed != 1) {
      ASSIGN_OR_RETURN(TimeScale scale, TimeScale::create(sample_rate, speed));
      state->scale.emplace(std::move(scale));
    }
    return std::unique_ptr<SpeedSink>(new SpeedSink(std::move(state)));
  });
}

Status SpeedSink::write(const float* samples, int64_t num_samples) {
  return catching([&]() -> Status {
    if (!state_->scale.has_value()) {
      return state_->sink.write(samples, num_samples);
    }
    RETURN_IF_ERROR(check_not_nan(samples, num_samples));
    RETURN_IF_ERROR(for_each_int16_block(samples, num_samples, [this](const int16_t* block, int64_t size) {
      return state_->scale->write(block, size, state_->ready);
    }));
    return state_->pass_on();
  });
}

Status SpeedSink::close() {
  return catching([&]() -> Status {
    if (state_->scale.has_value()) {
      RETURN_IF_ERROR(state_->scale->finish(state_->ready));
      RETURN_IF_ERROR(state_->pass_on());
    }
    return state_->sink.close();
  });
}

}  // namespace qwen3_tts
