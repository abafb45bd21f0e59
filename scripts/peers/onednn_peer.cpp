// SPDX-License-Identifier: Apache-2.0
// The kernel cases in oneDNN, behind a C interface for onednn_peer.py. Layouts that oneDNN chooses
// ("any") are given and taken as they are: reorders of images are not timed, weights that a case
// holds constant are packed before.
#include <dnnl.hpp>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

using namespace dnnl;
using Tag = memory::format_tag;
using Type = memory::data_type;
using Arguments = std::unordered_map<int, memory>;

namespace {

engine &cpu() {
  static engine instance(engine::kind::cpu, 0);
  return instance;
}
stream &queue() {
  static stream instance(cpu());
  return instance;
}

Tag plain(size_t rank) {
  return rank == 1 ? Tag::a : rank == 2 ? Tag::ab : rank == 3 ? Tag::abc : Tag::abcd;
}
memory::desc described(const memory::dims &sizes, Type type = Type::f32, bool any = false) {
  return {sizes, type, any ? Tag::any : plain(sizes.size())};
}

void copy(memory &from, memory &to) {
  reorder(from, to).execute(queue(), from, to);
  queue().wait();
}

/// Primitives that run one after the other.
class Work {
public:
  void add(const primitive &step, const Arguments &arguments) {
    steps.emplace_back(step, arguments);
  }
  /// Memory in the layout of a primitive, with the elements of a plain array.
  memory input(const memory::desc &wanted, void *data) {
    return input(wanted, data, plainOf(wanted));
  }
  memory input(const memory::desc &wanted, void *data, const memory::desc &given) {
    memory own(given, cpu(), data), result(wanted, cpu());
    copy(own, result);
    return result;
  }
  /// Memory in the layout of a primitive; finish() copies it into a plain array.
  memory output(const memory::desc &wanted, void *data) {
    memory result(wanted, cpu());
    std::memset(result.get_data_handle(), 0, wanted.get_size());
    results.emplace_back(result, memory(plainOf(wanted), cpu(), data));
    return result;
  }
  void run() {
    for (auto &[step, arguments] : steps)
      step.execute(queue(), arguments);
    queue().wait();
  }
  void finish() {
    for (auto &[from, to] : results)
      copy(from, to);
  }

private:
  static memory::desc plainOf(const memory::desc &wanted) {
    return described(wanted.get_dims(), wanted.get_data_type());
  }
  std::vector<std::pair<primitive, Arguments>> steps;
  std::vector<std::pair<memory, memory>> results;
};

std::string lastError;

template <typename Build> void *guarded(Build build) {
  try {
    auto work = std::make_unique<Work>();
    build(*work);
    return work.release();
  } catch (const std::exception &problem) {
    lastError = problem.what();
    return nullptr;
  }
}

} // namespace

extern "C" {

const char *peer_version() {
  static std::string text;
  const dnnl_version_t *version = dnnl_version();
  text = std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
  return text.c_str();
}
const char *peer_error() { return lastError.c_str(); }

double peer_run(void *work, int64_t times) {
  auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < times; ++i)
    static_cast<Work *>(work)->run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
         static_cast<double>(times);
}
void peer_finish(void *work) { static_cast<Work *>(work)->finish(); }
void peer_destroy(void *work) { delete static_cast<Work *>(work); }

/// c = a b, of `batches` (0: without that axis); gelu(a b + bias) with a bias.
void *peer_matmul(int64_t batches, int64_t m, int64_t k, int64_t n, int bf16, int fixedWeights,
                  void *a, void *b, void *bias, void *c) {
  return guarded([&](Work &work) {
    Type type = bf16 ? Type::bf16 : Type::f32;
    auto shape = [&](int64_t rows, int64_t columns) {
      return batches ? memory::dims{batches, rows, columns} : memory::dims{rows, columns};
    };
    memory::desc weights = described(shape(k, n), type, fixedWeights);
    primitive_attr attributes;
    post_ops after;
    if (bias) {
      after.append_eltwise(algorithm::eltwise_gelu_erf, 0, 0);
      attributes.set_post_ops(after);
    }
    memory::desc offset = bias ? described({1, n}) : memory::desc();
    matmul::primitive_desc plan(cpu(), described(shape(m, k), type), weights, offset,
                                described(shape(m, n), type), attributes);
    Arguments arguments = {{DNNL_ARG_SRC, work.input(plan.src_desc(), a)},
                           {DNNL_ARG_WEIGHTS, work.input(plan.weights_desc(), b)},
                           {DNNL_ARG_DST, work.output(plan.dst_desc(), c)}};
    if (bias)
      arguments.emplace(DNNL_ARG_BIAS, work.input(offset, bias));
    work.add(matmul(plan), arguments);
  });
}

void *peer_softmax(int64_t rows, int64_t columns, void *x, void *y) {
  return guarded([&](Work &work) {
    memory::desc shape = described({rows, columns});
    softmax_forward::primitive_desc plan(cpu(), prop_kind::forward_inference,
                                         algorithm::softmax_accurate, shape, shape, 1);
    work.add(softmax_forward(plan),
             {{DNNL_ARG_SRC, work.input(shape, x)}, {DNNL_ARG_DST, work.output(shape, y)}});
  });
}

