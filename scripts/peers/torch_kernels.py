# SPDX-License-Identifier: Apache-2.0
"""The kernel cases in PyTorch."""

import torch
import torch.nn.functional as F

from common import Prepared
from torch_peer import EAGER, array, case, tensor


def forward(data, compiled, names, outputs=("y",), layout=None):
    """A case without gradients: `compiled` of the inputs of these names gives the outputs."""
    torch.set_grad_enabled(False)
    args = [tensor(data.input[name]) for name in names]
    if layout:
        args = [layout(arg) for arg in args]

    def results(returned):
        values = returned if isinstance(returned, tuple) else (returned,)
        return {"output/" + name: array(value) for name, value in zip(outputs, values)}
    return Prepared(lambda: compiled(*args), results)


def backward(data, compiled, wrt, others, cotangent, outputs, layout=lambda x: x):
    """Forward and the gradients in the inputs `wrt`."""
    leaves = [layout(tensor(data.input[name])).requires_grad_() for name in wrt]
    rest = [tensor(data.input[name]) for name in others]
    dy = layout(tensor(data.input[cotangent]))

    def call():
        y = compiled(*leaves, *rest)
        return (y, *torch.autograd.grad(y, leaves, dy.reshape(y.shape)))
    shapes = {name: data.output[name].shape for name in outputs}
    return Prepared(call, lambda returned: {"output/" + name: array(value).reshape(shapes[name])
                                            for name, value in zip(outputs, returned)})


def channels_last(x):
    return x.to(memory_format=torch.channels_last) if x.dim() == 4 else x


# -- Elementwise --------------------------------------------------------------------------------------------------------

@case("chain10_16m")
def chain10(data, compiler):
    def chain(x):
        a = x * 1.5
        b = a + 0.25
        c = torch.clamp_min(b, -2.0)
        f = torch.exp(-c) * x + a
        return torch.where(f > x, f, b) * 0.5
    return forward(data, compiler(chain), ["x"])


@case("diff_square_sum_256")
def diff_square_sum(data, compiler):
    return forward(data, compiler(lambda a, b: (a[:, None, :] - b[None, :, :]).square().sum(2)), ["a", "b"])


@case("rbf_8192_fwd_grad")
def rbf(data, compiler):
    def kernel(x, y, weight):
        distance = (x[:, None, :] - y[None, :, :]).square().sum(2)
        return (torch.exp(distance * -0.5) * weight).sum(1)
    return backward(data, compiler(kernel), ["x"], ["y", "weight"], "df", ["f", "dx"])


@case("adamw_25m", eager=True)
def adamw(data, compiler):
    names = sorted((name for name in data.state if name.startswith("p") and "/" not in name), key=lambda n: int(n[1:]))
    parameters = [torch.nn.Parameter(tensor(data.state[name])) for name in names]
    for name, parameter in zip(names, parameters):
        parameter.grad = tensor(data.input["g" + name[1:]])
    fused = compiler.variant == EAGER
    optimizer = torch.optim.AdamW(parameters, fused=fused, foreach=not fused)
    return Prepared(compiler(optimizer.step, whole=False),
                    lambda _: {"updated/" + name: array(value) for name, value in zip(names, parameters)})


# -- Rows ---------------------------------------------------------------------------------------------------------------

@case("softmax_4096x1024", eager=True)
def softmax(data, compiler):
    return forward(data, compiler(lambda x: torch.softmax(x, -1)), ["x"])


@case("layernorm_fwd_bwd_4096x1024", eager=True)
def layer_norm(data, compiler):
    return backward(data, compiler(lambda x, gamma, beta: F.layer_norm(x, (1024,), gamma, beta)),
                    ["x", "gamma", "beta"], [], "dy", ["y", "dx", "dgamma", "dbeta"])


@case("embedding_fwd_bwd_64k_256", eager=True)
def embedding(data, compiler):
    tokens = tensor(data.input["tokens"]).long()
    compiled = compiler(lambda table, tokens: F.embedding(tokens, table))
    return backward(data, lambda table: compiled(table, tokens), ["table"], [], "dy", ["y", "dtable"])


# -- Contractions -------------------------------------------------------------------------------------------------------

@case("gemm_f32_1024", eager=True)
@case("gemm_bf16_1024", eager=True)
def gemm(data, compiler):
    return forward(data, compiler(torch.mm), ["a", "b"], ["c"])


@case("gemm_batched_256x64", eager=True)
def batched(data, compiler):
    return forward(data, compiler(torch.bmm), ["a", "b"], ["c"])


@case("linear_gelu_128x768x3072", eager=True)
def linear_gelu(data, compiler):
    return forward(data, compiler(lambda x, w, b: F.gelu(torch.addmm(b, x, w))), ["x", "w", "b"])


@case("gemm_16x4096x4096", eager=True)
@case("gemv_4096", eager=True)
def fixed_linear(data, compiler):
    layer = torch.nn.Linear(4096, 4096, bias=False).eval().requires_grad_(False)
    layer.weight.copy_(tensor(data.constant["w"]).t())
    return forward(data, compiler(layer, frozen=True), ["x"])


@case("attention_causal_fwd_bwd_12x1024x64", eager=True)
def attention(data, compiler):
    def attend(q, k, v):
        return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)
    return backward(data, compiler(attend), ["q", "k", "v"], [], "dy", ["y", "dq", "dk", "dv"])


# -- Convolutions -------------------------------------------------------------------------------------------------------

class ConvolutionSet(torch.nn.Module):
    sizes = (56, 28, 14, 7)

    def __init__(self, data):
        super().__init__()
        for size in self.sizes:
            channels = 64 * 56 // size
            layer = torch.nn.Conv2d(channels, channels, 3, padding=1)
            layer.weight = torch.nn.Parameter(tensor(data.constant[f"w{size}"]))
            layer.bias = torch.nn.Parameter(tensor(data.constant[f"b{size}"]))
            self.add_module(f"conv{size}", layer)

    def forward(self, *xs):
        return tuple(torch.relu(getattr(self, f"conv{size}")(x)) for size, x in zip(self.sizes, xs))


@case("resnet_conv3x3_set", eager=True)
def convolution_set(data, compiler):
    model = ConvolutionSet(data).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    sizes = ConvolutionSet.sizes
    return forward(data, compiler(model, frozen=True), [f"x{size}" for size in sizes], [f"y{size}" for size in sizes],
                   layout=channels_last)


@case("conv2d_3x3_fwd_bwd_64_56", eager=True)
def convolution_gradients(data, compiler):
    return backward(data, compiler(lambda x, w: F.conv2d(x, w, padding=1)), ["x", "w"], [], "dy", ["y", "dx", "dw"],
                    layout=channels_last)


@case("conv_transpose_4x4_64_56", eager=True)
def transposed_convolution(data, compiler):
    return forward(data, compiler(lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1)), ["x", "w"],
                   layout=channels_last)


@case("empty_call")
def empty_call(data, compiler):
    return forward(data, compiler(lambda a, b: a + b), ["a", "b"])
