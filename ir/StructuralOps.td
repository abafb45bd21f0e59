// SPDX-License-Identifier: Apache-2.0
// Ops with an index map: creation, shape, reductions, contractions, indexing; and the ops that hold
// regions. The labels in brackets tie each constraint to its diagnostic and its test.
#ifndef SINTER_IR_STRUCTURALOPS_TD
#define SINTER_IR_STRUCTURALOPS_TD

include "mlir/Interfaces/ControlFlowInterfaces.td"
include "sinter/ir/OpBase.td"

// -- Creation -------------------------------------------------------------------------------------

def Sinter_ConstantOp : Sinter_Op<"constant", [Pure, ConstantLike,
    DeclareOpInterfaceMethods<Sinter_DifferentiableOpInterface>]> {
  let summary = "Fixed data.";
  let description = [{
    `value` is a dense attribute (or a resource blob beside the IR for large data) over a builtin tensor of
    the same static sizes and element type. [constant_c1] shape and dtype agree with the result.
    [constant_c2] the data is dense, present, and as long as the type says.
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Sinter_AnyTensor:$result);
  let assemblyFormat = "$value attr-dict `:` qualified(type($result))";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Sinter_IotaOp : Sinter_TypedOp<"iota"> {
  let summary = "The index along `axis`, as a number.";
  let description = "[iota_c1] axis lies in the result's rank.";
  let noDerivative = "it has no operand";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Sinter_NumericTensor:$result);
  let assemblyFormat = "attr-dict `:` qualified(type($result))";
}

def Sinter_DimValueOp : Sinter_TypedOp<"dim_value"> {
  let summary = "The value of a size expression over named dims, as a scalar.";
  let description = "[dim_value_c1] the text is a size expression. [dim_value_c2] the result is a scalar.";
  let noDerivative = "it has no operand";
  let arguments = (ins StrAttr:$expression);
  let results = (outs Sinter_NumericTensor:$result);
  let assemblyFormat = "attr-dict `:` qualified(type($result))";
}

// -- Shape ----------------------------------------------------------------------------------------

def Sinter_BroadcastOp : Sinter_TypedOp<"broadcast"> {
  let summary = "Repeats the operand along new dims and along dims of size 1.";
  let description = [{
    Dim i of the operand becomes dim `dimensions[i]` of the result.
    [broadcast_c1] one entry per operand dim, strictly increasing, within the result's rank.
    [broadcast_c2] an operand dim is the constant 1 or equals the result's dim.
    [broadcast_c3] same element type.
  }];
  let arguments = (ins Sinter_AnyTensor:$x, DenseI64ArrayAttr:$dimensions);
  let results = (outs Sinter_AnyTensor:$result);
  let hasFolder = 1;
}

def Sinter_ReshapeOp : Sinter_TypedOp<"reshape", [DeclareOpInterfaceMethods<Sinter_SizeConditionsOpInterface>]> {
  let summary = "The same elements in row-major order under other sizes.";
  let description = [{
    [reshape_c1] equal number of elements, as expressions; where a size is a quotient this may be left to the
    call. [reshape_c2] same element type.
  }];
  let arguments = (ins Sinter_AnyTensor:$x);
  let results = (outs Sinter_AnyTensor:$result);
  let hasFolder = 1;
}

def Sinter_TransposeOp : Sinter_InferredOp<"transpose"> {
  let summary = "Permutes dims: dim i of the result is dim `permutation[i]` of the operand.";
  let description = "[transpose_c1] `permutation` is a permutation of the operand's dims.";
  let arguments = (ins Sinter_AnyTensor:$x, DenseI64ArrayAttr:$permutation);
  let results = (outs Sinter_AnyTensor:$result);
  let hasFolder = 1;
}

def Sinter_SliceOp : Sinter_InferredOp<"slice", [DeclareOpInterfaceMethods<Sinter_SizeConditionsOpInterface>]> {
  let summary = "Elements start, start+stride, … below limit, per dim.";
  let description = [{
    `starts` and `limits` hold sizes (an i64 attribute or the text of a size expression).
    [slice_c1] one start, limit and stride per dim. [slice_c2] strides are positive.
    [slice_c3] 0 <= start <= limit <= size, for constants and for differences that are; what depends on named
    dims is checked at the call.
  }];
  let arguments = (ins Sinter_AnyTensor:$x, ArrayAttr:$starts, ArrayAttr:$limits, DenseI64ArrayAttr:$strides);
  let results = (outs Sinter_AnyTensor:$result);
}

def Sinter_ConcatOp : Sinter_InferredOp<"concat"> {
  let summary = "Joins tensors along `axis`.";
  let description = [{
    [concat_c1] at least one operand. [concat_c2] axis lies in the rank. [concat_c3] equal rank, element type,
    and sizes except along the axis.
  }];
  let arguments = (ins Variadic<Sinter_AnyTensor>:$inputs, I64Attr:$axis);
  let results = (outs Sinter_AnyTensor:$result);
}

def Sinter_PadOp : Sinter_InferredOp<"pad"> {
  let summary = "Surrounds the operand with `value`, and spreads its elements.";
  let description = [{
    Per dim: `low` values, then each element followed by `interior` values (none when absent), then `high`
    values; the size is low + size * (interior + 1) + high. `low` and `high` hold sizes; `high` may take back
    the last interior values. [pad_c1] one entry per dim. [pad_c2] low >= 0, interior >= 0, high >= -interior,
    where these are constants. [pad_c3] `value` is representable in the element type.
  }];
  let arguments = (ins Sinter_AnyTensor:$x, ArrayAttr:$low, ArrayAttr:$high, F64Attr:$value,
                       OptionalAttr<DenseI64ArrayAttr>:$interior);
  let results = (outs Sinter_AnyTensor:$result);
}

// -- Windows --------------------------------------------------------------------------------------

/// x has leading dims, then n spatial dims, then n window dims, where n is the length of `strides`.
/// [window_c1] as many strides as dilations, at most half the rank. [window_c2] they are positive.
def Sinter_WindowReadOp : Sinter_InferredOp<"window_read", [DeclareOpInterfaceMethods<Sinter_SizeConditionsOpInterface>]> {
  let summary = "result[b..., o..., k...] = x[b..., o * stride + k * dilation..., k...].";
  let description = [{
    Over x broadcast along k this is the view of all windows of a convolution or pooling (im2col): the size of
    o is the number of windows that fit. [window_c1] as many strides as dilations, at most half the rank.
    [window_c2] strides and dilations are positive. [window_read_c1] a window fits; what
    depends on named dims is checked at the call.
  }];
  let arguments = (ins Sinter_AnyTensor:$x, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations);
  let results = (outs Sinter_AnyTensor:$result);
}

def Sinter_WindowWriteOp : Sinter_TypedOp<"window_write"> {
  let summary = "result[b..., p..., k...] = y[b..., (p - k * dilation) / stride..., k...] where whole and in range, else 0.";
  let description = [{
    The transpose of window_read: summed over k it adds overlapping windows up.
    [window_c1] as many strides as dilations, at most half the rank. [window_c2] strides and dilations are
    positive. [window_write_c1] result and operand differ only in the sizes of p and o, and o is the number of
    windows that fit into p. [window_write_c2] same element type.
  }];
  let arguments = (ins Sinter_AnyTensor:$y, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations);
  let results = (outs Sinter_AnyTensor:$result);
}

// -- Reductions -----------------------------------------------------------------------------------

/// Reduces `axes`, which disappear. [reduce_c1] axes are strictly increasing and lie in the rank.
class Sinter_ReduceOp<string mnemonic, string combiner> : Sinter_InferredOp<mnemonic> {
  let arguments = (ins Sinter_NumericTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Sinter_NumericTensor:$result);
  let extraClassDeclaration = "static ::sinter::ir::Combiner getCombiner() { return ::sinter::ir::Combiner::"
      # combiner # "; }";
}
def Sinter_ReduceSumOp : Sinter_ReduceOp<"reduce_sum", "Sum"> {
  let summary = "Sum over `axes`; 0 when empty.";
}
def Sinter_ReduceProdOp : Sinter_ReduceOp<"reduce_prod", "Product"> {
  let summary = "Product over `axes`; 1 when empty. The gradient is right for any number of zeros.";
}
def Sinter_ReduceMaxOp : Sinter_ReduceOp<"reduce_max", "Max"> {
  let summary = "Largest over `axes`; NaN if any is, -inf or the lowest integer when empty. Ties share the gradient.";
}
def Sinter_ReduceMinOp : Sinter_ReduceOp<"reduce_min", "Min"> {
  let summary = "Smallest over `axes`; NaN if any is, +inf or the highest integer when empty. Ties share the gradient.";
}
def Sinter_ArgmaxOp : Sinter_InferredOp<"argmax"> {
  let summary = "Index (i64) of the largest along `axis`: the first NaN, else the first of equals.";
  let description = "[argmax_c1] axis lies in the rank. [argmax_c2] the size along it is not the constant 0.";
  let noDerivative = "its result is an index";
  let arguments = (ins Sinter_NumericTensor:$x, I64Attr:$axis);
  let results = (outs Sinter_IntTensor:$result);
}

// -- Cumulative -----------------------------------------------------------------------------------

/// [cumulative_c1] axis lies in the rank.
class Sinter_CumulativeOp<string mnemonic, string combiner> : Sinter_InferredOp<mnemonic> {
  let description = [{
    Element i combines the elements up to i along `axis` (`exclusive`: before i, starting with the neutral
    element), or from i on (`reverse`). [cumulative_c1] axis lies in the rank.
  }];
  let arguments = (ins Sinter_NumericTensor:$x, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs Sinter_NumericTensor:$result);
  let extraClassDeclaration = "static ::sinter::ir::Combiner getCombiner() { return ::sinter::ir::Combiner::"
      # combiner # "; }";
}
def Sinter_CumsumOp : Sinter_CumulativeOp<"cumsum", "Sum"> {
  let summary = "Running sum along `axis`.";
}
def Sinter_CumprodOp : Sinter_CumulativeOp<"cumprod", "Product"> {
  let summary = "Running product along `axis`. The gradient is right for any number of zeros.";
}
def Sinter_CummaxOp : Sinter_CumulativeOp<"cummax", "Max"> {
  let summary = "Running maximum along `axis`; NaN from the first NaN on. The first of equals gets the gradient.";
}
def Sinter_CumminOp : Sinter_CumulativeOp<"cummin", "Min"> {
  let summary = "Running minimum along `axis`; NaN from the first NaN on. The first of equals gets the gradient.";
}

// -- Order ----------------------------------------------------------------------------------------

def Sinter_ArgsortOp : Sinter_InferredOp<"argsort"> {
  let summary = "The indices (i64) that sort x along `axis`, stably; NaN counts as the largest.";
  let description = "[argsort_c1] axis lies in the rank. Equal elements keep their order, also when `descending`.";
  let noDerivative = "its result is an index";
  let arguments = (ins Sinter_AnyTensor:$x, I64Attr:$axis, UnitAttr:$descending);
  let results = (outs Sinter_IntTensor:$result);
}

// -- Contraction ----------------------------------------------------------------------------------

def Sinter_DotGeneralOp : Sinter_InferredOp<"dot_general"> {
  let summary = "Sums products over contracting dims, batched.";
  let description = [{
    Result dims: batch dims in the order of `lhsBatch`, the free dims of lhs, the free dims of rhs.
    [dot_c1] equal numbers of batch and of contracting dims on both sides. [dot_c2] dims distinct and in range.
    [dot_c3] matching sizes are equal. [dot_c4] equal element types.
  }];
  let arguments = (ins Sinter_NumericTensor:$lhs, Sinter_NumericTensor:$rhs,
                       DenseI64ArrayAttr:$lhsBatch, DenseI64ArrayAttr:$rhsBatch,
                       DenseI64ArrayAttr:$lhsContract, DenseI64ArrayAttr:$rhsContract);
  let results = (outs Sinter_NumericTensor:$result);
}

// -- Attention ------------------------------------------------------------------------------------

def Sinter_AttentionOp : Sinter_InferredOp<"attention"> {
  let summary = "softmax(scale * q . k + mask) . v, and the log of each softmax's sum.";
  let description = [{
    q is [b..., L, E], k is [b..., S, E], v is [b..., S, V]; a leading size of 1 of k and v serves all of q. Scores
    are q . k times `scale`, plus `mask` or -inf where a bool mask is false; the mask has q's rank, and any of its
    sizes may be 1. With `causal`, which holds one size, query i sees the keys up to i + that size. The results are
    [b..., L, V] and, in f32 or f64, lse [b..., L]. A query that sees nothing gives 0 and an lse of inf, or NaN and
    -inf with `strictRows`. Scores, weights and sums of 16-bit floats are f32.
    [attention_c1] q, k and v have equal ranks of at least 2 and equal element types. [attention_c2] k and v have equal
    leading sizes, those of q or 1. [attention_c3] widths of q and k, and numbers of keys and values, are equal.
    [attention_c4] the mask is bool or of the type of q or lse, and its sizes are 1 or those of the scores.
    [attention_c5] `causal` holds one size.
  }];
  let frontend = "none";
  let arguments = (ins Sinter_FloatTensor:$q, Sinter_FloatTensor:$k, Sinter_FloatTensor:$v,
                       Optional<Sinter_AnyTensor>:$mask, F64Attr:$scale, OptionalAttr<ArrayAttr>:$causal,
                       UnitAttr:$strictRows);
  let results = (outs Sinter_FloatTensor:$result, Sinter_FloatTensor:$lse);
}

def Sinter_AttentionBackwardOp : Sinter_InferredOp<"attention_backward"> {
  let summary = "The gradients of attention in q, k and v.";
  let description = [{
    Weights are p = exp(scores - lse), with scores as in attention; their gradient is
    ds = p * (dout . v - delta), where delta = sum(dout * out) - dlse. Results are scale * ds . k, scale * ds . q and
    p . dout, summed where k and v have a size of 1. [attention_c1] to [attention_c5] as in attention.
    [attention_backward_c1] dout has the type of attention's result. [attention_backward_c2] lse and delta have the type of
    its lse.
  }];
  let frontend = "none";
  let arguments = (ins Sinter_FloatTensor:$q, Sinter_FloatTensor:$k, Sinter_FloatTensor:$v,
                       Sinter_FloatTensor:$lse, Sinter_FloatTensor:$delta, Sinter_FloatTensor:$dout,
                       Optional<Sinter_AnyTensor>:$mask, F64Attr:$scale, OptionalAttr<ArrayAttr>:$causal);
  let results = (outs Sinter_FloatTensor:$dq, Sinter_FloatTensor:$dk, Sinter_FloatTensor:$dv);
}

// -- Convolution ----------------------------------------------------------------------------------

def Sinter_ConvolutionOp : Sinter_TypedOp<"convolution", [DeclareOpInterfaceMethods<Sinter_SizeConditionsOpInterface>]> {
  let summary = "One of x, w and y of a convolution, from the two others: y, or the gradient of x or w.";
  let description = [{
    x is [N, G * C, p...], w is [G * M, C, k...], y is [N, G * M, o...] with G = `groups`. The terms are
    x[n, g * C + c, p...] * w[g * M + m, c, k...] * y[n, g * M + m, o...] for every p = o * stride + k * dilation - low
    within x; the operands are two of the three, in this order, and the result is the sum of their products over what
    the third, named by `part`, does not have.
    [convolution_c1] `part` is "x", "w" or "y". [convolution_c2] equal ranks of at least 3 and equal element types; one
    positive stride and dilation and one `low` >= 0 per spatial dim. [convolution_c3] the sizes k are positive
    numbers. [convolution_c4] batch and channels agree, and groups divide the channels.
  }];
  let frontend = "none";
  let arguments = (ins Sinter_NumericTensor:$lhs, Sinter_NumericTensor:$rhs, StrAttr:$part, ArrayAttr:$low,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$dilations, I64Attr:$groups);
  let results = (outs Sinter_NumericTensor:$result);
  let extraClassDeclaration = [{
    /// Which of the three is the result.
    bool makesX() { return getPart() == "x"; }
    bool makesW() { return getPart() == "w"; }
    bool makesY() { return getPart() == "y"; }
    TensorType getXType() { return (makesX() ? getResult() : getLhs()).getType(); }
    TensorType getWType() { return (makesW() ? getResult() : makesX() ? getLhs() : getRhs()).getType(); }
    TensorType getYType() { return (makesY() ? getResult() : getRhs()).getType(); }
  }];
}

// -- Indexing -------------------------------------------------------------------------------------

def Sinter_GatherOp : Sinter_InferredOp<"gather"> {
  let summary = "Reads x at positions that are given by data or by the position in the result.";
  let description = [{
    The result has the shape of the indices. `dims` tells for each dim of x where its index comes from: -1 takes
    the next of `indices`, d >= 0 is the index of dim d of the result. An index out of range is reported and
    gives 0. [gather_c1] one entry per dim of x, -1 or a dim of the result, none twice. [gather_c2] at least one index
    tensor, as many as entries of -1, of equal types. [gather_c3] a dim of x that follows a dim of the result has
    its size.
  }];
  let arguments = (ins Sinter_AnyTensor:$x, Variadic<Sinter_IntTensor>:$indices, DenseI64ArrayAttr:$dims);
  let results = (outs Sinter_AnyTensor:$result);
}

def Sinter_ScatterOp : Sinter_InferredOp<"scatter"> {
  let summary = "x with `updates` combined in at positions given by data: the transpose of gather.";
  let description = [{
    `mode` is "set", "add", "mul", "max" or "min". Updates are combined in row-major order, so the result has the
    same bits on any number of threads, and of several sets to one place the last wins. `dims` is as in gather,
    over the dims of the updates. An index out of range is reported and changes nothing.
    [scatter_c1] one entry of `dims` per dim of x, -1 or a dim of the updates, none twice. [scatter_c2] at least one index
    tensor, as many as entries of -1, with the sizes of the updates. [scatter_c3] a dim of x that follows a dim
    of the updates has its size. [scatter_c4] same element type. [scatter_c5] a known mode; only "set" on bool.
  }];
  let arguments = (ins Sinter_AnyTensor:$x, Sinter_AnyTensor:$updates, Variadic<Sinter_IntTensor>:$indices,
                       DenseI64ArrayAttr:$dims, StrAttr:$mode);
  let results = (outs Sinter_AnyTensor:$result);
  let extraClassDeclaration = "::sinter::ir::ScatterMode getScatterMode();";
}

def Sinter_GatherRowsOp : Sinter_InferredOp<"gather_rows"> {
  let summary = "result[i..., r...] = table[indices[i...], r...]: an embedding look-up.";
  let description = "[gather_rows_c1] the table has rank >= 1. An index out of range is reported and gives 0.";
  let arguments = (ins Sinter_AnyTensor:$table, Sinter_IntTensor:$indices);
  let results = (outs Sinter_AnyTensor:$result);
}

def Sinter_ScatterAddRowsOp : Sinter_TypedOp<"scatter_add_rows"> {
  let summary = "Adds rows: result[indices[i...], r...] += updates[i..., r...], from zero.";
  let description = [{
    Duplicate indices add up, in the order of the updates, so the result has the same bits on any number of
    threads. An index out of range is reported and adds nothing.
    [scatter_add_rows_c1] updates = indices' dims, then the row dims of the result. [scatter_add_rows_c2] same
    element type.
  }];
  let arguments = (ins Sinter_IntTensor:$indices, Sinter_NumericTensor:$updates);
  let results = (outs Sinter_NumericTensor:$result);
}

def Sinter_PickOp : Sinter_InferredOp<"pick"> {
  let summary = "result[i...] = x[i..., indices[i...]]: one element per row, e.g. the score of a label.";
  let description = [{
    [pick_c1] x has rank >= 1 and its leading dims are those of indices.
    An index out of range is reported and gives 0.
  }];
  let arguments = (ins Sinter_AnyTensor:$x, Sinter_IntTensor:$indices);
  let results = (outs Sinter_AnyTensor:$result);
}

// -- Differentiation ------------------------------------------------------------------------------

def Sinter_GradientsOp : Sinter_Op<"gradients", [Pure, AttrSizedOperandSegments]> {
  let summary = "The gradients of sum(ys · cotangents) in xs; expanded by the autodiff pass.";
  let description = [{
    [gradients_c1] one cotangent per y, of its type. [gradients_c2] one result per x, of its type.
    [gradients_c3] ys and xs are float tensors.
  }];
  let arguments = (ins Variadic<Sinter_AnyTensor>:$ys, Variadic<Sinter_AnyTensor>:$xs,
                       Variadic<Sinter_AnyTensor>:$cotangents);
  let results = (outs Variadic<Sinter_AnyTensor>:$grads);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $ys `wrt` $xs `seed` $cotangents attr-dict `:` functional-type(operands, $grads)
  }];
  let hasCustomAssemblyFormat = 0;
}

