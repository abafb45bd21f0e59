# SPDX-License-Identifier: Apache-2.0
"""The kernel cases in JAX."""

import jax
import jax.numpy as jnp
from jax import lax

from jax_peer import case, forward, tensor

IMAGES = ("NCHW", "OIHW", "NCHW")


def with_gradients(function, wrt):
    """function(inputs..., cotangent) giving the value and the gradients in the first `wrt` inputs."""
    def both(*args):
        rest = args[wrt:-1]
        y, pullback = jax.vjp(lambda *leaves: function(*leaves, *rest), *args[:wrt])
        return (y, *pullback(args[-1]))
    return both


# -- Elementwise --------------------------------------------------------------------------------------------------------

@case("chain10_16m")
def chain10(data):
    def chain(x):
        a = x * 1.5
        b = a + 0.25
        c = jnp.maximum(b, -2.0)
        f = jnp.exp(-c) * x + a
        return jnp.where(f > x, f, b) * 0.5
    return forward(data, chain, ["x"])


@case("diff_square_sum_256")
def diff_square_sum(data):
    return forward(data, lambda a, b: jnp.square(a[:, None, :] - b[None, :, :]).sum(2), ["a", "b"])


@case("rbf_8192_fwd_grad")
def rbf(data):
    def kernel(x, y, weight):
        distance = jnp.square(x[:, None, :] - y[None, :, :]).sum(2)
        return (jnp.exp(distance * -0.5) * weight).sum(1)
    return forward(data, with_gradients(kernel, 1), ["x", "y", "weight", "df"], ["f", "dx"])


@case("adamw_25m")
def adamw(data):
    from jax_networks import adamw_update
    from jax_peer import training
    names = [name for name in data.state if name.startswith("p") and "/" not in name]
    parameters = {name: tensor(data.state[name]) for name in names}
    zeros = {name: jnp.zeros_like(value) for name, value in parameters.items()}
    state = (parameters, zeros, {name: jnp.zeros_like(value) for name, value in parameters.items()}, jnp.float32(0))

    def step(state, *gradients):
        return adamw_update(state, dict(zip(names, gradients)), 1e-3, 1e-2), jnp.float32(0)
    prepared = training(data, step, state, ["g" + name[1:] for name in names], lambda state: state[0])
    results = prepared.results
    prepared.results = lambda loss: {key: value for key, value in results(loss).items() if key != "output/loss"}
    return prepared


# -- Rows ---------------------------------------------------------------------------------------------------------------

@case("softmax_4096x1024")
def softmax(data):
    return forward(data, lambda x: jax.nn.softmax(x, -1), ["x"])


@case("layernorm_fwd_bwd_4096x1024")
def layer_norm(data):
    def normalize(x, gamma, beta):
        mean = x.mean(-1, keepdims=True)
        variance = jnp.square(x - mean).mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-5) * gamma + beta
    return forward(data, with_gradients(normalize, 3), ["x", "gamma", "beta", "dy"], ["y", "dx", "dgamma", "dbeta"])


@case("embedding_fwd_bwd_64k_256")
def embedding(data):
    return forward(data, with_gradients(lambda table, tokens: table[tokens], 1), ["table", "tokens", "dy"],
                   ["y", "dtable"])


# -- Contractions -------------------------------------------------------------------------------------------------------

@case("gemm_f32_1024")
@case("gemm_bf16_1024")
@case("gemm_batched_256x64")
def gemm(data):
    return forward(data, jnp.matmul, ["a", "b"], ["c"])


@case("linear_gelu_128x768x3072")
def linear_gelu(data):
    return forward(data, lambda x, w, b: jax.nn.gelu(x @ w + b, approximate=False), ["x", "w", "b"])


@case("gemm_16x4096x4096")
@case("gemv_4096")
def fixed_linear(data):
    w = tensor(data.constant["w"])
    return forward(data, lambda x: x @ w, ["x"])


@case("attention_causal_fwd_bwd_12x1024x64")
def attention(data):
    def attend(q, k, v):
        q, k, v = (x.transpose(1, 0, 2)[None] for x in (q, k, v))  # [batch, positions, heads, width]
        return jax.nn.dot_product_attention(q, k, v, is_causal=True)[0].transpose(1, 0, 2)
    return forward(data, with_gradients(attend, 3), ["q", "k", "v", "dy"], ["y", "dq", "dk", "dv"])


# -- Convolutions -------------------------------------------------------------------------------------------------------

@case("resnet_conv3x3_set")
def convolution_set(data):
    sizes = (56, 28, 14, 7)
    weights = [(tensor(data.constant[f"w{size}"]), tensor(data.constant[f"b{size}"])) for size in sizes]

    def convolve(*xs):
        return tuple(jax.nn.relu(lax.conv_general_dilated(x, w, (1, 1), [(1, 1)] * 2, dimension_numbers=IMAGES) +
                                 b[:, None, None]) for x, (w, b) in zip(xs, weights))
    return forward(data, convolve, [f"x{size}" for size in sizes], [f"y{size}" for size in sizes])


@case("conv2d_3x3_fwd_bwd_64_56")
def convolution_gradients(data):
    def convolve(x, w):
        return lax.conv_general_dilated(x, w, (1, 1), [(1, 1)] * 2, dimension_numbers=IMAGES)
    return forward(data, with_gradients(convolve, 2), ["x", "w", "dy"], ["y", "dx", "dw"])


@case("conv_transpose_4x4_64_56")
def transposed_convolution(data):
    def convolve(x, w):
        # The transpose of a convolution: its kernel turned around, between zeros.
        return lax.conv_general_dilated(x, jnp.flip(w, (2, 3)).swapaxes(0, 1), (1, 1), [(2, 2)] * 2,
                                        lhs_dilation=(2, 2), dimension_numbers=IMAGES)
    return forward(data, convolve, ["x", "w"])


@case("empty_call")
def empty_call(data):
    return forward(data, lambda a, b: a + b, ["a", "b"])
