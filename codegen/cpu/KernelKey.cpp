// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/KernelKey.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace sinter::cpu {

namespace {

/// Walks the structure of IR. A Sink takes numbers by word(), and names, attributes and types by
/// add(). The attributes called `unseen` of the op `root` are left out.
template <typename Sink> class StructureWalk {
public:
  StructureWalk(Sink &sink, Operation *root, llvm::ArrayRef<llvm::StringRef> unseen)
      : sink(sink), root(root), unseen(unseen) {}

  void add(Region &region) {
    sink.word(region.getBlocks().size());
    // Branches and regions may refer to blocks and values that come later in the text.
    for (Block &block : region) {
      blocks.try_emplace(&block, blocks.size());
      sink.word(block.getNumArguments());
      for (BlockArgument argument : block.getArguments()) {
        number(argument);
        sink.add(argument.getType());
        sink.add(argument.getLoc());
      }
      for (Operation &op : block)
        for (Value result : op.getResults())
          number(result);
    }
    for (Block &block : region) {
      sink.word(block.getOperations().size());
      for (Operation &op : block)
        add(op);
    }
  }

  void add(Operation &op) {
    sink.add(op.getName());
    sink.add(op.getLoc());
    if (&op == root)
      addSeen(op);
    else
      sink.addAttributesOf(op);
    sink.word(op.getNumOperands());
    for (Value operand : op.getOperands())
      sink.word(numbers.lookup(operand));
    sink.word(op.getNumResults());
    for (Type type : op.getResultTypes())
      sink.add(type);
    sink.word(op.getNumSuccessors());
    for (Block *successor : op.getSuccessors())
      sink.word(blocks.lookup(successor));
    sink.word(op.getNumRegions());
    for (Region &region : op.getRegions())
      add(region);
  }

private:
  void number(Value value) { numbers.try_emplace(value, numbers.size()); }

  void addSeen(Operation &op) {
    if (!sink.seesNamed)
      return;
    for (NamedAttribute attribute : op.getAttrDictionary())
      if (!llvm::is_contained(unseen, attribute.getName().getValue())) {
        sink.add(attribute.getName());
        sink.add(attribute.getValue());
      }
  }

  Sink &sink;
  Operation *root;
  llvm::ArrayRef<llvm::StringRef> unseen;
  llvm::DenseMap<Value, size_t> numbers;
  llvm::DenseMap<Block *, size_t> blocks;
};

/// Attributes and types are uniqued per context, so their addresses identify them.
struct PointerSink {
  static constexpr bool seesNamed = true;
  void addAttributesOf(Operation &op) { add(op.getAttrDictionary()); }
  void word(size_t value) { words.push_back(value); }
  void add(Location) {}
  template <typename Uniqued> void add(Uniqued object) {
    words.push_back(reinterpret_cast<uintptr_t>(object.getAsOpaquePointer()));
  }
  std::vector<uintptr_t> words;
};

/// A hash of what PointerSink collects. An op's own attributes need not become a dictionary for it,
/// which is what collecting spends its time on.
struct HashSink {
  static constexpr bool seesNamed = false;
  void addAttributesOf(Operation &op) {
    add(op.getRawDictionaryAttrs());
    word(static_cast<size_t>(op.hashProperties()));
  }
  void word(size_t value) { hash = llvm::hash_combine(hash, value); }
  void add(Location) {}
  template <typename Uniqued> void add(Uniqued object) {
    word(reinterpret_cast<uintptr_t>(object.getAsOpaquePointer()));
  }
  llvm::hash_code hash = 0;
};

/// Each name, attribute and type as text where it occurs first, and by its number from then on.
class TextSink {
public:
  static constexpr bool seesNamed = true;
  explicit TextSink(MLIRContext *context, bool hasLocations = false)
      : state(context), hasLocations(hasLocations) {}

  void addAttributesOf(Operation &op) { add(op.getAttrDictionary()); }

  void word(uint64_t value) { bytes.append(reinterpret_cast<const char *>(&value), sizeof(value)); }
  void add(OperationName name) {
    if (isNew(name.getAsOpaquePointer()))
      string(name.getStringRef());
  }
  void add(Location location) {
    if (hasLocations)
      add(Attribute(location));
  }
  void add(Type type) {
    if (isNew(type.getAsOpaquePointer()))
      string(print(type));
  }
  void add(Attribute attribute) {
    if (!isNew(attribute.getAsOpaquePointer()))
      return;
    // Its text is the name of a blob.
    attribute.walk([&](DenseResourceElementsAttr) { isComplete = false; });
    string(print(attribute));
  }

  std::string bytes;
  bool isComplete = true;

private:
  bool isNew(const void *object) {
    auto [entry, inserted] = seen.try_emplace(object, seen.size());
    word(entry->second);
    return inserted;
  }
  void string(llvm::StringRef text) {
    word(text.size());
    bytes.append(text);
  }
  template <typename Printed> llvm::StringRef print(Printed object) {
    text.clear();
    llvm::raw_string_ostream stream(text);
    object.print(stream, state);
    return text;
  }

  AsmState state;
  bool hasLocations;
  llvm::DenseMap<const void *, uint64_t> seen;
  std::string text;
};

} // namespace

std::vector<uintptr_t> structureOf(ModuleOp module, func::FuncOp entry) {
  PointerSink sink;
  StructureWalk(sink, entry, SymbolTable::getSymbolAttrName()).add(module.getBodyRegion());
  return std::move(sink.words);
}

size_t structureHash(ModuleOp module, func::FuncOp entry) {
  HashSink sink;
  StructureWalk(sink, entry, {}).add(module.getBodyRegion());
  return sink.hash;
}

std::optional<KernelKey> kernelKey(ModuleOp module, func::FuncOp entry, const TargetInfo &target,
                                   const ObjectOptions &options) {
  TextSink sink(module.getContext());
  StructureWalk(sink, entry, SymbolTable::getSymbolAttrName()).add(module.getBodyRegion());
  if (!sink.isComplete)
    return std::nullopt;
  std::string context = std::string("sinter ") + codegenFingerprint() + "\nllvm " +
                        LLVM_VERSION_STRING + "\ntarget " + target.exactStr() + "\n" + target.arch +
                        "\n" + target.features + "\n";
  for (int64_t number :
       {static_cast<int64_t>(target.vectorBytes), int64_t{target.hasFma}, int64_t{target.hasF16c},
        static_cast<int64_t>(options.level), int64_t{options.cleanUp}})
    context += std::to_string(number) + "\n";
  llvm::BLAKE3 hash;
  hash.update(context);
  hash.update(sink.bytes);
  return hash.final();
}

std::optional<KernelKey> graphKey(ModuleOp module, llvm::StringRef context) {
  TextSink sink(module.getContext(), /*hasLocations=*/true);
  StructureWalk(sink, nullptr, {}).add(*module);
  if (!sink.isComplete)
    return std::nullopt;
  llvm::BLAKE3 hash;
  hash.update(context);
  hash.update(LLVM_VERSION_STRING);
  hash.update(sink.bytes);
  return hash.final();
}

std::vector<uintptr_t> structureOf(Operation *op, llvm::ArrayRef<llvm::StringRef> unseen) {
  PointerSink sink;
  StructureWalk(sink, op, unseen).add(*op);
  return std::move(sink.words);
}

KernelKey textKey(Operation *op, llvm::ArrayRef<llvm::StringRef> unseen) {
  TextSink sink(op->getContext());
  StructureWalk(sink, op, unseen).add(*op);
  llvm::BLAKE3 hash;
  hash.update(sink.bytes);
  return hash.final();
}

} // namespace sinter::cpu
