# SPDX-License-Identifier: Apache-2.0
"""The networks in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn

from common import Prepared
from torch_kernels import channels_last, forward
from torch_peer import array, case, tensor


def load(module_parameter, values):
    with torch.no_grad():
        module_parameter.copy_(values)


# -- MobileNet, inference -----------------------------------------------------------------------------------------------

VWW_BLOCKS = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]


def vww_layers():
    """(channels, kernel, stride, groups) of every convolution."""
    layers, channels = [(8, 3, 2, 1)], 8
    for following, stride in VWW_BLOCKS:
        layers += [(channels, 3, stride, channels), (following, 1, 1, 1)]
        channels = following
    return layers


class Vww(nn.Module):
    def __init__(self, constants):
        super().__init__()
        layers, channels = [], 3
        for i, (following, kernel, stride, groups) in enumerate(vww_layers()):
            conv = nn.Conv2d(channels, following, kernel, stride, kernel // 2, groups=groups)
            load(conv.weight, tensor(constants[f"w{i}"]))
            load(conv.bias, tensor(constants[f"b{i}"]))
            layers += [conv, nn.ReLU()]
            channels = following
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(256, 2)
        load(self.out.weight, tensor(constants["out.w"]).t())
        load(self.out.bias, tensor(constants["out.b"]))

    def forward(self, x):
        return torch.softmax(self.out(self.layers(x).mean((2, 3))), -1)


@case("vww_inference", eager=True)
def vww(data, compiler):
    model = Vww(data.constant).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return forward(data, compiler(model, frozen=True), ["x"], ["probabilities"], layout=channels_last)


# -- ResNet-8, a training step ------------------------------------------------------------------------------------------

class Unit(nn.Module):
    def __init__(self, conv, norm):
        super().__init__()
        self.conv, self.norm = conv, norm

    def forward(self, x):
        return self.norm(self.conv(x))


class ResNet8(nn.Module):
    """self.named maps our names of variables to tensors."""

    def __init__(self, state):
        super().__init__()
        self.named = {}
        self.first = self.unit(state, "conv", "norm", 3, 16, 1)
        stages, channels = [], 16
        for i, (following, stride) in enumerate([(16, 1), (32, 2), (64, 2)]):
            name = f"stage{i + 1}."
            stage = nn.ModuleList([self.unit(state, name + "conv1", name + "norm1", channels, following, stride),
                                   self.unit(state, name + "conv2", name + "norm2", following, following, 1)])
            if stride != 1:
                stage.append(self.convolution(state, name + "shortcut", channels, following, 1, stride))
            stages.append(stage)
            channels = following
        self.stages = nn.ModuleList(stages)
        self.out = nn.Linear(64, 10)
        load(self.out.weight, tensor(state["out.weight"]).t())
        load(self.out.bias, tensor(state["out.bias"]))
        self.named["out.bias"] = self.out.bias

    def convolution(self, state, name, channels, following, kernel, stride):
        conv = nn.Conv2d(channels, following, kernel, stride, kernel // 2, bias=False)
        load(conv.weight, tensor(state[name + ".weight"]))
        self.named[name + ".weight"] = conv.weight
        return conv

    def unit(self, state, conv, norm, channels, following, stride):
        layer = nn.BatchNorm2d(following)  # its momentum 0.1 is our 0.9
        for ours, theirs in (("gamma", layer.weight), ("beta", layer.bias), ("mean", layer.running_mean),
                             ("variance", layer.running_var)):
            load(theirs, tensor(state[f"{norm}.{ours}"]))
            self.named[f"{norm}.{ours}"] = theirs
        return Unit(self.convolution(state, conv, channels, following, 3, stride), layer)

    def forward(self, x, labels):
        h = torch.relu(self.first(x))
        for stage in self.stages:
            y = stage[1](torch.relu(stage[0](h)))
            h = torch.relu(y + (stage[2](h) if len(stage) == 3 else h))
        return F.cross_entropy(self.out(h.mean((2, 3))), labels)


def training(model, compiled, optimizer, args, named):
    def call():
        loss = compiled(*args)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    def results(loss):
        return {"output/loss": array(loss), **{"updated/" + name: array(value) for name, value in named().items()}}
    return Prepared(call, results)


@case("resnet8_train_step", eager=True)
def resnet8(data, compiler):
    model = ResNet8(data.state).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    args = (channels_last(tensor(data.input["x"])), tensor(data.input["labels"]).long())
    return training(model, compiler(model), optimizer, args,
                    lambda: {**model.named, "out.weight": model.out.weight.t()})


# -- GPT, a training step -----------------------------------------------------------------------------------------------

class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.fc, self.out = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, h):
        batch, positions, width = h.shape
        q, k, v = (part.view(batch, positions, self.heads, width // self.heads).transpose(1, 2)
                   for part in self.qkv(self.ln1(h)).split(width, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.proj(y.transpose(1, 2).reshape(batch, positions, width))
        return h + self.out(F.gelu(self.fc(self.ln2(h)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, state, heads=6):
        super().__init__()
        vocabulary, width = state["wte"].shape
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(*state["wpe"].shape)
        layers = sum(name.startswith("h") and name.endswith(".qkv") and "/" not in name for name in state)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.ln = nn.LayerNorm(width)
        for ours, theirs in self.named().items():
            load(theirs, tensor(state[ours]))

    def named(self):
        names = {"wte": self.wte.weight, "wpe": self.wpe.weight, "ln.gamma": self.ln.weight, "ln.beta": self.ln.bias}
        for i, block in enumerate(self.blocks):
            for norm in ("ln1", "ln2"):
                names[f"h{i}.{norm}.gamma"] = getattr(block, norm).weight
                names[f"h{i}.{norm}.beta"] = getattr(block, norm).bias
            for layer in ("qkv", "proj", "fc", "out"):
                names[f"h{i}.{layer}"] = getattr(block, layer).weight.t()
        return names

    def forward(self, tokens, targets):
        h = self.wte(tokens) + self.wpe.weight
        for block in self.blocks:
            h = block(h)
        logits = F.linear(self.ln(h), self.wte.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


@case("gpt_mini_train_step", eager=True)
def gpt(data, compiler, dtype=None):
    model = Gpt(data.state).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1, fused=True)
    args = tuple(tensor(data.input[name]).long() for name in ("tokens", "targets"))

    def mixed(tokens, targets):
        with torch.autocast("cpu", dtype=dtype):
            return model(tokens, targets)
    return training(model, compiler(mixed if dtype else model), optimizer, args, model.named)


@case("gpt_mini_bf16_train_step", eager=True)
def gpt_bf16(data, compiler):
    return gpt(data, compiler, torch.bfloat16)
