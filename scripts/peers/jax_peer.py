# SPDX-License-Identifier: Apache-2.0
"""JAX on the CPU: jax.jit as it comes; training steps donate what they replace."""

import ml_dtypes
import numpy as np

import jax
import jax.numpy as jnp

from common import Prepared

CASES = {}
JIT = "jax.jit"


def case(name):
    """Registers a function(data) -> common.Prepared."""
    def register(function):
        CASES[name] = function
        return function
    return register


def tensor(array):
    return jnp.asarray(array.view(ml_dtypes.bfloat16) if array.dtype == np.uint16 else array)


def array(value):
    value = np.asarray(value)
    return value.view(np.uint16) if value.dtype == ml_dtypes.bfloat16 else value


def forward(data, function, names, outputs=("y",)):
    """`function` of the inputs of these names gives the outputs; gradients are among them."""
    jitted = jax.jit(function)
    args = [tensor(data.input[name]) for name in names]

    def results(returned):
        values = returned if isinstance(returned, tuple) else (returned,)
        return {"output/" + name: array(value) for name, value in zip(outputs, values)}
    return Prepared(lambda: jax.block_until_ready(jitted(*args)), results)


def training(data, step, state, names, updated):
    """`step(state, *inputs)` gives the new state and the loss; `updated` turns a state into arrays by our names."""
    jitted = jax.jit(step, donate_argnums=0)
    args = [tensor(data.input[name]) for name in names]
    current = [state]

    def call():
        current[0], loss = jax.block_until_ready(jitted(current[0], *args))
        return loss

    def results(loss):
        return {"output/loss": array(loss), **{"updated/" + name: array(value)
                                               for name, value in updated(current[0]).items()}}
    return Prepared(call, results)


def versions():
    return {"jax": jax.__version__, "jaxlib": jax.lib.__version__}


def variants(name, options):
    return [JIT] if name in CASES else []


def prepare(name, variant, data):
    return CASES[name](data)


def forget():
    jax.clear_caches()


import jax_kernels  # noqa: E402,F401  they register themselves
import jax_networks  # noqa: E402,F401
