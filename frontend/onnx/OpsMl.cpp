// SPDX-License-Identifier: Apache-2.0
// Classical machine learning: domain ai.onnx.ml, and the n-gram counter of the main domain.
#include "sinter/frontend/onnx/OpsCommon.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace sinter::onnx {

namespace {

constexpr int64_t largestConstant = int64_t{1} << 24; ///< Elements.

// -- Features -------------------------------------------------------------------------------------

void importArrayFeatureExtractor(Node &node) {
  Tensor x = node.input(0);
  requireRank(node, x, 1, "the data");
  Tensor index = node.input(1).flatten();
  if (x.rank() == 1)
    x = x.expandDims(0);
  std::vector<int64_t> lastFirst = axisRange(0, x.rank() - 1), back = axisRange(1, x.rank());
  lastFirst.insert(lastFirst.begin(), x.rank() - 1);
  back.push_back(0);
  node.output(0, x.transpose(lastFirst).gatherRows(index).transpose(back));
}

void importBinarizer(Node &node) {
  Tensor x = node.input(0);
  node.output(0, (x > node.floatAttribute("threshold", 0.0)).cast(x.dtype()));
}

/// A one-dimensional attribute in one of its forms, named prefix_int64s, prefix_floats or
/// prefix_tensor.
std::optional<Array> listAttribute(Node &node, const std::string &prefix) {
  if (node.hasAttribute(prefix + "_strings"))
    node.unsupported("strings");
  if (node.hasAttribute(prefix + "_int64s"))
    return Array::from(node.intsAttribute(prefix + "_int64s"));
  if (node.hasAttribute(prefix + "_floats"))
    return Array::from(node.floatsAttribute(prefix + "_floats")).cast(f32);
  if (node.hasAttribute(prefix + "_tensor"))
    return node.tensorAttribute(prefix + "_tensor");
  return std::nullopt;
}

void importLabelEncoder(Node &node) {
  std::optional<Array> keys = listAttribute(node, "keys"), values = listAttribute(node, "values");
  if (!keys || !values || keys->rank() != 1 || keys->sizes() != values->sizes() ||
      keys->numElements() == 0)
    node.invalid("keys and values must be lists of equal length");
  DType valueType = values->dtype();
  double otherwise = isFloat(valueType) ? -0.0 : -1;
  node.ignoreAttribute("default_string");
  if (node.hasAttribute("default_tensor"))
    otherwise = node.tensorAttribute("default_tensor").item();
  else if (isFloat(valueType))
    otherwise = node.floatAttribute("default_float", otherwise);
  else
    otherwise = static_cast<double>(node.intAttribute("default_int64", -1));
  node.ignoreAttribute("default_float");
  node.ignoreAttribute("default_int64");

  Tensor x = node.input(0);
  if (x.dtype() != keys->dtype())
    node.invalid("keys of another dtype than " + x.str());
  // The last of equal keys wins; NaN finds NaN.
  Tensor key = node.graph().constant(*keys), wide = x.expandDims(x.rank());
  Tensor found = equal(wide, key);
  if (isFloat(x.dtype()))
    found = found || (notEqual(wide, wide) && notEqual(key, key));
  Tensor position =
      where(found, node.graph().arange(i64, keys->numElements()), int64_t{-1}).max(x.rank());
  Tensor value = node.graph().constant(*values).gatherRows(maximum(position, 0));
  Tensor missing = node.graph().constant(Array::scalar(otherwise).cast(valueType));
  node.output(0, where(position >= 0, value, missing));
}

// -- Trees ----------------------------------------------------------------------------------------

/// The nodes of all trees in one numbering: inner nodes, then leaves, which lead to themselves.
struct Forest {
  explicit Forest(Node &node) : roots(node.intsAttribute("tree_roots")) {
    features = node.intsAttribute("nodes_featureids");
    inner = static_cast<int64_t>(features.size());
    weights = node.tensorAttribute("leaf_weights");
    targets = node.intsAttribute("leaf_targetids");
    leaves = static_cast<int64_t>(targets.size());
    splits = node.tensorAttribute("nodes_splits");
    modes = node.tensorAttribute("nodes_modes").toVector<int64_t>();
    tracksNaN = node.intsAttribute("nodes_missing_value_tracks_true", std::vector<int64_t>{});
    node.ignoreAttribute("nodes_hitrates"); // a hint
    if (tracksNaN.empty())
      tracksNaN.assign(features.size(), 0);
    if (splits.numElements() != inner || static_cast<int64_t>(modes.size()) != inner ||
        static_cast<int64_t>(tracksNaN.size()) != inner || weights.numElements() != leaves ||
        inner == 0 || leaves == 0)
      node.invalid("attributes of nodes or leaves differ in length");
    onTrue = links(node, "nodes_truenodeids", "nodes_trueleafs");
    onFalse = links(node, "nodes_falsenodeids", "nodes_falseleafs");
    measure(node);
  }

