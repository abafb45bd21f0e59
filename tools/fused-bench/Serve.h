// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace sinter::tools {

struct ServeOptions {
  int64_t threads = 0;  ///< 0: the default.
  bool winograd = true; ///< Where the case asks for it; else every case is prepared "direct".
};

/// Obeys commands from standard input, one a line, and answers each with one line, so that another
/// process can take samples in turn with its own:
///   prepare CASE [direct]  compiles it; "direct": with default options, even where the case asks
///                  for Winograd's algorithm  -> ready CALLS_PER_SAMPLE COMPILE_MS LAUNCHES
///   save FILE      one call, from the first values of the variables; writes a .npz with input/…,
///                  constant/…, state/… (before), output/… and updated/…  -> saved
///   sample         an untimed call, then timed ones  -> ns NANOSECONDS_PER_CALL
///   probe          the machine now   -> probe FLOPS_PER_SECOND COPIED_BYTES_PER_SECOND
///   quit
/// What fails is answered by "error MESSAGE".
int serve(const ServeOptions &options);

} // namespace sinter::tools
