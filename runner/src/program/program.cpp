#include "program/program.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include <executorch/extension/data_loader/buffer_data_loader.h>
#include <executorch/extension/data_loader/mmap_data_loader.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/runtime/backend/options.h>

#include "base/catching.h"
#include "base/error.h"
#include "base/io_error.h"
#include "base/scoped_timer.h"
#include "base/try.h"
#include "program/gpu_options.h"
#include "program/program_file.h"
#include "program/runtime_log.h"

namespace qwen3_tts {
namespace {

namespace et = executorch::runtime;
using executorch::aten::ScalarType;

/// ExecuTorch and its delegates have one code for this and for damage; what they log tells them apart. A file that
/// cannot be mapped was opened and read before.
bool is_lack_of_memory(et::Error error, const std::string& cause) {
  constexpr const char* kWords[] = {"Failed to map", "failed to allocate", "out_of_memory", "bad_alloc"};
  return error == et::Error::AccessFailed || error == et::Error::MemoryAllocationFailed ||
         std::any_of(std::begin(kWords), std::end(kWords),
                     [&](const char* words) { return cause.find(words) != std::string::npos; });
}

/// Null where there is no such file, or it cannot be opened: the program then says what it lacks.
std::unique_ptr<et::DataLoader> weights_loader(const std::string& path) {
  using executorch::extension::MmapDataLoader;
  auto loader = path.empty() ? et::Result<MmapDataLoader>(et::Error::NotFound)
                             : MmapDataLoader::from(path.c_str(), MmapDataLoader::MlockConfig::NoMlock);
  return loader.ok() ? std::make_unique<MmapDataLoader>(std::move(*loader)) : nullptr;
}

TensorSpec to_spec(const et::TensorInfo& info) {
  return TensorSpec{info.scalar_type(), {info.sizes().begin(), info.sizes().end()}};
}

}  // namespace

Result<std::unique_ptr<Program>> Program::create(const ModelSource& source, const ProgramOptions& options) {
  capture_runtime_log();
  RETURN_IF_ERROR(check_program_file(source));
  Recorder recorder{nullptr, nullptr};
  if (options.is_profiled) {
    ASSIGN_OR_RETURN(recorder, make_recorder());
  }
  std::unique_ptr<Program> program(new Program(source, options, std::move(recorder)));
  RETURN_IF_ERROR(program->load(options.data_path));
  return program;
}

Program::Program(ModelSource source, const ProgramOptions& options, Recorder recorder)
    : source_(std::move(source)), gpu_graphs_(options.gpu_graphs), profile_(recorder.profile) {
  if (const FileBytes* const bytes = source_.bytes(); bytes != nullptr) {
    auto loader = std::make_unique<executorch::extension::BufferDataLoader>(bytes->data(), bytes->size());
    module_ =
        std::make_unique<Module>(std::move(loader), /*memory_allocator=*/nullptr, /*temp_allocator=*/nullptr,
                                 std::move(recorder.tracer), weights_loader(options.data_path), options.shares_buffers);
    return;
  }
  std::vector<std::string> data_files;
  if (!options.data_path.empty()) {
    data_files.push_back(options.data_path);
  }
  module_ = std::make_unique<Module>(name(), std::move(data_files), Module::LoadMode::Mmap, std::move(recorder.tracer),
                                     /*memory_allocator=*/nullptr, /*temp_allocator=*/nullptr, options.shares_buffers);
}

Program::~Program() {
  const GpuTurn turn(of_gpu(GpuTurn::Kind::kAlone));
  module_.reset();
}

Status Program::load(const std::string& data_path) {
  clear_runtime_error();
  const et::Error error = module_->load(et::Program::Verification::InternalConsistency);
  if (error == et::Error::InvalidExternalData) {
    return Error{ErrorCode::kInvalidModel, "'" + data_path +
                                               "' is no file of weights (.ptd), or damaged; copy it again, "
                                               "or export it again with its model: they belong together"};
  }
  if (error != et::Error::Ok) {
    return failure(ErrorCode::kInvalidModel, "the program is damaged", error);
  }
  return keep_packed_weights("");
}

Status Program::keep_packed_weights(const std::string& file) {
  const std::lock_guard<FairMutex> lock(mutex_);
  et::BackendOptions<2> xnnpack;
  // Packed weights are then shared by all methods and by the unrolled steps of cp_generate.
  et::Error error = xnnpack.set_option("weight_cache_enabled", true);
  if (error == et::Error::Ok && !file.empty()) {
    error = xnnpack.set_option("packed_cache_path", file.c_str());
  }
  et::LoadBackendOptionsMap options;
  if (error == et::Error::Ok) {
    error = options.set_options("XnnpackBackend", xnnpack.view());
  }
  if (error == et::Error::Ok) {
    error = module_->load(options);
  }
  if (error != et::Error::Ok) {
    return failure(ErrorCode::kExecution, "the XNNPACK delegate does not take its options", error);
  }
  return {};
}

Result<std::set<std::string>> Program::method_names() {
  clear_runtime_error();
  const auto names = module_->method_names();
  if (!names.ok()) {
    return failure(ErrorCode::kInvalidModel, "the program is damaged", names.error());
  }
  return std::set<std::string>(names->begin(), names->end());
}

Result<et::EValue> Program::read_constant(const std::string& name) {
  clear_runtime_error();
  const auto value = module_->get(name);
  if (!value.ok()) {
    return failure(ErrorCode::kInvalidModel, "there is no readable constant '" + name + "'", value.error());
  }
  return *value;
}

Result<std::string> Program::read_string(const std::string& name) {
  const std::lock_guard<FairMutex> lock(mutex_);
  ASSIGN_OR_RETURN(const et::EValue value, read_constant(name));
  if (!value.isString()) {
    return invalid("constant '" + name + "' is not a string");
  }
  const auto text = value.toString();
  std::string copy(text.data(), text.size());
  module_->unload_method(name);
  return copy;
}

Result<std::vector<uint8_t>> Program::read_bytes(const std::string& name) {
  const std::lock_guard<FairMutex> lock(mutex_);
  ASSIGN_OR_RETURN(const et::EValue value, read_constant(name));
  if (!value.isTensor() || value.toTensor().scalar_type() != ScalarType::Byte) {
    return invalid("constant '" + name + "' is not a tensor of bytes");
  }
  const auto& tensor = value.toTensor();
  const uint8_t* bytes = tensor.const_data_ptr<uint8_t>();
  std::vector<uint8_t> copy(bytes, bytes + tensor.numel());
  module_->unload_method(name);
  return copy;
}

Status Program::load_methods(const std::vector<std::string>& names) {
  if (std::all_of(names.begin(), names.end(), [this](const std::string& name) { return is_loaded(name); })) {
    return {};  // Those that are loaded and ended halfway are for execute().
  }
  const std::lock_guard<FairMutex> lock(mutex_);
  for (const std::string& name : names) {
    RETURN_IF_ERROR(load_method(name));
  }
  return {};
}

bool Program::is_loaded(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(loaded_mutex_);
  return std::any_of(loaded_.begin(), loaded_.end(), [&](const LoadedMethod& method) { return method.name == name; });
}

Status Program::load_method(const std::string& name) {
  if (calls_[name].is_halfway) {
    unload(name);
  }
  if (module_->is_method_loaded(name)) {
    return {};
  }
  const GpuTurn turn(of_gpu(GpuTurn::Kind::kAlone));
  const Clock::time_point start = Clock::now();
  clear_runtime_error();
  if (profile_ != nullptr) {
    profile_->set_method("load " + name);
  }
  if (gpu_graphs_) {  // Now: the options are the process's, and another program may have set its own.
    RETURN_IF_ERROR(configure_gpu(*gpu_graphs_));
  }
  const et::Error error = module_->load_method(name);
  if (error == et::Error::OperatorMissing) {
    return Error{ErrorCode::kInvalidModel, "'" + this->name() + "': method '" + name +
                                               "' has operators that this build does not have (" +
                                               take_runtime_error() + "); voice encoders and models exported with " +
                                               "--backend portable need one with QWEN3_TTS_EXECUTORCH_KERNELS=ON"};
  }
  if (error != et::Error::Ok) {
    return failure(ErrorCode::kInvalidModel, "method '" + name + "' cannot be loaded", error);
  }
  const std::lock_guard<std::mutex> lock(loaded_mutex_);
  loaded_.push_back({name, elapsed_ms(start)});
  return {};
}

void Program::unload_method(const std::string& name) {
  const std::lock_guard<FairMutex> lock(mutex_);
  unload(name);
}

void Program::unload(const std::string& name) {
  const GpuTurn turn(of_gpu(GpuTurn::Kind::kAlone));
  module_->unload_method(name);
  calls_.erase(name);
  const std::lock_guard<std::mutex> loaded_lock(loaded_mutex_);
  const auto is_it = [&](const LoadedMethod& method) { return method.name == name; };
  loaded_.erase(std::remove_if(loaded_.begin(), loaded_.end(), is_it), loaded_.end());
}

std::vector<LoadedMethod> Program::loaded_methods() const {
  const std::lock_guard<std::mutex> lock(loaded_mutex_);
  return loaded_;
}

Result<bool> Program::uses_backend(const std::string& backend) {
  ASSIGN_OR_RETURN(const auto names, method_names());
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    const auto meta = module_->method_meta(name);
    return meta.ok() && meta->uses_backend(backend.c_str());
  });
}

Result<et::MethodMeta> Program::method_meta(const std::string& method) {
  const auto meta = module_->method_meta(method);
  if (!meta.ok()) {
    return failure(ErrorCode::kInvalidModel, "method '" + method + "' has no description", meta.error());
  }
  return *meta;
}

Result<MethodSpec> Program::method_spec(const std::string& method) {
  ASSIGN_OR_RETURN(const et::MethodMeta meta, method_meta(method));
  MethodSpec spec;
  const auto add = [](const et::Result<et::TensorInfo>& info, std::vector<std::optional<TensorSpec>>& specs) {
    specs.push_back(info.ok() ? std::optional<TensorSpec>(to_spec(*info)) : std::nullopt);
  };
  for (size_t i = 0; i < meta.num_inputs(); ++i) {
    add(meta.input_tensor_meta(i), spec.inputs);
  }
  for (size_t i = 0; i < meta.num_outputs(); ++i) {
    add(meta.output_tensor_meta(i), spec.outputs);
  }
  return spec;
}

Result<et::TensorInfo> Program::input_info(const std::string& method, size_t index) {
  ASSIGN_OR_RETURN(const et::MethodMeta meta, method_meta(method));
  const auto info = meta.input_tensor_meta(index);
  if (!info.ok()) {
    return failure(ErrorCode::kInvalidModel, "method '" + method + "' has no tensor input " + std::to_string(index),
                   info.error());
  }
  return *info;
}