def Sinter_JvpOp : Sinter_Op<"jvp", [Pure, AttrSizedOperandSegments]> {
  let summary = "The tangents of ys when xs move along `tangents`; expanded by the autodiff pass.";
  let description = [{
    [jvp_c1] one tangent per x, of its type. [jvp_c2] one result per y, of its type. [jvp_c3] ys and xs are float
    tensors.
  }];
  let arguments = (ins Variadic<Sinter_AnyTensor>:$ys, Variadic<Sinter_AnyTensor>:$xs,
                       Variadic<Sinter_AnyTensor>:$tangents);
  let results = (outs Variadic<Sinter_AnyTensor>:$results);
  let hasVerifier = 1;
  let assemblyFormat = [{
    $ys `wrt` $xs `along` $tangents attr-dict `:` functional-type(operands, $results)
  }];
}

def Sinter_WithGradientOp : Sinter_Op<"with_gradient", [Pure,
    SingleBlockImplicitTerminator<"::sinter::ir::YieldOp">, AllTypesMatch<["y", "result"]>,
    DeclareOpInterfaceMethods<Sinter_DifferentiableOpInterface>]> {
  let summary = "y, with the gradient of xs given by a region.";
  let description = [{
    The region maps the cotangent of the result to those of `xs`; it may use values defined before the op. No
    gradient flows to y itself. The op disappears after differentiation. [with_gradient_c1] one block argument,
    of y's type. [with_gradient_c2] one yielded value per x, of its type. [with_gradient_c3] y and xs are float
    tensors.
  }];
  let arguments = (ins Sinter_FloatTensor:$y, Variadic<Sinter_FloatTensor>:$xs);
  let results = (outs Sinter_FloatTensor:$result);
  let regions = (region SizedRegion<1>:$backward);
  let hasVerifier = 1;
  let extraClassDefinition = [{
::llvm::StringRef $cppClass::getNonDifferentiableReason() { return ""; }
}];
  let assemblyFormat = "$y `wrt` $xs $backward attr-dict `:` functional-type(operands, $result)";
}

