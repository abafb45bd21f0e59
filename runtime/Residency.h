// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sinter {

/// The memory of one variable on a device.
class VariableMemory {
public:
  virtual ~VariableMemory() = default;
  /// Copy the whole variable and wait for it. Contiguous memory of the host.
  virtual void upload(const void *from) = 0;
  virtual void download(void *to) = 0;
};

/// Which copies of a State's variables are current: the host's, those on devices, or several.
/// Variables that no device has used are the host's and unknown here. Thread-safe; who uses
/// variables holds their State as well.
class Residency {
public:
  /// One variable, known since the first device used it.
  struct Variable {
    struct Copy {
      const void *device;
      std::shared_ptr<VariableMemory> memory;
      bool current;
    };
    Array array; ///< The host's, which keeps its memory for life.
    bool onHost = true;
    std::vector<Copy> copies;
  };
  /// A variable that a call uses, and which of its copies.
  struct Use {
    Variable *variable;
    size_t copy;
    bool updated;
    std::shared_ptr<VariableMemory> memory;
  };
  enum class HostUse : uint8_t {
    Read,
    Update, ///< Reads, and may write.
    Replace ///< Writes all of it.
  };

  /// The variable's copy on a device, which `make` makes where there is none.
  Use attach(const std::string &name, const Array &host, const void *device, bool updated,
             const std::function<std::shared_ptr<VariableMemory>()> &make);
  /// Makes the copies current, and the only ones of those that are updated.
  void useOnDevice(const std::vector<Use> &uses);
  /// The same for the host's.
  void useOnHost(std::string_view name, HostUse use);
  void useOnHost(HostUse use);
  /// False as long as no device has used a variable: all of them are the host's.
  bool isUsed() const { return used.load(std::memory_order_acquire); }

private:
  static void bringToHost(Variable &variable);
  static void useOnHost(Variable &variable, HostUse use);

  std::mutex mutex;
  std::atomic<bool> used{false};
  std::map<std::string, Variable, std::less<>> variables; ///< Addresses stay valid.
};

} // namespace sinter
