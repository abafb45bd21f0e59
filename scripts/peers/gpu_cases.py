# SPDX-License-Identifier: Apache-2.0
"""The cases of tools/fused-bench/GpuCases.cpp in PyTorch, on any device. A case is a function of common.Data (arrays as
tensors of that device) and of a compiler of functions; it gives a common.Prepared."""

import torch
import torch.nn.functional as F
from torch import nn

from common import Prepared
from torch_networks import Gpt, Unit

CASES = {}


def case(*names):
    def register(function):
        CASES.update(dict.fromkeys(names, function))
        return function
    return register


def array(value):
    """For common.difference(): numpy has no bf16."""
    return value.detach().float().cpu().numpy() if value.dtype == torch.bfloat16 else value.detach().cpu().numpy()


def forward(data, compiler, function, names):
    compiled = compiler(function)
    args = [data.input[name] for name in names]

    def call():
        with torch.no_grad():
            return compiled(*args)
    return Prepared(call, lambda y: {"output/" + name: array(y) for name in data.output})


def both(data, compiler, function, names, slope="dy", result="y"):
    """Forward, and the gradients of the inputs `names`, whose results are called d + name."""
    compiled = compiler(function)
    args = [data.input[name].detach().requires_grad_() for name in names]

    def call():
        y = compiled(*args)
        return y, torch.autograd.grad(y, args, data.input[slope] if slope else None)

    def results(returned):
        y, slopes = returned
        return {"output/" + result: array(y), **{f"output/d{n}": array(s) for n, s in zip(names, slopes)}}
    return Prepared(call, results)


@case("chain5_256m")
def chain5(data, compiler):
    return forward(data, compiler, lambda x: torch.clamp_min(x * 1.5 + 0.25, -2.0) * x - 0.5, ["x"])


@case("sum_1g")
def sum_of_all(data, compiler):
    return forward(data, compiler, lambda x: x.sum(), ["x"])


@case("softmax_16kx4k", "softmax_16kx128k")
def softmax(data, compiler):
    return forward(data, compiler, lambda x: torch.softmax(x, -1), ["x"])


@case("rmsnorm_fwd_bwd_16kx4k")
def rms_norm(data, compiler):
    return both(data, compiler, lambda x, gamma: F.rms_norm(x, gamma.shape, gamma, 1e-5), ["x", "gamma"])


@case("layernorm_fwd_bwd_16kx4k")
def layer_norm(data, compiler):
    return both(data, compiler, lambda x, gamma, beta: F.layer_norm(x, gamma.shape, gamma, beta, 1e-5),
                ["x", "gamma", "beta"])


@case("gemm_bf16_4096", "gemm_bf16_8192", "gemm_bf16_16x8192x8192")
def gemm(data, compiler):
    return forward(data, compiler, torch.matmul, ["a", "b"])


@case("mlp_epilogue_8192x4096x16384")
def mlp(data, compiler):
    def function(x, w1, b1, w2):
        h = x @ w1 * 0.01 + b1
        h = F.silu(h) * (h * 0.5 + 1.0)
        return x + torch.tanh(h @ w2 * 0.01)
    return forward(data, compiler, function, ["x", "w1", "b1", "w2"])


def causal(q, k, v):
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]


@case("attention_causal_64x4096x128")
def attention(data, compiler):
    return forward(data, compiler, causal, ["q", "k", "v"])


@case("attention_causal_fwd_bwd_64x4096x128")
def attention_both(data, compiler):
    return both(data, compiler, causal, ["q", "k", "v"])


@case("linear_cross_entropy_128k")
def linear_cross_entropy(data, compiler):
    labels = data.input["labels"].long()
    return both(data, compiler, lambda x, w: F.cross_entropy(((x * 0.01) @ w).float(), labels), ["x", "w"], slope=None,
                result="loss")


# -- Networks -----------------------------------------------------------------------------------------------------------

class Stepper:
    """A training step: the model compiled, and its optimizer as a whole where that can be compiled, too."""

    def __init__(self, compiler, loss_of, optimizer, named):
        compiled = compiler(loss_of)
        step = compiler(optimizer.step, whole=False)

        def call():
            loss = compiled()
            loss.backward()
            step()
            optimizer.zero_grad(set_to_none=True)
            return loss
        self.call, self.named = call, named

    def prepared(self):
        return Prepared(self.call, lambda loss: {
            "output/loss": array(loss), **{"updated/" + name: array(value) for name, value in self.named().items()}})


