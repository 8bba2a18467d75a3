#include <algorithm>
#include <cstring>
#include <limits>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/exported_ops.h"
#include "ops/exported_shape.h"

namespace qwen3_tts::exported {
namespace {

const char* bytes_of(const Tensor& tensor) { return static_cast<const char*>(tensor.const_data_ptr()); }

char* writable_bytes_of(Tensor& tensor) { return static_cast<char*>(tensor.mutable_data_ptr()); }

/// memcpy(), which takes no null even for no bytes.
void copy(char* to, const char* from, size_t num_bytes) {
  if (num_bytes > 0) {
    std::memcpy(to, from, num_bytes);
  }
}

/// [outer, begin...begin + count, inner] of x.
void copy_part(const Tensor& x, int64_t dim, int64_t begin, int64_t num, Tensor& out) {
  const Around x_around(x, dim);
  const size_t num_bytes = static_cast<size_t>(num) * x_around.inner_bytes;
  const char* from = bytes_of(x) + static_cast<size_t>(begin) * x_around.inner_bytes;
  char* to = writable_bytes_of(out);
  for (int64_t i = 0; i < x_around.outer; ++i) {
    copy(to, from, num_bytes);
    from += static_cast<size_t>(x_around.size) * x_around.inner_bytes;
    to += num_bytes;
  }
}

}  // namespace

Tensor& cat_out(KernelRuntimeContext& context, ArrayRef<Tensor> tensors, int64_t dim, Tensor& out) {
  ET_KERNEL_CHECK(context, !tensors.empty(), InvalidArgument, out);
  const Tensor& first = tensors[0];
  const auto at = dim_of(dim, first.dim());
  ET_KERNEL_CHECK(context, at.has_value(), InvalidArgument, out);
  std::vector<int64_t> sizes = sizes_of(first);
  const auto index = static_cast<size_t>(*at);
  sizes[index] = 0;
  for (const Tensor& tensor : tensors) {
    ET_KERNEL_CHECK(context, is_of(tensor, first.scalar_type()) && tensor.dim() == first.dim(), InvalidArgument, out);
    for (int64_t i = 0; i < first.dim(); ++i) {
      ET_KERNEL_CHECK(context, i == *at || tensor.size(i) == first.size(i), InvalidArgument, out);
    }
    sizes[index] += tensor.size(*at);
  }
  ET_KERNEL_CHECK(context, resize_output(out, sizes, first.scalar_type()), InvalidArgument, out);
  const Around out_around(out, *at);
  const size_t stride = static_cast<size_t>(out_around.size) * out_around.inner_bytes;
  char* to = writable_bytes_of(out);
  for (const Tensor& tensor : tensors) {
    const size_t num_bytes = static_cast<size_t>(tensor.size(*at)) * out_around.inner_bytes;
    for (int64_t i = 0; i < out_around.outer; ++i) {
      copy(to + static_cast<size_t>(i) * stride, bytes_of(tensor) + static_cast<size_t>(i) * num_bytes, num_bytes);
    }
    to += num_bytes;
  }
  return out;
}

Tensor& slice_copy_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, std::optional<int64_t> start,
                       std::optional<int64_t> end, int64_t step, Tensor& out) {
  const auto at = dim_of(dim, x.dim());
  ET_KERNEL_CHECK(context, at.has_value() && step == 1 && has_memory(x), InvalidArgument, out);
  const int64_t size = x.size(*at);
  const auto place = [&](int64_t given) { return std::clamp<int64_t>(given < 0 ? given + size : given, 0, size); };
  const int64_t begin = place(start.value_or(0));
  const int64_t num = std::max<int64_t>(place(end.value_or(size)) - begin, 0);
  std::vector<int64_t> sizes = sizes_of(x);
  sizes[static_cast<size_t>(*at)] = num;
  ET_KERNEL_CHECK(context, resize_output(out, sizes, x.scalar_type()), InvalidArgument, out);
  copy_part(x, *at, begin, num, out);
  return out;
}

