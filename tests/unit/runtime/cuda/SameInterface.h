// SPDX-License-Identifier: Apache-2.0
// Whether a declaration of ours and one of a toolkit's header mean the same to a caller.
#pragma once

#include <type_traits>

namespace sinter::test {

/// Passed alike: both pointers, or both numbers of one size.
template <typename Ours, typename Theirs>
constexpr bool isAlike =
    sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>;
template <typename Ours, typename Theirs> struct SameCall : std::false_type {};
template <typename R, typename... A, typename S, typename... B>
struct SameCall<R (*)(A...), S (*)(B...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A) != sizeof...(B))
      return false;
    else
      return isAlike<R, S> && (isAlike<A, B> && ...);
  }();
};

template <typename Ours, typename Theirs> constexpr bool same(Ours ours, Theirs theirs) {
  return static_cast<long long>(ours) == static_cast<long long>(theirs);
}

} // namespace sinter::test
