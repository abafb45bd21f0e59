// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/FusionGroups.h"
#include "sinter/passes/FusionReport.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

static constexpr llvm::StringLiteral reportAttr = "sinter.unfused";

static DimExpr bytesOf(Value value) {
  auto type = tensorType(value);
  return type.getNumElements() * byteSize(type.getDType());
}

void explainEdges(func::FuncOp func, FusionGroups &groups) {
  OpBuilder builder(func.getContext());
  auto text = [&](const std::string &words) { return builder.getStringAttr(words); };
  llvm::SmallVector<Attribute> edges;
  for (size_t g : groups.live()) {
    // A view that only has other sizes takes its operand's buffer: it moves nothing.
    if (groups[g].front()->regroups)
      continue;
    for (Value value : groups.outputsOf(g)) {
      llvm::SmallVector<std::pair<size_t, const OpFacts::Entry *>>
          readers; // The first op of each group.
      for (Operation *op : value.getUsers()) {
        const OpFacts::Entry *user = groups.getFacts().find(op);
        auto reader = groups.groupOf(user);
        if (!reader || *reader == g)
          continue;
        auto known = llvm::find_if(readers, [&](auto &entry) { return entry.first == *reader; });
        if (known == readers.end())
          readers.push_back({*reader, user});
        else if (groups.precedes(user, known->second))
          known->second = user;
      }
      llvm::sort(readers, [&](auto &a, auto &b) { return groups.precedes(a.second, b.second); });
      for (auto [reader, user] : readers) {
        Judgement judgement = groups.judge(g, reader, /*explain=*/true);
        std::string reason =
            !judgement.reason.empty() ? judgement.reason : "another kernel took in one of the two";
        // Stored for the first reader; the others only read.
        DimExpr bytes = bytesOf(value) * (user == readers.front().second ? 2 : 1);
        edges.push_back(builder.getDictionaryAttr({
            builder.getNamedAttr("bytes", toAttribute(func.getContext(), bytes)),
            builder.getNamedAttr("consumer", text(user->op->getName().stripDialect().str())),
            builder.getNamedAttr("from", value.getLoc()),
            builder.getNamedAttr("producer",
                                 text(value.getDefiningOp()->getName().stripDialect().str())),
            builder.getNamedAttr("reason", text(reason)),
            builder.getNamedAttr("to", user->op->getLoc()),
        }));
      }
    }
  }
  func->setAttr(reportAttr, builder.getArrayAttr(edges));
}

std::vector<UnfusedEdge> unfusedEdges(func::FuncOp graph) {
  std::vector<UnfusedEdge> edges;
  auto list = graph->getAttrOfType<ArrayAttr>(reportAttr);
  if (!list)
    return edges;
  // Text may come in with anything.
  for (auto entry : list.getAsRange<DictionaryAttr>()) {
    UnfusedEdge edge;
    auto word = [&](llvm::StringRef name) {
      auto attribute = entry.getAs<StringAttr>(name);
      return attribute ? attribute.str() : std::string();
    };
    auto line = [&](llvm::StringRef name) {
      auto attribute = entry.getAs<LocationAttr>(name);
      return attribute ? toSourceLoc(Location(attribute)) : SourceLoc();
    };
    edge.producer = word("producer");
    edge.consumer = word("consumer");
    edge.fromLocation = entry.getAs<LocationAttr>("from");
    edge.toLocation = entry.getAs<LocationAttr>("to");
    edge.reason = word("reason");
    edge.from = line("from");
    edge.to = line("to");
    edge.bytes = toDim(entry.get("bytes")).value_or(DimExpr(0));
    edges.push_back(std::move(edge));
  }
  return edges;
}

} // namespace sinter::passes
