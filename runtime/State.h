// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

class Graph;

/// Owns the parameters and the optimizer state of a graph; executables of that graph (train,
/// evaluate) share it. A first value depends only on the seed and the argument's name, not on what
/// else there is.
///
/// Copies are handles to the same arrays. Calls may read one State from several threads at once. A
/// call that updates a State excludes every other call that uses it: the later one gets
/// Error(User).
class State {
public:
  State() : State(std::vector<Argument>{}) {}
  /// Draws the parameters and state variables among `arguments`; placeholders are skipped. `dims`
  /// gives sizes to those with symbolic shapes.
  explicit State(const std::vector<Argument> &arguments, uint64_t seed = 0,
                 const DimBinding &dims = {});
  /// Likewise, from what the graph declares so far; the optimizer's updates declare its variables.
  explicit State(const Graph &graph, uint64_t seed = 0, const DimBinding &dims = {});

  /// Adds the arguments it does not hold yet; those it holds must have the same dtype and sizes.
  void add(const std::vector<Argument> &arguments, const DimBinding &dims = {});

  std::vector<std::string> names() const;
  bool contains(std::string_view name) const;
  /// The live array, not a copy: it changes with every update that runs on the CPU, and calls see
  /// what is written to it. A GPU keeps variables in its own memory: there get() hands the array
  /// its current value, and the next call takes up what has been written to the array by then. To
  /// see later updates, or to write again, get() it again. Error(User) for an unknown name, or
  /// while a call on a GPU updates the State.
  Array get(std::string_view name) const;
  /// Copies of all variables as they are now.
  ArrayMap values() const;
  /// Copies `value` in; dtype and sizes must be those of the variable.
  void set(std::string_view name, const Array &value);

  /// All variables, as .safetensors where the path ends so, else as .npz. The file is written beside
  /// its place, synced and renamed: it is the old one or the new one, never a part.
  void save(const std::filesystem::path &path) const;
  /// Replaces the values of all variables by a file's, in the format of its suffix. A missing,
  /// unknown or differing array is Error(User), and then nothing has changed.
  void load(const std::filesystem::path &path);
  /// As load(), from arrays in memory.
  void assign(const ArrayMap &values);

  struct Storage;
  const std::shared_ptr<Storage> &storage() const { return shared; }

private:
  const Array &find(std::string_view name) const;
  void replace(std::string_view name, const Array &value);

  std::shared_ptr<Storage> shared;
};

} // namespace sinter
#pragma GCC visibility pop