// -- Kernels --------------------------------------------------------------------------------------

def Sinter_FusedOp : Sinter_Op<"fused", [Pure, IsolatedFromAbove,
    SingleBlockImplicitTerminator<"::sinter::ir::YieldOp">]> {
  let summary = "A region that becomes one kernel.";
  let description = [{
    Block arguments mirror the operands; `sinter.yield` gives the results. A block argument may see its
    operand, and a result its yielded value, under other sizes with the same number of elements.
    [fused_c1] as many block arguments as operands, yields as results. [fused_c2] equal dtypes and numbers
    of elements.
  }];
  let arguments = (ins Variadic<Sinter_AnyTensor>:$inputs, OptionalAttr<StrAttr>:$name,
                       OptionalAttr<DictionaryAttr>:$schedule);
  let results = (outs Variadic<Sinter_AnyTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasVerifier = 1;
  let hasCustomAssemblyFormat = 1;
}

def Sinter_YieldOp : Sinter_Op<"yield", [Pure, Terminator, ReturnLike, ParentOneOf<["FusedOp", "WithGradientOp"]>]> {
  let summary = "Ends a region.";
  let arguments = (ins Variadic<Sinter_AnyTensor>:$values);
  let builders = [OpBuilder<(ins), [{ (void)$_state; }]>];
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif
