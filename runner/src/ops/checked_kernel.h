#pragma once

#include <cstdint>
#include <new>
#include <optional>

#include <executorch/extension/kernel_util/make_boxed_from_unboxed_functor.h>
#include <executorch/runtime/kernel/operator_registry.h>

namespace qwen3_tts {

/// Makes a kernel of `Function` (an EXECUTORCH_FN) that fails a call with other arguments than the function's.
/// ExecuTorch takes number and types from the program and would end the process, or read past the arguments of an older
/// export.
template <typename Function>
class CheckedKernel {
  using EValue = executorch::runtime::EValue;
  using Context = executorch::runtime::KernelRuntimeContext;
  using Stack = executorch::runtime::Span<EValue*>;
  using Tensor = executorch::aten::Tensor;

 public:
  static executorch::runtime::Kernel make(const char* name) { return executorch::runtime::Kernel(name, call); }

 private:
  static bool holds(const EValue& value, const Tensor*) { return value.isTensor(); }
  static bool holds(const EValue& value, const std::optional<Tensor>*) { return value.isTensor() || value.isNone(); }
  static bool holds(const EValue& value, const executorch::aten::ArrayRef<Tensor>*) { return value.isTensorList(); }
  static bool holds(const EValue& value, const executorch::aten::ArrayRef<int64_t>*) { return value.isIntList(); }
  static bool holds(const EValue& value, const std::optional<int64_t>*) { return value.isInt() || value.isNone(); }
  static bool holds(const EValue& value, const int64_t*) { return value.isInt(); }
  static bool holds(const EValue& value, const double*) { return value.isDouble(); }
  static bool holds(const EValue& value, const bool*) { return value.isBool(); }

  /// The program adds the returned tensor, which is the last argument, at the end.
  template <typename... Arguments>
  static bool matches(Stack stack, Tensor& (*)(Context&, Arguments...)) {
    size_t index = 0;
    return stack.size() == sizeof...(Arguments) + 1 &&
           (holds(*stack[index++], static_cast<std::remove_reference_t<Arguments>*>(nullptr)) && ...);
  }

  static void call(Context& context, Stack stack) {
    if (!matches(stack, Function::func_ptr())) {
      ET_LOG(Error, "%s takes other arguments in this build; export the model again", Function::func_name_);
      context.fail(executorch::runtime::Error::InvalidProgram);
      return;
    }
    try {
      executorch::extension::WrapUnboxedIntoFunctor<Function>::call(context, stack);
    } catch (const std::bad_alloc&) {  // ExecuTorch knows no exceptions.
      context.fail(executorch::runtime::Error::MemoryAllocationFailed);
    }
  }
};

template <typename Function>
executorch::runtime::Kernel make_checked_kernel(const char* name, Function) {
  return CheckedKernel<Function>::make(name);
}

}  // namespace qwen3_tts
