// SPDX-License-Identifier: Apache-2.0
// Graph-to-graph passes; codegen/Pipeline.cpp says in which order they run.
#ifndef SINTER_PASSES_TD
#define SINTER_PASSES_TD

include "mlir/Pass/PassBase.td"

def Autodiff : Pass<"sinter-autodiff", "::mlir::func::FuncOp"> {
  let summary = "Expands gradients and jvp ops into the derivatives they stand for.";
  let description = [{
    Walks from the ys of each `sinter.gradients` back to its xs, and from the xs of each `sinter.jvp` on to its ys, in
    program order, so that derivatives of derivatives see the expanded inner ones. Every op that is made keeps the
    user's location of the op it differentiates. `sinter.with_gradient` is then replaced by its y.

    ```
    %y = sinter.exp %x
    %g = sinter.gradients %y wrt %x seed %dy   ==>   %y = sinter.exp %x
                                                     %g = sinter.mul %dy, %y

    %y = sinter.sin %x
    %t = sinter.jvp %y wrt %x along %dx        ==>   %y = sinter.sin %x
                                                     %c = sinter.cos %x
                                                     %t = sinter.mul %dx, %c
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def Simplify : Pass<"sinter-simplify", "::mlir::func::FuncOp"> {
  let summary = "Folds constants, merges equal ops, removes dead ones, applies algebraic rules.";
  let description = [{
    Only rules that keep every bit of the result, or that are exact in real arithmetic and listed in
    Simplify.cpp as such.

    ```
    %a = sinter.mul %x, 1      ==>   %x
    %t = sinter.transpose %w         %d = sinter.dot_general %x, %w contracting the other dim of %w
    %d = sinter.dot_general %x, %t
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def RaiseAttention : Pass<"sinter-raise-attention", "::mlir::func::FuncOp"> {
  let summary = "Finds attention that is written out in products and a softmax.";
  let description = [{
    Scores may be scaled by a number, and masked by a bool tensor that chooses -inf, by comparing positions, or by a
    tensor that is added. Nothing in between may be used elsewhere.

    ```
    %s = dot_general %q, %k;  %e = exp (%s - reduce_max %s)   ==>   %y, %lse = attention %q, %k, %v
    %y = dot_general (%e / reduce_sum %e), %v
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def ExpandAttention : Pass<"sinter-expand-attention", "::mlir::func::FuncOp"> {
  let summary = "Writes attention out in products and a softmax where no kernel computes it.";
  let description = [{
    Kernels need widths of heads that are known and at most 256, and enough queries; with `all`, none is left.

    ```
    %y, %lse = attention %q, %k, %v   ==>   %s = dot_general %q, %k;  %e = exp (%s - reduce_max %s)
                                            %y = dot_general (%e / reduce_sum %e), %v
    ```
  }];
  let options = [Option<"all", "all", "bool", "false", "Also what a kernel could compute.">];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def NormalizeContractions : Pass<"sinter-normalize-contractions", "::mlir::func::FuncOp"> {
  let summary = "Makes every contraction a batch of matrix products with evenly spaced operands.";
  let options = [Option<"gpu", "gpu", "bool", "false", "Kernels of thread blocks read either order alike.">];
  let description = [{
    Where the free or contracting dims of an operand do not flatten to one stride, a transpose is inserted.

    ```
    dot_general %a[b, k0, m, k1], %b contracting (k0, k1)
      ==>  %t = transpose %a to [b, m, k0, k1];  dot_general %t, %b contracting (k0, k1)
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def RoundResults : Pass<"sinter-round-results", "::mlir::func::FuncOp"> {
  let summary = "Rounds f16 and bf16 results of every op, also inside of kernels.";
  let description = [{
    Runs on request only (`--strict`): a fused kernel otherwise computes them in f32 and rounds what it stores.

    ```
    %y = sinter.mul %a, %b : f16    ==>   %m = sinter.mul %a, %b : f16
                                          %w = sinter.cast %m : f32
                                          %y = sinter.cast %w : f16
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def SplitPairs : Pass<"sinter-split-pairs", "::mlir::func::FuncOp"> {
  let summary = "Gives each reduction over pairs of points its own copy of what it computes per pair.";
  let description = [{
    Where pairs are many more than points, computing a value again is cheaper than storing it for all pairs. Only where
    nothing but reductions needs the values, and each of them is a kernel with its copy.

    ```
    %d = reduce_sum %squares axis 2                 %d = reduce_sum %squares axis 2
    %k = exp %d : f32[N, M]                         %k = exp %d
    %a = reduce_sum %k axis 1                 ==>   %a = reduce_sum %k axis 1
    %b = reduce_sum (%k * %u) axis 1                %e = reduce_sum %squares axis 2;  %l = exp %e
                                                    %b = reduce_sum (%l * %u) axis 1
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def SplitRows : Pass<"sinter-split-rows", "::mlir::func::FuncOp"> {
  let summary = "Cuts a product's long rows into tiles where reductions of them are all that needs them whole.";
  let description = [{
    A kernel of the product has tiles of its rows at hand, not whole ones. Sums, products, maxima, minima, argmax, the
    elements that labels choose, and sums of exp(x - shift), which the largest of each tile stands in for until the
    row's shift is known. ContractionRows.h says when it pays.

    ```
                                        %p = dot_general %x, (reshape %w) : f32[M, T, W]
    %p = dot_general %x, %w : f32[M, N]
    %m = reduce_max %p axis 1     ==>   %t = reduce_max %p axis 2;  %m = reduce_max %t axis 1
    %s = reduce_sum exp(%p - %m)        %u = reduce_sum exp(%p - %t) axis 2
                                        %s = reduce_sum (%u * exp(%t - %m)) axis 1
    ```
  }];
  let options = [Option<"gpu", "gpu", "bool", "false", "Blocks of threads have the tiles.">];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def Fuse : Pass<"sinter-fuse", "::mlir::func::FuncOp"> {
  let summary = "Groups ops into kernels.";
  let description = [{
    Each kernel becomes a `sinter.fused` region of one of the forms of KernelForm.h. With `fusion=false` every op
    gets a kernel of its own, which is what measurements call unfused.

    ```
    %m = reduce_max %x            ==>   %y = fused "reduce_max_sub_exp_reduce_sum_div" (%a = %x) {
    %e = exp (%x - broadcast %m)          ...
    %y = %e / broadcast (reduce_sum %e) }
    ```
  }];
  let options = [Option<"fusion", "fusion", "bool", "true", "Merge ops; else one kernel per op.">,
                 Option<"gpu", "gpu", "bool", "false", "Only kernels that thread blocks can run.">,
                 Option<"explain", "explain", "bool", "false",
                        "Note in `sinter.unfused` why kernels that exchange values are not one.">];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def CollapseDims : Pass<"sinter-collapse-dims", "::mlir::func::FuncOp"> {
  let summary = "Merges neighbouring dims of a kernel that are always walked together.";
  let description = [{
    Buffers are contiguous, so a kernel may see `f32[N, 8, 16]` as `f32["128*N"]`: longer inner loops, no index
    arithmetic.

    ```
    fused (%a = %x : f32[N, 8, 16]) { %r = exp %a : f32[N, 8, 16] }
      ==>  fused (%a = %x : f32[N, 8, 16]) { ^bb(%a : f32["128*N"]): %r = exp %a : f32["128*N"] }
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

def OrderKernels : Pass<"sinter-order-kernels", "::mlir::func::FuncOp"> {
  let summary = "Orders kernels so that less memory is in use at once.";
  let description = [{
    Of the order as it is, one that makes each result's producers right before it, and one that always takes the
    kernel that frees most, the first is kept unless another needs at least a twentieth less. Kernels that update an
    argument stay behind its other readers.

    ```
    %a = fused f(%x)              ==>   %a = fused f(%x)
    %b = fused f(%y)                    %s = fused sum(%a)
    %s = fused sum(%a)                  %b = fused f(%y)
    %t = fused sum(%b)                  %t = fused sum(%b)
    ```
  }];
  let dependentDialects = ["::sinter::ir::SinterDialect"];
}

#endif
