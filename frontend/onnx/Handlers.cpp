// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Importer.h"

#include <map>

namespace sinter::onnx {
namespace {

using Key = std::pair<std::string_view, std::string_view>; ///< Domain and op.

/// All tables, by op; since-versions ascend.
const std::map<Key, std::vector<const OpHandler *>> &allHandlers() {
  static const auto table = [] {
    std::map<Key, std::vector<const OpHandler *>> joined;
    for (auto family : {
             elementwiseHandlers,   logicHandlers,       shapeHandlers,       sliceHandlers,
             createHandlers,        randomHandlers,      reduceHandlers,      indexHandlers,
             dataDependentHandlers, contractionHandlers, activationHandlers,  normalizationHandlers,
             attentionHandlers,     recurrentHandlers,   convolutionHandlers, poolingHandlers,
             visionHandlers,        signalHandlers,      quantizeHandlers,    lossHandlers,
             trainingHandlers,      mlHandlers,
         })
      for (const OpHandler &handler : family())
        joined[{handler.domain, handler.op}].push_back(&handler);
    for (auto &[key, rows] : joined)
      std::sort(rows.begin(), rows.end(),
                [](const OpHandler *a, const OpHandler *b) { return a->since < b->since; });
    return joined;
  }();
  return table;
}

} // namespace

const OpHandler *findHandler(std::string_view domain, std::string_view op, int64_t opset,
                             std::string &why) {
  auto found = allHandlers().find({domain, op});
  if (found == allHandlers().end()) {
    why = "there is no importer for this operator";
    return nullptr;
  }
  const OpHandler *best = nullptr;
  for (const OpHandler *row : found->second)
    if (row->since <= opset)
      best = row;
  if (!best)
    why = "this operator is supported from version " +
          std::to_string(found->second.front()->since) + " of its domain on";
  return best;
}

} // namespace sinter::onnx