  std::vector<int64_t> links(Node &node, const char *ids, const char *leafs) {
    std::vector<int64_t> to = node.intsAttribute(ids), leaf = node.intsAttribute(leafs);
    if (static_cast<int64_t>(to.size()) != inner || to.size() != leaf.size())
      node.invalid("attributes of nodes differ in length");
    for (size_t i = 0; i < to.size(); ++i) {
      if (to[i] < 0 || to[i] >= (leaf[i] ? leaves : inner))
        node.invalid("a branch leads to node " + std::to_string(to[i]));
      if (leaf[i])
        to[i] += inner;
    }
    for (int64_t i = 0; i < leaves; ++i)
      to.push_back(inner + i);
    return to;
  }

  /// Finds the depth, and refuses what is no tree. Each inner node is reached once.
  void measure(Node &node) {
    std::vector<int64_t> level;
    for (int64_t root : roots) {
      if (root < 0 || root >= inner)
        node.invalid("tree root " + std::to_string(root));
      level.push_back(root);
    }
    int64_t visited = 0;
    for (; !level.empty(); ++depth) {
      visited += static_cast<int64_t>(level.size());
      if (visited > inner)
        node.invalid("the nodes do not form trees");
      std::vector<int64_t> next;
      for (int64_t i : level)
        for (const std::vector<int64_t> *links : {&onTrue, &onFalse})
          if (int64_t to = (*links)[static_cast<size_t>(i)]; to < inner)
            next.push_back(to);
      level = std::move(next);
    }
    if (depth > 256)
      node.unsupported("trees of depth " + std::to_string(depth) + " (limit: 256)");
  }

  std::vector<int64_t> roots, features, targets, modes, tracksNaN, onTrue, onFalse;
  Array weights, splits;
  int64_t inner = 0, leaves = 0, depth = 0;
};

enum Mode { LessEqual, Less, GreaterEqual, Greater, Equal, NotEqual, Member, numModes };

/// Rows of set members, one per inner node, filled with NaN, which equals nothing.
Array memberTable(Node &node, const Forest &forest, DType dtype) {
  std::vector<double> values;
  if (node.hasAttribute("membership_values"))
    values = node.tensorAttribute("membership_values").toVector<double>();
  std::vector<std::vector<double>> rows(static_cast<size_t>(forest.inner));
  size_t position = 0, width = 1;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (forest.modes[i] != Member)
      continue;
    while (position < values.size() && !std::isnan(values[position]))
      rows[i].push_back(values[position++]);
    if (position == values.size())
      node.invalid("too few membership_values");
    ++position; // the NaN that ends the set
    width = std::max(width, rows[i].size());
  }
  if (static_cast<int64_t>(rows.size() * width) > largestConstant)
    node.unsupported("membership sets this large");
  std::vector<double> all;
  for (std::vector<double> &row : rows) {
    row.resize(width, std::numeric_limits<double>::quiet_NaN());
    all.insert(all.end(), row.begin(), row.end());
  }
  return Array::from(all, {forest.inner, static_cast<int64_t>(width)}).cast(dtype);
}