def load(parameter, values):
    with torch.no_grad():
        parameter.copy_(values)


class ResNet50(nn.Module):
    """Of any bottlenecks: what there is in `state` says which. self.named maps our names of variables to tensors."""

    def __init__(self, state):
        super().__init__()
        self.named = {}
        self.first = self.unit(state, "conv", "norm", 2)
        self.stages = nn.ModuleList()
        stage = 0
        while f"stage{stage}.0.conv1.weight" in state:
            block = 0
            while f"stage{stage}.{block}.conv1.weight" in state:
                name, stride = f"stage{stage}.{block}.", 2 if block == 0 and stage > 0 else 1
                parts = [self.unit(state, name + "conv1", name + "norm1", 1),
                         self.unit(state, name + "conv2", name + "norm2", stride),
                         self.unit(state, name + "conv3", name + "norm3", 1)]
                if name + "shortcut.weight" in state:
                    parts.append(self.unit(state, name + "shortcut", name + "norm", stride))
                self.stages.append(nn.ModuleList(parts))
                block += 1
            stage += 1
        weight = state["out.weight"]
        self.out = nn.Linear(*weight.shape, device=weight.device)
        load(self.out.weight, weight.t())
        load(self.out.bias, state["out.bias"])
        self.named["out.bias"] = self.out.bias

    def unit(self, state, conv, norm, stride):
        weight = state[conv + ".weight"]
        following, channels, kernel, _ = weight.shape
        layer = nn.Conv2d(channels, following, kernel, stride, kernel // 2, bias=False, device=weight.device)
        load(layer.weight, weight)
        self.named[conv + ".weight"] = layer.weight
        scale = nn.BatchNorm2d(following, device=weight.device)  # its momentum 0.1 is our 0.9
        for ours, theirs in (("gamma", scale.weight), ("beta", scale.bias), ("mean", scale.running_mean),
                             ("variance", scale.running_var)):
            load(theirs, state[f"{norm}.{ours}"])
            self.named[f"{norm}.{ours}"] = theirs
        return Unit(layer, scale)

    def forward(self, x):
        h = F.max_pool2d(torch.relu(self.first(x)), 3, 2, 1)
        for block in self.stages:
            y = block[2](torch.relu(block[1](torch.relu(block[0](h)))))
            h = torch.relu(y + (block[3](h) if len(block) == 4 else h))
        return self.out(h.float().mean((2, 3)))


@case("resnet50_train_step")
def resnet50(data, compiler):
    x = data.input["x"].contiguous(memory_format=torch.channels_last)
    labels = data.input["labels"].long()
    model = ResNet50(data.state).train().to(memory_format=torch.channels_last)

    def loss_of():
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            scores = model(x)
        return F.cross_entropy(scores.float(), labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    return Stepper(compiler, loss_of, optimizer,
                   lambda: {**model.named, "out.weight": model.out.weight.t()}).prepared()


@case("gpt2_124m_train_step")
def gpt2(data, compiler):
    tokens, targets = data.input["tokens"].long(), data.input["targets"].long()
    width = data.state["wte"].shape[1]
    model = Gpt({name: value.float().cpu().numpy() for name, value in data.state.items()}, heads=width // 64)
    model = model.to(tokens.device).train()

    def loss_of():
        with torch.autocast(tokens.device.type, dtype=torch.bfloat16):
            return model(tokens, targets)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1, fused=True)
    return Stepper(compiler, loss_of, optimizer, model.named).prepared()


@case("tiny_train_step")
def tiny(data, compiler):
    x, labels = data.input["x"], data.input["labels"].long()
    layers = sum(name.startswith("w") and "/" not in name for name in data.state)
    named = {name: data.state[name].clone().requires_grad_()
             for i in range(layers) for name in (f"w{i}", f"b{i}")}

    def loss_of():
        h = x
        for i in range(layers):
            h = h @ named[f"w{i}"] + named[f"b{i}"]
            if i + 1 < layers:
                h = torch.relu(h)
        return F.cross_entropy(h, labels)
    optimizer = torch.optim.Adam(named.values(), lr=1e-3, fused=True)
    return Stepper(compiler, loss_of, optimizer, lambda: named).prepared()
