#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes cases.tar.gz: ONNX models with inputs and outputs, in the layout of ONNX's own node tests,
for what those leave out (directions and lengths of recurrences, groups, modes of resizing, per-axis
quantization, ...). The outputs come from ONNX Runtime. Left out is where it and ONNX's reference
implementation disagree: AlignCorners of sizes that are no whole products, cropping, cubic sampling
of a grid beyond the border.

  pip install onnx==1.22.0 onnxruntime==1.31.1
  tests/onnx/more/generate.py
"""

import io
import os
import random
import tarfile

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(1)
pick = random.Random(1)
files = {}
counts = {}


def numbers(*shape, low=-1.0, high=1.0):
    return np.round(rng.uniform(low, high, shape), 2).astype(np.float32)


def integers(dtype, *shape, low=None, high=None):
    info = np.iinfo(dtype)
    low = info.min if low is None else low
    high = info.max if high is None else high
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


def maybe(value, chance=0.5):
    return value if pick.random() < chance else None


def case(op, inputs, outputs=1, opset=22, domain="", constants=(), **attributes):
    """One model of one node. Inputs are arrays or None; those in `constants` are initializers."""
    while inputs[-1] is None:
        inputs = inputs[:-1]
    names, infos, initializers, feeds = [], [], [], {}
    for i, array in enumerate(inputs):
        names.append("" if array is None else f"x{i}")
        if array is None:
            continue
        array = np.asarray(array)
        if i in constants:
            initializers.append(numpy_helper.from_array(array, names[-1]))
            continue
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        infos.append(helper.make_tensor_value_info(names[-1], dtype, array.shape))
        feeds[names[-1]] = array
    results = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes)
    unknown = [helper.make_empty_tensor_value_info(name) for name in results]
    graph = helper.make_graph([node], op, infos, unknown, initializers)
    opsets = [helper.make_opsetid(domain, opset)]
    if domain:
        opsets.append(helper.make_opsetid("", 22))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    session = onnxruntime.InferenceSession(
        onnx.shape_inference.infer_shapes(model).SerializeToString(),
        providers=["CPUExecutionProvider"],
    )
    values = session.run(results, feeds)
    del model.graph.output[:]
    for name, array in zip(results, values):
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        model.graph.output.append(helper.make_tensor_value_info(name, dtype, array.shape))

    counts[op] = counts.get(op, 0) + 1
    folder = f"cases/test_{op.lower()}_{counts[op]}"
    files[f"{folder}/model.onnx"] = model.SerializeToString()
    for kind, arrays in (("input", feeds.values()), ("output", values)):
        for i, array in enumerate(arrays):
            data = numpy_helper.from_array(array).SerializeToString()
            files[f"{folder}/test_data_set_0/{kind}_{i}.pb"] = data


def convolutions():
    for axes in (1, 2, 3):
        groups = pick.choice([1, 2, 3])
        channels, filters = groups * pick.randint(1, 2), groups * pick.randint(1, 2)
        size = [pick.randint(4, 5) for _ in range(axes)]
        kernel = [pick.randint(1, 3) for _ in range(axes)]
        strides = [pick.randint(1, 2) for _ in range(axes)]
        common = dict(group=groups, strides=strides)
        for mode in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"):
            extra = dict(auto_pad=mode)
            if mode == "NOTSET":
                extra["pads"] = [pick.randint(0, 2) for _ in range(2 * axes)]
                extra["dilations"] = [pick.randint(1, 2) for _ in range(axes)]
            x, w = numbers(1, channels, *size), numbers(filters, channels // groups, *kernel)
            case("Conv", [x, w, maybe(numbers(filters))], **common, **extra)
            if axes == 2:
                x = integers(np.uint8, 1, channels, *size)
                w = integers(np.int8, filters, channels // groups, *kernel)
                case("QLinearConv", [x, np.float32(0.02), np.uint8(90), w,
                                     numbers(filters, low=0.01, high=0.05),
                                     np.zeros(filters, np.int8), np.float32(0.3), np.uint8(120),
                                     maybe(integers(np.int32, filters, low=-500, high=500))],
                     opset=10, **common, **extra)
                case("ConvInteger", [x, w, np.uint8(7), np.int8(-3)], opset=10, **common, **extra)
        for mode in ("pads", "SAME_UPPER", "SAME_LOWER", "shape"):
            extra = dict(output_padding=[pick.randint(0, s - 1) for s in strides])
            if mode == "pads":
                extra["pads"] = [pick.randint(0, 1) for _ in range(2 * axes)]
                extra["dilations"] = [pick.randint(1, 2) for _ in range(axes)]
            elif mode == "shape":
                extra["auto_pad"] = "SAME_UPPER"
                extra["output_shape"] = [(size[i] - 1) * strides[i] + kernel[i] - pick.randint(0, 1)
                                         for i in range(axes)]
            else:
                extra["auto_pad"] = mode
            x, w = numbers(1, channels, *size), numbers(channels, filters // groups, *kernel)
            case("ConvTranspose", [x, w, maybe(numbers(filters))], **common, **extra)
    for groups, offsets in ((1, 2), (2, 1)):
        case("DeformConv", [numbers(1, 4, 5, 5), numbers(4, 4 // groups, 3, 3),
                            numbers(1, offsets * 18, 3, 3, low=-2, high=2), numbers(4),
                            numbers(1, offsets * 9, 3, 3)],
             opset=19, group=groups, offset_group=offsets)
    case("Col2Im", [numbers(1, 12, 12), np.array([5, 6]), np.array([2, 3])], opset=18,
         constants=(1, 2), strides=[2, 1], pads=[1, 0, 0, 0])


def pooling():
    for axes in (1, 2, 3):
        x = numbers(1, 2, *[pick.randint(4, 5) for _ in range(axes)])
        for mode in ("floor", "ceil", "SAME_UPPER", "SAME_LOWER"):
            options = dict(kernel_shape=[pick.randint(2, 3) for _ in range(axes)],
                           strides=[pick.randint(2, 3) for _ in range(axes)])
            if mode.startswith("SAME"):
                options["auto_pad"] = mode
            else:
                options["pads"] = [1] * (2 * axes)
                options["dilations"] = [pick.randint(1, 2) for _ in range(axes)]
                options["ceil_mode"] = int(mode == "ceil")
            case("MaxPool", [x], outputs=2, storage_order=pick.randint(0, 1), **options)
            case("AveragePool", [x], count_include_pad=pick.randint(0, 1), **options)
            case("LpPool", [x], p=pick.randint(1, 3), **options)
    case("MaxPool", [integers(np.int8, 1, 2, 5, 5)], kernel_shape=[3, 2], pads=[1, 1, 1, 0])


def recurrences():
    activations = {"RNN": ["HardSigmoid"], "GRU": ["HardSigmoid", "Softsign"],
                   "LSTM": ["HardSigmoid", "Tanh", "Softsign"]}
    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        for direction in ("forward", "reverse", "bidirectional", "bidirectional"):
            n = 2 if direction == "bidirectional" else 1
            steps, batch, size, hidden = 4, 3, 2, 3
            inputs = [numbers(steps, batch, size), numbers(n, gates * hidden, size),
                      numbers(n, gates * hidden, hidden), maybe(numbers(n, 2 * gates * hidden)),
                      maybe(np.array([4, 2, 1], np.int32), 0.7), maybe(numbers(n, batch, hidden))]
            options = dict(hidden_size=hidden, direction=direction)
            if op == "LSTM":
                inputs += [maybe(numbers(n, batch, hidden)), maybe(numbers(n, 3 * hidden))]
                options["input_forget"] = int(pick.random() < 0.3)
            if op == "GRU":
                options["linear_before_reset"] = pick.randint(0, 1)
            if pick.random() < 0.4:
                options["clip"] = 0.4
            if pick.random() < 0.5:
                options["activations"] = activations[op] * n
            case(op, inputs, outputs=3 if op == "LSTM" else 2, **options)


def images():
    coordinates = ["half_pixel", "pytorch_half_pixel", "asymmetric", "half_pixel_symmetric"]
    for mode in ("nearest", "linear", "cubic"):
        for _ in range(6):
            x = numbers(1, 1, pick.randint(2, 6), pick.randint(2, 6))
            options = dict(mode=mode, coordinate_transformation_mode=pick.choice(coordinates))
            if mode == "nearest":
                options["nearest_mode"] = pick.choice(
                    ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
            elif options["coordinate_transformation_mode"] == "half_pixel":
                options["antialias"] = 1
            if mode == "cubic":
                options["exclude_outside"] = pick.randint(0, 1)
            scales = np.array([pick.choice([0.5, 0.75, 2, 2.5]), 1.5], np.float32)
            sizes = np.array([pick.randint(1, 9), pick.randint(1, 9)])
            case("Resize", [x, None, scales], opset=19, constants=(2,), axes=[3, 2], **options)
            if mode != "nearest":  # ties depend on the precision of the positions
                case("Resize", [x, None, None, sizes], opset=19, constants=(3,), axes=[2, 3],
                     **options)
        for padding in ("zeros", "reflection"):
            for corners in (0, 1):
                case("GridSample", [numbers(1, 2, 3, 4), numbers(1, 3, 4, 2, low=-1.6, high=1.6)],
                     opset=20, mode=mode, padding_mode=padding, align_corners=corners)
    for mode in ("avg", "max"):
        regions = np.sort(numbers(3, 2, 2, low=-2, high=12), axis=1).reshape(3, 4)
        case("RoiAlign", [numbers(2, 3, 8, 9, low=0.1), regions, np.array([0, 1, 0])], opset=16,
             mode=mode, output_height=3, output_width=2, sampling_ratio=2, spatial_scale=0.7)
    for opset in (9, 10):
        case("Upsample" if opset == 9 else "Resize",
             [numbers(1, 1, 3, 4), np.array([1, 1, 2, 1.5], np.float32)], opset=opset,
             constants=(1,), mode="linear")


def signals():
    for length in (1, 7, 12, 18):
        for parts, inverse, onesided in ((1, 0, 0), (1, 0, 1), (2, 0, 0), (2, 1, 0)):
            size = pick.choice([length, length + 3, max(1, length - 2)])
            case("DFT", [numbers(1, length, 2, parts), np.array(size), np.array(1)], opset=20,
                 constants=(1, 2), inverse=inverse, onesided=onesided)
    case("STFT", [numbers(1, 24, 1), np.array(7), numbers(10), np.array(10)], opset=17,
         constants=(1, 3), onesided=0)


def losses():
    for shape in ((), (3,), (2, 3)):
        for reduction in ("none", "sum", "mean"):
            x, labels = numbers(4, 5, *shape), integers(np.int64, 4, *shape, low=0, high=4)
            options = dict(opset=13, reduction=reduction)
            if pick.random() < 0.6:
                labels[0] = options["ignore_index"] = -1
            weights = maybe(numbers(5, low=0.1))
            case("SoftmaxCrossEntropyLoss", [x, labels, weights], outputs=2, **options)
            case("NegativeLogLikelihoodLoss", [x, labels, weights], **options)


def quantization():
    x = numbers(3, 4, 6, low=-40, high=40)
    for dtype in (np.uint8, np.int8):
        for axis in range(3):
            n = x.shape[axis]
            zeros, scale = integers(dtype, n), numbers(n, low=0.1)
            case("QuantizeLinear", [x, scale, zeros], opset=19, axis=axis)
            case("DequantizeLinear", [integers(dtype, 3, 4, 6), scale, zeros], opset=19, axis=axis)
        scale, zeros = numbers(3, 4, 2, low=0.1), integers(dtype, 3, 4, 2)
        case("QuantizeLinear", [x, scale, zeros], opset=21, axis=2, block_size=3)
        case("DequantizeLinear", [integers(dtype, 3, 4, 6), scale, zeros], opset=21, axis=2,
             block_size=3)
    case("QuantizeLinear", [100 * x, np.float32(0.01), np.int16(3)], opset=21)
    a, b = integers(np.uint8, 3, 4), integers(np.int8, 4, 5)
    case("MatMulInteger", [a, b, np.uint8(12), integers(np.int8, 5)], opset=10)
    case("QLinearMatMul", [a, np.float32(0.02), np.uint8(30), b, numbers(5, low=0.01, high=0.05),
                           np.zeros(5, np.int8), np.float32(0.4), np.uint8(100)], opset=10)


def attention():
    for packed in (False, True):
        for kind in (None, "float", "bool", "4d"):
            batch, steps, keys, past = 2, 3, 4, pick.choice([0, 3])
            shared = pick.randint(1, 2)
            heads = shared * pick.randint(1, 3)
            q, k = numbers(batch, heads, steps, 4), numbers(batch, shared, keys, 4)
            v, total = numbers(batch, shared, keys, 6), keys + past
            options = dict(is_causal=pick.randint(0, 1), softcap=pick.choice([0.0, 2.0]))
            if packed:
                q, k, v = (t.transpose(0, 2, 1, 3).reshape(batch, t.shape[2], -1)
                           for t in (q, k, v))
                options.update(q_num_heads=heads, kv_num_heads=shared)
            mask = {None: None, "float": numbers(steps, total), "4d": numbers(batch, 1, steps, total),
                    "bool": rng.uniform(size=(steps, total)) < 0.8}[kind]
            if kind == "bool":
                mask[:, 0] = True
            inputs = [q, k, v, mask]
            if past:
                inputs += [numbers(batch, shared, past, 4), numbers(batch, shared, past, 6)]
            case("Attention", inputs, outputs=3 if past else 1, opset=23, **options)


def others():
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for axis in range(3):
            case(op, [numbers(2, 3, 4, low=-4, high=4)], opset=11, axis=axis)
    for mode in ("TF", "IDF", "TFIDF"):
        case("TfIdfVectorizer", [integers(np.int64, 2, 9, low=1, high=4)], opset=9, mode=mode,
             min_gram_length=1, max_gram_length=3, max_skip_count=2, ngram_counts=[0, 4, 10],
             ngram_indexes=[8, 1, 2, 3, 4, 5, 6, 7, 0],
             pool_int64s=[1, 2, 3, 4, 1, 2, 2, 3, 4, 1, 1, 2, 3, 3, 4, 1],
             weights=[0.5, 1.0, 2.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7])
    case("LabelEncoder", [integers(np.int64, 3, 2, low=0, high=4)], opset=2, domain="ai.onnx.ml",
         keys_int64s=[0, 1, 3], values_floats=[0.5, 1.5, 2.5], default_float=-7.0)
    case("NonMaxSuppression", [numbers(2, 12, 4, low=0), numbers(2, 2, 12, low=0), np.array([4]),
                               np.array([0.3], np.float32), np.array([0.2], np.float32)],
         opset=11, constants=(0, 1, 2, 3, 4), center_point_box=1)
    case("BatchNormalization", [numbers(2, 4, 3), *(numbers(4) for _ in range(3)),
                                numbers(4, low=0.1)], opset=15, epsilon=0.01)
    case("LRN", [numbers(1, 5, 2, 2)], opset=13, size=5, alpha=0.1, beta=0.6, bias=1.5)


for family in (convolutions, pooling, recurrences, images, signals, losses, quantization, attention,
               others):
    family()
archive = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cases.tar.gz")
with tarfile.open(archive, "w:gz") as tar:
    for name, data in sorted(files.items()):
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
print(f"{sum(counts.values())} cases, {os.path.getsize(archive)} bytes: {counts}")