/// Forward and backward; `in` is x, gamma, beta, dy, and `out` is y, dx, dgamma, dbeta.
void *peer_layernorm(int64_t rows, int64_t columns, void **in, void **out) {
  return guarded([&](Work &work) {
    memory::desc shape = described({rows, columns}), row = described({columns});
    auto flags = normalization_flags::use_scale | normalization_flags::use_shift;
    layer_normalization_forward::primitive_desc forward(cpu(), prop_kind::forward_training, shape,
                                                        shape, 1e-5f, flags);
    layer_normalization_backward::primitive_desc backward(cpu(), prop_kind::backward, shape, shape,
                                                          shape, 1e-5f, flags, forward);
    memory x = work.input(shape, in[0]), gamma = work.input(row, in[1]);
    memory mean(forward.mean_desc(), cpu()), variance(forward.variance_desc(), cpu());
    work.add(layer_normalization_forward(forward), {{DNNL_ARG_SRC, x},
                                                    {DNNL_ARG_SCALE, gamma},
                                                    {DNNL_ARG_SHIFT, work.input(row, in[2])},
                                                    {DNNL_ARG_MEAN, mean},
                                                    {DNNL_ARG_VARIANCE, variance},
                                                    {DNNL_ARG_DST, work.output(shape, out[0])}});
    work.add(layer_normalization_backward(backward),
             {{DNNL_ARG_SRC, x},
              {DNNL_ARG_SCALE, gamma},
              {DNNL_ARG_MEAN, mean},
              {DNNL_ARG_VARIANCE, variance},
              {DNNL_ARG_DIFF_DST, work.input(shape, in[3])},
              {DNNL_ARG_DIFF_SRC, work.output(shape, out[1])},
              {DNNL_ARG_DIFF_SCALE, work.output(row, out[2])},
              {DNNL_ARG_DIFF_SHIFT, work.output(row, out[3])}});
  });
}

/// 3 x 3 convolutions that keep size and channels, bias, relu; four arrays each: x, w, b, y.
void *peer_convolutions(int64_t count, int64_t images, const int64_t *channels,
                        const int64_t *sizes, void **arrays) {
  return guarded([&](Work &work) {
    for (int64_t i = 0; i < count; ++i, arrays += 4) {
      int64_t c = channels[i], s = sizes[i];
      memory::desc image = described({images, c, s, s}, Type::f32, true);
      primitive_attr attributes;
      post_ops after;
      after.append_eltwise(algorithm::eltwise_relu, 0, 0);
      attributes.set_post_ops(after);
      convolution_forward::primitive_desc plan(
          cpu(), prop_kind::forward_inference, algorithm::convolution_auto, image,
          described({c, c, 3, 3}, Type::f32, true), described({c}), image, {1, 1}, {1, 1}, {1, 1},
          attributes);
      work.add(convolution_forward(plan),
               {{DNNL_ARG_SRC, work.input(plan.src_desc(), arrays[0])},
                {DNNL_ARG_WEIGHTS, work.input(plan.weights_desc(), arrays[1])},
                {DNNL_ARG_BIAS, work.input(described({c}), arrays[2])},
                {DNNL_ARG_DST, work.output(plan.dst_desc(), arrays[3])}});
    }
  });
}

/// 3 x 3 of 64 channels, forward and both gradients; `in` is x, w, dy, and `out` is y, dx, dw.
void *peer_convolution_gradients(int64_t images, void **in, void **out) {
  return guarded([&](Work &work) {
    memory::desc image = described({images, 64, 56, 56}, Type::f32, true);
    memory::desc kernel = described({64, 64, 3, 3}, Type::f32, true);
    const memory::dims one = {1, 1};
    convolution_forward::primitive_desc forward(cpu(), prop_kind::forward_training,
                                                algorithm::convolution_auto, image, kernel, image,
                                                one, one, one);
    convolution_backward_data::primitive_desc data(cpu(), algorithm::convolution_auto, image,
                                                   kernel, image, one, one, one, forward);
    convolution_backward_weights::primitive_desc weights(cpu(), algorithm::convolution_auto, image,
                                                         kernel, image, one, one, one, forward);
    work.add(convolution_forward(forward),
             {{DNNL_ARG_SRC, work.input(forward.src_desc(), in[0])},
              {DNNL_ARG_WEIGHTS, work.input(forward.weights_desc(), in[1])},
              {DNNL_ARG_DST, work.output(forward.dst_desc(), out[0])}});
    work.add(convolution_backward_data(data),
             {{DNNL_ARG_DIFF_DST, work.input(data.diff_dst_desc(), in[2])},
              {DNNL_ARG_WEIGHTS, work.input(data.weights_desc(), in[1])},
              {DNNL_ARG_DIFF_SRC, work.output(data.diff_src_desc(), out[1])}});
    work.add(convolution_backward_weights(weights),
             {{DNNL_ARG_SRC, work.input(weights.src_desc(), in[0])},
              {DNNL_ARG_DIFF_DST, work.input(weights.diff_dst_desc(), in[2])},
              {DNNL_ARG_DIFF_WEIGHTS, work.output(weights.diff_weights_desc(), out[2])}});
  });
}

/// 4 x 4 at every second place, 64 channels, 28 x 28 to 56 x 56.
void *peer_transposed_convolution(int64_t images, void *x, void *w, void *y) {
  return guarded([&](Work &work) {
    deconvolution_forward::primitive_desc plan(
        cpu(), prop_kind::forward_inference, algorithm::deconvolution_direct,
        described({images, 64, 28, 28}, Type::f32, true),
        described({64, 64, 4, 4}, Type::f32, true),
        described({images, 64, 56, 56}, Type::f32, true), {2, 2}, {1, 1}, {1, 1});
    memory::desc given({64, 64, 4, 4}, Type::f32, Tag::bacd); // input channels first
    work.add(deconvolution_forward(plan),
             {{DNNL_ARG_SRC, work.input(plan.src_desc(), x)},
              {DNNL_ARG_WEIGHTS, work.input(plan.weights_desc(), w, given)},
              {DNNL_ARG_DST, work.output(plan.dst_desc(), y)}});
  });
}

} // extern "C"
