# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, for the cases of inference: models made node by node, all optimisations on, inputs and outputs bound."""

import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from common import Prepared

CASES = {}
RUNTIME = "ONNX Runtime"
OPSET = 20


def case(name):
    """Registers a function(Model, Data) that adds nodes."""
    def register(function):
        CASES[name] = function
        return function
    return register


class Model:
    def __init__(self, data):
        self.data = data
        self.nodes, self.constants, self.count = [], [], 0

    def node(self, kind, inputs, output=None, **attributes):
        self.count += 1
        output = output or f"t{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, array):
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def bytes(self):
        def value(name, array):
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        inputs = [value(name, array) for name, array in self.data.input.items()]
        outputs = [value(name, array) for name, array in self.data.output.items()]
        graph = helper.make_graph(self.nodes, "case", inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        onnx.checker.check_model(model)
        return model.SerializeToString()


# -- Kernels ------------------------------------------------------------------------------------------------------------

def scalar(value):
    return np.float32(value)


@case("chain10_16m")
def chain10(model, data):
    a = model.node("Mul", ["x", model.constant(scalar(1.5))])
    b = model.node("Add", [a, model.constant(scalar(0.25))])
    c = model.node("Max", [b, model.constant(scalar(-2))])
    e = model.node("Mul", [model.node("Exp", [model.node("Neg", [c])]), "x"])
    f = model.node("Add", [e, a])
    h = model.node("Where", [model.node("Greater", [f, "x"]), f, b])
    model.node("Mul", [h, model.constant(scalar(0.5))], "y")


@case("diff_square_sum_256")
def diff_square_sum(model, data):
    left = model.node("Unsqueeze", ["a", model.constant(np.array([1]))])
    right = model.node("Unsqueeze", ["b", model.constant(np.array([0]))])
    difference = model.node("Sub", [left, right])
    square = model.node("Mul", [difference, difference])
    model.node("ReduceSum", [square, model.constant(np.array([2]))], "y", keepdims=0)


@case("softmax_4096x1024")
def softmax(model, data):
    model.node("Softmax", ["x"], "y", axis=-1)


@case("gemm_f32_1024")
@case("gemm_batched_256x64")
def gemm(model, data):
    model.node("MatMul", ["a", "b"], "c")


@case("gemm_16x4096x4096")
@case("gemv_4096")
def fixed_linear(model, data):
    model.node("MatMul", ["x", model.constant(data.constant["w"])], "y")


@case("linear_gelu_128x768x3072")
def linear_gelu(model, data):
    model.node("Gelu", [model.node("Gemm", ["x", "w", "b"])], "y")


@case("resnet_conv3x3_set")
def convolution_set(model, data):
    for size in (56, 28, 14, 7):
        w, b = (model.constant(data.constant[f"{kind}{size}"]) for kind in "wb")
        model.node("Relu", [model.node("Conv", [f"x{size}", w, b], pads=[1, 1, 1, 1])], f"y{size}")


@case("conv_transpose_4x4_64_56")
def transposed_convolution(model, data):
    model.node("ConvTranspose", ["x", "w"], "y", strides=[2, 2], pads=[1, 1, 1, 1])


# -- MobileNet ----------------------------------------------------------------------------------------------------------

@case("vww_inference")
def vww(model, data):
    x, channels = "x", 3
    strides = [2, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 2, 1] + [1, 1] * 5 + [2, 1, 1, 1]
    for i, stride in enumerate(strides):
        w = data.constant[f"w{i}"]
        groups = channels // w.shape[1]
        channels, padding = w.shape[0], [w.shape[2] // 2] * 4
        x = model.node("Relu", [model.node("Conv", [x, model.constant(w), model.constant(data.constant[f"b{i}"])],
                                           pads=padding, strides=[stride] * 2, group=groups)])
    x = model.node("Flatten", [model.node("GlobalAveragePool", [x])])
    x = model.node("Gemm", [x, model.constant(data.constant["out.w"]), model.constant(data.constant["out.b"])])
    model.node("Softmax", [x], "probabilities", axis=-1)


@case("empty_call")
def empty_call(model, data):
    model.node("Add", ["a", "b"], "y")


# -- What the worker calls ----------------------------------------------------------------------------------------------

def versions():
    return {"onnxruntime": ort.__version__}


def variants(name, options):
    return [RUNTIME] if name in CASES else []


def prepare(name, variant, data):
    model = Model(data)
    CASES[name](model, data)
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(os.environ["SINTER_PEER_THREADS"])
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = ort.InferenceSession(model.bytes(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    held = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in data.input.items()}
    held.update({name: ort.OrtValue.ortvalue_from_shape_and_type(array.shape, np.float32)
                 for name, array in data.output.items()})
    for name in data.input:
        binding.bind_ortvalue_input(name, held[name])
    for name in data.output:
        binding.bind_ortvalue_output(name, held[name])
    return Prepared(lambda: session.run_with_iobinding(binding),
                    lambda _: {"output/" + name: held[name].numpy() for name in data.output})


def forget():
    pass
