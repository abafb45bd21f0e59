// SPDX-License-Identifier: Apache-2.0
// Host twins of the wrappers in codegen/cuda/prelude.