void importTreeEnsemble(Node &node) {
  Tensor x = floatInput(node, 0);
  if (x.rank() != 2)
    node.invalid("the features are [N, F], not " + x.str());
  Forest forest(node);
  int64_t features = node.staticSize(x.size(1), "the number of features");
  int64_t targets = node.intAttribute("n_targets");
  int64_t trees = static_cast<int64_t>(forest.roots.size());
  bool used[numModes] = {};
  for (size_t i = 0; i < forest.features.size(); ++i) {
    if (forest.features[i] < 0 || forest.features[i] >= features)
      node.invalid("feature " + std::to_string(forest.features[i]) + " of " + x.str());
    if (forest.modes[i] < 0 || forest.modes[i] >= numModes)
      node.invalid("mode " + std::to_string(forest.modes[i]));
    used[forest.modes[i]] = true;
  }
  for (int64_t target : forest.targets)
    if (target < 0 || target >= targets)
      node.invalid("target " + std::to_string(target));

  auto table = [&](const std::vector<int64_t> &values) {
    return indexConstant(node, values, {static_cast<int64_t>(values.size())});
  };
  Tensor split = node.graph().constant(forest.splits.cast(x.dtype()).reshape({-1}));
  Tensor feature = table(forest.features), mode = table(forest.modes);
  Tensor onTrue = table(forest.onTrue), onFalse = table(forest.onFalse);
  Tensor tracksNaN = table(forest.tracksNaN);
  Tensor members = node.graph().constant(memberTable(node, forest, x.dtype()));

  Shape perTree{x.size(0), trees};
  Tensor wide = x.expandDims(1).broadcastTo({x.size(0), trees, features});
  Tensor at = table(forest.roots).broadcastTo(perTree);
  for (int64_t level = 0; level < forest.depth; ++level) {
    Tensor here = minimum(at, forest.inner - 1); // leaves look at a node and stay
    Tensor value = wide.pick(feature.gatherRows(here)), limit = split.gatherRows(here);
    Tensor kind = mode.gatherRows(here);
    Tensor yes = notEqual(tracksNaN.gatherRows(here), 0) && notEqual(value, value);
    auto add = [&](Mode which, const Tensor &holds) {
      yes = yes || (equal(kind, int64_t{which}) && holds);
    };
    if (used[LessEqual])
      add(LessEqual, value <= limit);
    if (used[Less])
      add(Less, value < limit);
    if (used[GreaterEqual])
      add(GreaterEqual, value >= limit);
    if (used[Greater])
      add(Greater, value > limit);
    if (used[Equal])
      add(Equal, equal(value, limit));
    if (used[NotEqual])
      add(NotEqual, notEqual(value, limit));
    if (used[Member])
      add(Member, equal(members.gatherRows(here), value.expandDims(2)).cast(i32).sum(2) > 0);
    at = where(yes, onTrue.gatherRows(at), onFalse.gatherRows(at));
  }

  Tensor leaf = at - forest.inner;
  Tensor weight =
      node.graph().constant(forest.weights.cast(x.dtype()).reshape({-1})).gatherRows(leaf);
  Tensor hit = equal(table(forest.targets).gatherRows(leaf).expandDims(2),
                     node.graph().arange(i64, targets));
  weight = weight.expandDims(2);
  Tensor y;
  switch (node.intAttribute("aggregate_function", 1)) {
  case 0:
    y = where(hit, weight, 0).sum(1) / static_cast<double>(trees);
    break;
  case 1:
    y = where(hit, weight, 0).sum(1);
    break;
  default:
    node.unsupported("aggregate functions besides the sum and the average");
  }
  switch (node.intAttribute("post_transform", 0)) {
  case 0:
    break;
  case 1:
    y = softmax(y);
    break;
  case 2:
    y = sigmoid(y);
    break;
  default:
    node.unsupported("post transforms besides softmax and logistic");
  }
  node.output(0, y);
}

// -- N-grams --------------------------------------------------------------------------------------

