// aoti_torch_cuda_int4_plain_mm for libtorch: what ExecuTorch's CUDA runtime gives to libraries with int4 layers, by
// plain operators. containers.py compiles and loads it, because libtorch knows every other function that they call.
#include <ATen/ATen.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>

#ifndef INT4_SHIM
#define INT4_SHIM aoti_torch_cuda_int4_plain_mm
#endif

namespace {

// Codes [N, G] uint8 and steps [N, B] fp16, each for G / B groups -> [N, G] fp32.
at::Tensor decoded(const at::Tensor& codes, const at::Tensor& steps) {
  return codes.to(at::kFloat) * steps.to(at::kFloat).repeat_interleave(codes.size(1) / steps.size(1), 1);
}

}  // namespace

// x [M, K] with weights (code - zero) * scale of codes [N, K / 2], even inputs in the low half: a new [M, N].
extern "C" __attribute__((visibility("default"))) AOTITorchError
INT4_SHIM(AtenTensorHandle x, AtenTensorHandle codes, AtenTensorHandle scale_codes, AtenTensorHandle scale_steps,
          AtenTensorHandle zero_codes, AtenTensorHandle zero_steps, int64_t group_size, AtenTensorHandle* result) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({
    const auto tensor = [](AtenTensorHandle handle) -> const at::Tensor& {
      return *torch::aot_inductor::tensor_handle_to_tensor_pointer(handle);
    };
    const at::Tensor pairs = tensor(codes);
    const at::Tensor halves = at::stack({pairs.bitwise_and(15), pairs.bitwise_right_shift(4)}, 2).flatten(1);
    const at::Tensor scales = decoded(tensor(scale_codes), tensor(scale_steps)).repeat_interleave(group_size, 1);
    const at::Tensor zeros = decoded(tensor(zero_codes), tensor(zero_steps)).repeat_interleave(group_size, 1);
    const at::Tensor weight = ((halves.to(at::kFloat) - zeros) * scales).to(tensor(x).scalar_type());
    *result = torch::aot_inductor::new_tensor_handle(at::linear(tensor(x), weight));
  });
}