Result<TensorSpec> Program::input_spec(const std::string& method, size_t index) {
  ASSIGN_OR_RETURN(const et::TensorInfo info, input_info(method, index));
  return to_spec(info);
}

Result<TensorSpec> Program::state_spec(const std::string& method, size_t index) {
  ASSIGN_OR_RETURN(const et::TensorInfo info, input_info(method, index));
  if (info.is_memory_planned()) {
    // ExecuTorch would copy the state in, and the method would write to the copy.
    return invalid("method '" + method + "' keeps its own copy of input " + std::to_string(index));
  }
  return to_spec(info);
}

/// A call that fails halfway leaves the method there, and ExecuTorch would refuse the next one. So that one loads it
/// again: not this one, because XNNPACK takes memory to let go of a method, and ends the process when there is none.
Status Program::execute(const std::string& method, const std::vector<et::EValue>& inputs,
                        std::initializer_list<OutputBuffer> outputs) {
  const std::lock_guard<FairMutex> lock(mutex_);
  RETURN_IF_ERROR(load_method(method));
  Calls& calls = calls_[method];
  const GpuTurn turn(of_gpu(calls.num < kFirstGpuCalls ? GpuTurn::Kind::kAlone : GpuTurn::Kind::kTogether));
  ++calls.num;
  calls.is_halfway = true;
  Status status = catching([&] { return run(method, inputs, outputs); });
  calls.is_halfway = !status.ok();
  return status;
}

