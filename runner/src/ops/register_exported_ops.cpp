#include <algorithm>
#include <cstring>

#include "ops/checked_kernel.h"
#include "ops/exported_ops.h"
#include "ops/ops.h"

namespace qwen3_tts {
namespace {

namespace et = executorch::runtime;

constexpr char kCat[] = "aten::cat.out";
constexpr char kSlice[] = "aten::slice_copy.Tensor_out";
constexpr char kSelect[] = "aten::select_copy.int_out";
constexpr char kIndexSelect[] = "aten::index_select.out";
constexpr char kUnsqueeze[] = "aten::unsqueeze_copy.out";
constexpr char kView[] = "aten::view_copy.out";
constexpr char kToCopy[] = "aten::_to_copy.out";
constexpr char kFullLike[] = "aten::full_like.out";
constexpr char kAdd[] = "aten::add.out";
constexpr char kSum[] = "aten::sum.IntList_out";
constexpr char kLayerNorm[] = "aten::native_layer_norm.out";
constexpr char kEmbedding[] = "aten::embedding.out";
constexpr char kEmbeddingByte[] = "quantized_decomposed::embedding_byte.out";
constexpr char kEmbedding4Bit[] = "quantized_decomposed::embedding_4bit.out";

/// ExecuTorch has a function that answers this, and logs an error for every no.
bool is_registered(const char* name) {
  const auto kernels = et::get_registered_kernels();
  return std::any_of(kernels.begin(), kernels.end(),
                     [&](const et::Kernel& kernel) { return std::strcmp(kernel.name_, name) == 0; });
}

}  // namespace

void register_exported_ops() {
  const et::Kernel kernels[] = {
      make_checked_kernel(kCat, EXECUTORCH_FN(exported::cat_out, kCat)),
      make_checked_kernel(kSlice, EXECUTORCH_FN(exported::slice_copy_out, kSlice)),
      make_checked_kernel(kSelect, EXECUTORCH_FN(exported::select_copy_out, kSelect)),
      make_checked_kernel(kIndexSelect, EXECUTORCH_FN(exported::index_select_out, kIndexSelect)),
      make_checked_kernel(kUnsqueeze, EXECUTORCH_FN(exported::unsqueeze_copy_out, kUnsqueeze)),
      make_checked_kernel(kView, EXECUTORCH_FN(exported::view_copy_out, kView)),
      make_checked_kernel(kToCopy, EXECUTORCH_FN(exported::to_copy_out, kToCopy)),
      make_checked_kernel(kFullLike, EXECUTORCH_FN(exported::full_like_out, kFullLike)),
      make_checked_kernel(kAdd, EXECUTORCH_FN(exported::add_out, kAdd)),
      make_checked_kernel(kSum, EXECUTORCH_FN(exported::sum_out, kSum)),
      make_checked_kernel(kLayerNorm, EXECUTORCH_FN(exported::layer_norm_out, kLayerNorm)),
      make_checked_kernel(kEmbedding, EXECUTORCH_FN(exported::embedding_out, kEmbedding)),
      make_checked_kernel(kEmbeddingByte, EXECUTORCH_FN(exported::embedding_byte_out, kEmbeddingByte)),
      make_checked_kernel(kEmbedding4Bit, EXECUTORCH_FN(exported::embedding_4bit_out, kEmbedding4Bit)),
  };
  for (const et::Kernel& kernel : kernels) {  // ExecuTorch ends the process when one is registered twice.
    if (!is_registered(kernel.name_)) {
      static_cast<void>(et::register_kernels({&kernel, 1}));
    }
  }
}

}  // namespace qwen3_tts