void importTfIdfVectorizer(Node &node) {
  if (node.hasAttribute("pool_strings"))
    node.unsupported("strings");
  static constexpr std::string_view modeNames[] = {"TF", "IDF", "TFIDF"};
  if (!node.hasAttribute("mode"))
    node.invalid("attribute mode is required");
  size_t mode = node.choiceAttribute("mode", modeNames, "TF");
  int64_t shortest = node.intAttribute("min_gram_length");
  int64_t longest = node.intAttribute("max_gram_length");
  int64_t skips = node.intAttribute("max_skip_count");
  std::vector<int64_t> starts = node.intsAttribute("ngram_counts");
  std::vector<int64_t> columns = node.intsAttribute("ngram_indexes");
  std::vector<int64_t> pool = node.intsAttribute("pool_int64s");
  std::vector<double> idf = node.floatsAttribute("weights", std::vector<double>{});
  Tensor x = node.input(0);
  if (x.rank() != 1 && x.rank() != 2)
    node.invalid("the items are [C] or [N, C], not " + x.str());
  int64_t length = node.staticSize(x.size(-1), "the number of items");
  int64_t width = 0;
  for (int64_t column : columns) {
    if (column < 0 || column >= largestConstant)
      node.invalid("ngram index " + std::to_string(column));
    width = std::max(width, column + 1);
  }
  if (shortest < 1 || longest < shortest || skips < 0 || width == 0)
    node.invalid("gram lengths, skips or indexes make no sense");
  starts.push_back(static_cast<int64_t>(pool.size()));

  if (!idf.empty() && idf.size() != columns.size())
    node.invalid("weights and ngram_indexes differ in length");

  // The n-grams of each size by their number in the pool; of equal ones the last counts.
  std::vector<Tensor> counts;
  std::vector<size_t> gramOf; // by row of the placement below
  size_t id = 0, work = 0;
  for (size_t n = 1; n < starts.size(); ++n) {
    int64_t size = static_cast<int64_t>(n), begin = starts[n - 1], end = starts[n];
    if (begin < 0 || end < begin || end > static_cast<int64_t>(pool.size()) ||
        (end - begin) % size != 0)
      node.invalid("ngram_counts do not divide the pool");
    std::map<std::vector<int64_t>, size_t> grams;
    for (int64_t i = begin; i < end; i += size) {
      if (id >= columns.size())
        node.invalid("too few ngram_indexes");
      grams[{pool.begin() + i, pool.begin() + i + size}] = id++;
    }
    if (grams.empty() || size < shortest || size > longest)
      continue;
    std::vector<std::vector<int64_t>> items(n); // by position in the n-gram
    for (const auto &[gram, number] : grams) {
      for (size_t j = 0; j < n; ++j)
        items[j].push_back(gram[j]);
      gramOf.push_back(number);
    }
    int64_t many = static_cast<int64_t>(grams.size());
    Tensor count;
    for (int64_t distance = 1; distance <= (n == 1 ? 1 : skips + 1); ++distance) {
      int64_t places = length - (size - 1) * std::min(distance, length);
      if (places <= 0)
        break;
      if ((work += n) > 4096)
        node.unsupported("this many n-gram lengths and skips");
      Tensor match;
      for (int64_t j = 0; j < size; ++j) {
        Tensor item = x.slice(-1, j * distance, j * distance + places).expandDims(x.rank());
        Tensor same =
            equal(item.cast(i64), indexConstant(node, items[static_cast<size_t>(j)], {many}));
        match = match.defined() ? match && same : same;
      }
      Tensor found = match.cast(f32).sum(x.rank() - 1);
      count = count.defined() ? count + found : found;
    }
    if (!count.defined()) {
      std::vector<DimExpr> dims = x.shape().vector();
      dims.back() = many;
      count = node.graph().zeros(f32, Shape(dims));
    }
    counts.push_back(count);
  }

  std::vector<DimExpr> dims = x.shape().vector();
  dims.back() = width;
  Tensor y = node.graph().zeros(f32, Shape(dims));
  if (!counts.empty()) {
    int64_t rows = static_cast<int64_t>(gramOf.size());
    if (rows > largestConstant / width)
      node.unsupported("a vocabulary this large");
    // Row by row the column of an n-gram, with its weight.
    std::vector<double> placement(static_cast<size_t>(rows * width));
    for (size_t row = 0; row < gramOf.size(); ++row)
      placement[row * static_cast<size_t>(width) + static_cast<size_t>(columns[gramOf[row]])] =
          mode == 0 || idf.empty() ? 1 : idf[gramOf[row]];
    Tensor all = concat(counts, -1);
    if (mode == 1)
      all = (all > 0).cast(f32);
    y = matmul(all, constantOf(node, f32, placement, {rows, width}));
  }
  node.output(0, y);
}

constexpr std::string_view domain = "ai.onnx.ml";
constexpr OpHandler handlers[] = {
    {"ArrayFeatureExtractor", 1, importArrayFeatureExtractor, domain},
    {"Binarizer", 1, importBinarizer, domain},
    {"LabelEncoder", 2, importLabelEncoder, domain},
    {"TfIdfVectorizer", 9, importTfIdfVectorizer},
    {"TreeEnsemble", 5, importTreeEnsemble, domain},
};

} // namespace

std::span<const OpHandler> mlHandlers() { return handlers; }

} // namespace sinter::onnx