Tensor& select_copy_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, int64_t index, Tensor& out) {
  const auto at = dim_of(dim, x.dim());
  ET_KERNEL_CHECK(context, at.has_value() && has_memory(x), InvalidArgument, out);
  const auto place = dim_of(index, x.size(*at));
  ET_KERNEL_CHECK(context, place.has_value(), InvalidArgument, out);
  std::vector<int64_t> sizes = sizes_of(x);
  sizes.erase(sizes.begin() + *at);
  ET_KERNEL_CHECK(context, resize_output(out, sizes, x.scalar_type()), InvalidArgument, out);
  copy_part(x, *at, *place, 1, out);
  return out;
}

Tensor& index_select_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, const Tensor& indices,
                         Tensor& out) {
  const auto at = dim_of(dim, x.dim());
  ET_KERNEL_CHECK(context, at.has_value() && has_memory(x), InvalidArgument, out);
  ET_KERNEL_CHECK(context, indices.dim() == 1 && is_indices(indices, indices.numel()), InvalidArgument, out);
  const auto* rows = indices.const_data_ptr<int64_t>();
  const int64_t size = x.size(*at);
  ET_KERNEL_CHECK(context, std::all_of(rows, rows + indices.numel(), [&](int64_t row) { return row < size; }),
                  InvalidArgument, out);
  std::vector<int64_t> sizes = sizes_of(x);
  sizes[static_cast<size_t>(*at)] = indices.numel();
  ET_KERNEL_CHECK(context, resize_output(out, sizes, x.scalar_type()), InvalidArgument, out);
  const Around x_around(x, *at);
  char* to = writable_bytes_of(out);
  for (int64_t i = 0; i < x_around.outer; ++i) {
    for (int64_t k = 0; k < indices.numel(); ++k) {
      copy(to, bytes_of(x) + static_cast<size_t>(i * size + rows[k]) * x_around.inner_bytes, x_around.inner_bytes);
      to += x_around.inner_bytes;
    }
  }
  return out;
}

Tensor& unsqueeze_copy_out(KernelRuntimeContext& context, const Tensor& x, int64_t dim, Tensor& out) {
  const auto at = dim_of(dim, x.dim() + 1);
  ET_KERNEL_CHECK(context, at.has_value() && has_memory(x), InvalidArgument, out);
  std::vector<int64_t> sizes = sizes_of(x);
  sizes.insert(sizes.begin() + *at, 1);
  ET_KERNEL_CHECK(context, resize_output(out, sizes, x.scalar_type()), InvalidArgument, out);
  copy(writable_bytes_of(out), bytes_of(x), x.nbytes());
  return out;
}

Tensor& view_copy_out(KernelRuntimeContext& context, const Tensor& x, ArrayRef<int64_t> sizes, Tensor& out) {
  ET_KERNEL_CHECK(context, has_memory(x), InvalidArgument, out);
  std::vector<int64_t> given(sizes.begin(), sizes.end());
  const auto open = std::find(given.begin(), given.end(), -1);
  int64_t product = 1;
  for (auto size = given.begin(); size != given.end(); ++size) {
    const bool is_whole = size == open || (*size >= 0 && !__builtin_mul_overflow(product, *size, &product));
    ET_KERNEL_CHECK(context, is_whole, InvalidArgument, out);
  }
  if (open != given.end()) {
    ET_KERNEL_CHECK(context, product > 0, InvalidArgument, out);
    *open = x.numel() / product;
    product *= *open;
  }
  ET_KERNEL_CHECK(context, product == x.numel(), InvalidArgument, out);
  ET_KERNEL_CHECK(context, resize_output(out, given, x.scalar_type()), InvalidArgument, out);
  copy(writable_bytes_of(out), bytes_of(x), x.nbytes());
  return out;
}

}  // namespace qwen3_tts::exported