Status Program::run(const std::string& method, const std::vector<et::EValue>& inputs,
                    std::initializer_list<OutputBuffer> outputs) {
  clear_runtime_error();
  if (profile_ != nullptr) {
    profile_->set_method(method);
  }
  const auto values = module_->execute(method, inputs);
  if (!values.ok()) {
    return failure(ErrorCode::kExecution, "method '" + method + "' failed", values.error());
  }
  size_t index = 0;
  for (const OutputBuffer& output : outputs) {
    if (index >= values->size() || !(*values)[index].isTensor()) {
      return invalid("method '" + method + "' has no tensor output " + std::to_string(index));
    }
    const auto& tensor = (*values)[index].toTensor();
    if (tensor.scalar_type() != output.type || tensor.numel() != output.num_elements) {
      return invalid("method '" + method + "' returned " + std::to_string(tensor.numel()) + " elements as output " +
                     std::to_string(index) + " in place of " + std::to_string(output.num_elements) +
                     ", or of another type");
    }
    std::memcpy(output.data, tensor.const_data_ptr(), tensor.nbytes());
    ++index;
  }
  return {};
}

Status Program::run_on_ones(const std::string& method, bool has_slot) {
  ASSIGN_OR_RETURN(const MethodSpec spec, method_spec(method));
  std::vector<executorch::extension::TensorPtr> tensors;
  std::vector<et::EValue> inputs;
  for (const auto& input : spec.inputs) {
    if (!input.has_value()) {
      return invalid("method '" + method + "' has an input that is no tensor");
    }
    tensors.push_back(executorch::extension::ones(input->sizes, input->type));
    inputs.emplace_back(*tensors.back());
  }
  if (has_slot) {  // The last input. Of a program for one utterance there is no slot 1.
    const TensorSpec& slot = *spec.inputs.back();
    tensors.push_back(executorch::extension::zeros(slot.sizes, slot.type));
    inputs.back() = *tensors.back();
  }
  return execute(method, inputs, {});
}

void Program::start_profile() {
  const std::lock_guard<FairMutex> lock(mutex_);
  if (profile_ != nullptr) {
    profile_->forget();
  }
}

Result<std::string> Program::take_profile() {
  const std::lock_guard<FairMutex> lock(mutex_);
  if (profile_ == nullptr) {
    return Error{ErrorCode::kInvalidState, "'" + name() + "' is not profiled; set EngineOptions::profile"};
  }
  std::string content = profile_->take();
  if (content.empty()) {
    return Error{ErrorCode::kInvalidState, "'" + name() + "': no method ran since the profile was started"};
  }
  return content;
}

Error Program::failure(ErrorCode code, const std::string& what, et::Error error) const {
  const std::string cause = take_runtime_error();
  if (is_lack_of_memory(error, cause)) {
    return Error{ErrorCode::kOutOfMemory, "'" + name() + "': there is not enough memory for it" + remedy_of(ENOMEM)};
  }
  const std::string message =
      "'" + name() + "': " + what + " (ExecuTorch: " + et::to_string(error) + (cause.empty() ? "" : ", " + cause) + ")";
  return code == ErrorCode::kInvalidModel ? invalid_model(message) : Error{code, message};
}

Error Program::invalid(const std::string& what) const { return invalid_model("'" + name() + "': " + what); }

}  // namespace qwen3_tts
