# SPDX-License-Identifier: Apache-2.0
"""The networks in JAX, with parameters as dicts by our names."""

import jax
import jax.numpy as jnp
from jax import lax

from jax_peer import case, forward, tensor, training

IMAGES = ("NCHW", "OIHW", "NCHW")
VWW_BLOCKS = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]


def convolve(x, w, stride=1, groups=1):
    padding = [(w.shape[2] // 2,) * 2] * 2
    return lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=IMAGES,
                                    feature_group_count=groups)


def cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1).mean()


# -- MobileNet, inference -----------------------------------------------------------------------------------------------

@case("vww_inference")
def vww(data):
    constants = {name: tensor(value) for name, value in data.constant.items()}

    def network(x):
        layers, channels = [(2, 1)], 8
        for following, stride in VWW_BLOCKS:
            layers += [(stride, channels), (1, 1)]
            channels = following
        for i, (stride, groups) in enumerate(layers):
            x = jax.nn.relu(convolve(x, constants[f"w{i}"], stride, groups) + constants[f"b{i}"][:, None, None])
        return jax.nn.softmax(x.mean((2, 3)) @ constants["out.w"] + constants["out.b"])
    return forward(data, network, ["x"], ["probabilities"])


# -- ResNet-8, a training step ------------------------------------------------------------------------------------------

def resnet8_step(state, x, labels):
    parameters, momenta, statistics = state

    def loss_of(parameters):
        updated = {}

        def unit(conv, norm, x, stride=1):
            y = convolve(x, parameters[conv + ".weight"], stride)
            mean = y.mean((0, 2, 3))
            variance = jnp.square(y - mean[:, None, None]).mean((0, 2, 3))
            count = y.size / y.shape[1]
            updated[norm + ".mean"] = 0.9 * statistics[norm + ".mean"] + 0.1 * mean
            updated[norm + ".variance"] = 0.9 * statistics[norm + ".variance"] + 0.1 * variance * count / (count - 1)
            scale = parameters[norm + ".gamma"] * lax.rsqrt(variance + 1e-5)
            return (y - mean[:, None, None]) * scale[:, None, None] + parameters[norm + ".beta"][:, None, None]

        h = jax.nn.relu(unit("conv", "norm", x))
        for name, stride in (("stage1", 1), ("stage2", 2), ("stage3", 2)):
            y = jax.nn.relu(unit(name + ".conv1", name + ".norm1", h, stride))
            y = unit(name + ".conv2", name + ".norm2", y)
            if stride != 1:
                h = convolve(h, parameters[name + ".shortcut.weight"], stride)
            h = jax.nn.relu(y + h)
        return cross_entropy(h.mean((2, 3)) @ parameters["out.weight"] + parameters["out.bias"], labels), updated

    (loss, updated), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters)
    for name in parameters:
        momenta[name] = 0.9 * momenta[name] + gradients[name] + 1e-4 * parameters[name]
    parameters = {name: value - 0.01 * momenta[name] for name, value in parameters.items()}
    return (parameters, momenta, updated), loss


def resnet8_state(data):
    named = {name: tensor(value) for name, value in data.state.items() if "/" not in name}
    statistics = {name: value for name, value in named.items() if name.endswith((".mean", ".variance"))}
    parameters = {name: value for name, value in named.items() if name not in statistics}
    return parameters, {name: jnp.zeros_like(value) for name, value in parameters.items()}, statistics


@case("resnet8_train_step")
def resnet8(data):
    return training(data, resnet8_step, resnet8_state(data), ["x", "labels"], lambda state: {**state[0], **state[2]})


# -- GPT, a training step -----------------------------------------------------------------------------------------------

def adamw_update(state, gradients, rate, decay):
    parameters, means, squares, count = state
    count = count + 1
    updated = {}
    means = {name: 0.9 * means[name] + 0.1 * gradients[name] for name in parameters}
    squares = {name: 0.999 * squares[name] + 0.001 * jnp.square(gradients[name]) for name in parameters}
    first, second = 1 - 0.9 ** count, 1 - 0.999 ** count
    for name, value in parameters.items():
        step = means[name] / first / (jnp.sqrt(squares[name] / second) + 1e-8)
        updated[name] = value * (1 - rate * decay) - rate * step
    return updated, means, squares, count


def gpt_loss(parameters, tokens, targets, dtype, heads=6):
    def project(x, w):
        return x.astype(dtype) @ w.astype(dtype)

    def normalize(name, x):
        mean = x.mean(-1, keepdims=True)
        variance = jnp.square(x - mean).mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(variance + 1e-5) * parameters[name + ".gamma"] + parameters[name + ".beta"]

    h = parameters["wte"][tokens] + parameters["wpe"]
    batch, positions, width = h.shape
    layers = sum(name.endswith(".qkv") for name in parameters)
    for i in range(layers):
        name = f"h{i}."
        qkv = project(normalize(name + "ln1", h), parameters[name + "qkv"])
        q, k, v = (part.reshape(batch, positions, heads, width // heads) for part in jnp.split(qkv, 3, -1))
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(batch, positions, width)
        h = h + project(y, parameters[name + "proj"])
        hidden = jax.nn.gelu(project(normalize(name + "ln2", h), parameters[name + "fc"]), approximate=True)
        h = h + project(hidden, parameters[name + "out"])
    logits = project(normalize("ln", h), parameters["wte"].T)
    return cross_entropy(logits.astype(jnp.float32), targets)


def gpt_step(dtype):
    def step(state, tokens, targets):
        loss, gradients = jax.value_and_grad(gpt_loss)(state[0], tokens, targets, dtype)
        return adamw_update(state, gradients, 3e-4, 0.1), loss
    return step


def gpt_state(data):
    parameters = {name: tensor(value) for name, value in data.state.items() if "/" not in name and "adam" not in name}
    zeros = [{name: jnp.zeros_like(value) for name, value in parameters.items()} for _ in range(2)]
    return parameters, *zeros, jnp.float32(0)


@case("gpt_mini_train_step")
def gpt(data, dtype=jnp.float32):
    return training(data, gpt_step(dtype), gpt_state(data), ["tokens", "targets"], lambda state: state[0])


@case("gpt_mini_bf16_train_step")
def gpt_bf16(data):
    return gpt(data, jnp.bfloat16)
