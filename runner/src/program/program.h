#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <executorch/extension/module/module.h>

#include <qwen3_tts/model_info.h>
#include <qwen3_tts/result.h>

#include "base/fair_mutex.h"
#include "program/gpu_turn.h"
#include "program/mapped_tensor.h"
#include "program/model_source.h"
#include "program/profile.h"

namespace qwen3_tts {

/// Where one output of a method goes. Type and number of elements must be what the method returns.
struct OutputBuffer {
  OutputBuffer(float* to, int64_t count) : data(to), num_elements(count), type(executorch::aten::ScalarType::Float) {}
  OutputBuffer(int64_t* to, int64_t count) : data(to), num_elements(count), type(executorch::aten::ScalarType::Long) {}

  void* data;
  int64_t num_elements;
  executorch::aten::ScalarType type;
};

/// Inputs and outputs of a method, the largest sizes where a dimension is dynamic; nothing for what is no tensor.
struct MethodSpec {
  std::vector<std::optional<TensorSpec>> inputs, outputs;
};

/// What a .pte is opened with.
struct ProgramOptions {
  bool is_profiled = false;  ///< Record every call, see Program::start_profile().
  std::string data_path;     ///< The .ptd with weights that are not in the .pte; "" none.
  /// Methods share the buffers that they write, as the program was exported to do. Not for what a delegate keeps in the
  /// memory of a device.
  bool shares_buffers = false;
  /// Of a program for a GPU, whose methods take turns on it (GpuTurn): those that become CUDA graphs after some calls.
  std::optional<std::vector<std::string>> gpu_graphs = std::nullopt;
};

/// The methods of a mapped .pte. Thread-safe: one method runs at a time, in the order of the calls, so that no session
/// waits for more than one call of each other one. Its outputs, which live in memory that all sessions share, are
/// copied out before the next. What the file says of its methods waits for none that runs: nothing changes it.
class Program {
 public:
  /// Calls of a method for a GPU that load kernels, the last of which captures its CUDA graph.
  static constexpr int64_t kFirstGpuCalls = 4;

  /// Opens what is there and checks that it is a whole ExecuTorch program.
  static Result<std::unique_ptr<Program>> create(const ModelSource& source, const ProgramOptions& options = {});
  ~Program();

  const ModelSource& source() const { return source_; }
  /// How errors call it: the path, where it has one.
  const std::string& name() const { return source_.name(); }

  /// Constant methods included.
  Result<std::set<std::string>> method_names();

  /// The value of a constant method.
  Result<std::string> read_string(const std::string& name);
  Result<std::vector<uint8_t>> read_bytes(const std::string& name);

  /// Where the delegates of the methods that are loaded from now on keep packed weights: in `file` (at most 255
  /// characters; WeightCache::runtime_path()), or in memory when it is "", as after create().
  Status keep_packed_weights(const std::string& file);

  /// Makes methods ready to run, where they are not: the delegates pack their weights. execute() does it too. Waits for
  /// a method that runs only when there is something to load.
  Status load_methods(const std::vector<std::string>& names);
  void unload_method(const std::string& name);

  /// In the order of loading, without constant methods. Does not wait for a method that runs or is loaded.
  std::vector<LoadedMethod> loaded_methods() const;

  /// Whether a method has a part for this delegate. Loads nothing.
  Result<bool> uses_backend(const std::string& backend);

  /// What goes into a method and comes out. Loads nothing.
  Result<MethodSpec> method_spec(const std::string& method);

  /// An input's type and sizes; the largest ones where a dimension is dynamic.
  Result<TensorSpec> input_spec(const std::string& method, size_t index);
  /// The same for an input that the method writes through, which the caller must own.
  Result<TensorSpec> state_spec(const std::string& method, size_t index);

  /// Runs a method and copies its first outputs.
  Status execute(const std::string& method, const std::vector<executorch::runtime::EValue>& inputs,
                 std::initializer_list<OutputBuffer> outputs);

  /// Runs a method on ones, and on slot 0 where `has_slot`, and drops what it gives. State that it keeps is then of no
  /// utterance, but finite.
  Status run_on_ones(const std::string& method, bool has_slot = false);

  /// Forgets what was recorded so far. A program that is not profiled has nothing to forget.
  void start_profile();
  /// The ETDump of what ran since then. kInvalidState when the program is not profiled or nothing ran.
  Result<std::string> take_profile();

 private:
  using Module = executorch::extension::Module;

  /// Of a method since it was loaded.
  struct Calls {
    int64_t num = 0;
    bool is_halfway = false;  ///< The last one failed.
  };

  Program(ModelSource source, const ProgramOptions& options, Recorder recorder);

  Status load(const std::string& data_path);
  /// What `kind` is of a program for a GPU.
  GpuTurn::Kind of_gpu(GpuTurn::Kind kind) const { return gpu_graphs_ ? kind : GpuTurn::Kind::kNone; }
  bool is_loaded(const std::string& name) const;
  Status load_method(const std::string& name);
  void unload(const std::string& name);
  Status run(const std::string& method, const std::vector<executorch::runtime::EValue>& inputs,
             std::initializer_list<OutputBuffer> outputs);
  Result<executorch::runtime::EValue> read_constant(const std::string& name);
  Result<executorch::runtime::MethodMeta> method_meta(const std::string& method);
  Result<executorch::runtime::TensorInfo> input_info(const std::string& method, size_t index);
  /// `what` failed; ExecuTorch's own words are appended.
  Error failure(ErrorCode code, const std::string& what, executorch::runtime::Error error) const;
  Error invalid(const std::string& what) const;

  ModelSource source_;
  const std::optional<std::vector<std::string>> gpu_graphs_;
  Profile* profile_;  ///< The module's; null: it records nothing.
  std::unique_ptr<Module> module_;
  FairMutex mutex_;  ///< Of the module's methods, its profile and calls_.
  std::map<std::string, Calls> calls_;  ///< Of methods that were called or loaded.
  std::vector<LoadedMethod> loaded_;
  mutable std::mutex loaded_mutex_;  ///< Of loaded_ alone; taken last.
};

}  // namespace qwen3_tts
