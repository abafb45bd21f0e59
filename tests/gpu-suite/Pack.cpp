// SPDX-License-Identifier: Apache-2.0
#include "tests/gpu-suite/Pack.h"

#include "sinter/ir/base/Error.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <sstream>

namespace sinter::suite {
namespace {

namespace fs = std::filesystem;

constexpr const char *indexName = "index.txt", *benchName = "bench.txt", *smallName = "small.txt",
                     *sumsName = "sums.txt";
constexpr std::array comparisonNames = {"largest-value", "largest", "norm"};

[[noreturn]] void failDamaged(const std::string &what) {
  throw Error({.code = ErrorCode::FileAccess, .hint = "unpack it again"},
              "the pack is damaged: " + what);
}

std::ifstream open(const fs::path &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in)
    throw Error({.code = ErrorCode::FileAccess,
                 .hint = "the folder is 'cases' of what scripts/pack-gpu-suite packs"},
                "cannot read '" + path.string() + "'");
  return in;
}

unsigned long sumOf(const fs::path &path) {
  std::ifstream in = open(path);
  std::vector<char> part(1 << 20);
  unsigned long sum = crc32(0, nullptr, 0);
  while (in.read(part.data(), static_cast<std::streamsize>(part.size())) || in.gcount() > 0)
    sum = crc32(sum, reinterpret_cast<const Bytef *>(part.data()), static_cast<uInt>(in.gcount()));
  return sum;
}

/// Lines of `BYTES SUM NAME`.
void checkSums(const fs::path &folder) {
  std::ifstream in = open(folder / sumsName);
  int64_t files = 0;
  for (std::string line; std::getline(in, line); ++files) {
    std::istringstream words(line);
    uintmax_t bytes = 0;
    unsigned long sum = 0;
    std::string name;
    if (!(words >> bytes >> sum >> name))
      failDamaged(std::string(sumsName) + " has the line '" + line + "'");
    std::error_code problem;
    const uintmax_t found = fs::file_size(folder / name, problem);
    if (problem)
      failDamaged("'" + name + "' is missing");
    if (found != bytes)
      failDamaged("'" + name + "' has " + std::to_string(found) + " bytes, not " +
                  std::to_string(bytes));
    if (sumOf(folder / name) != sum)
      failDamaged("'" + name + "' is not what was packed");
  }
  if (files == 0)
    failDamaged(std::string(sumsName) + " is empty");
}

Case caseOf(const std::string &line) {
  Case one;
  std::string comparison;
  if (!(std::istringstream(line) >> one.name >> one.steps >> one.tolerance >> comparison))
    failDamaged(std::string(indexName) + " has the line '" + line + "'");
  const auto *found = std::find(comparisonNames.begin(), comparisonNames.end(), comparison);
  if (found == comparisonNames.end())
    failDamaged("nothing compares as '" + comparison + "'");
  one.comparison = static_cast<Comparison>(found - comparisonNames.begin());
  return one;
}

/// NAME LIBRARY FLOPS LEAST BF16, then `range NAME N`, `product M N K` and `rest LIBRARY`.
BenchCase benchOf(const std::string &line) {
  BenchCase one;
  std::istringstream words(line);
  words >> one.name >> one.library >> one.flops.count >> one.flops.least >>
      one.flops.multipliesBf16;
  bool good = static_cast<bool>(words);
  for (std::string word; good && words >> word;) {
    std::string name;
    int64_t size = 0;
    Product product;
    if (word == "range" && words >> name >> size)
      one.ranges[name] = size;
    else if (word == "product" && words >> product.rows >> product.columns >> product.inner)
      one.products.push_back(product);
    else if (word == "rest" && words >> name)
      one.rest.push_back(name);
    else
      good = false;
  }
  if (!good)
    failDamaged("a list of programs to time has the line '" + line + "'");
  return one;
}

template <typename Parse> auto readLines(const fs::path &path, Parse parse) {
  std::vector<decltype(parse(""))> entries;
  std::ifstream in = open(path);
  for (std::string line; std::getline(in, line);)
    entries.push_back(parse(line));
  return entries;
}

void writeBenches(const fs::path &path, const std::vector<BenchCase> &benches) {
  std::ofstream out(path);
  for (const BenchCase &one : benches) {
    out << one.name << " " << one.library << " " << one.flops.count << " " << one.flops.least << " "
        << one.flops.multipliesBf16;
    for (const auto &[name, size] : one.ranges)
      out << " range " << name << " " << size;
    for (const Product &product : one.products)
      out << " product " << product.rows << " " << product.columns << " " << product.inner;
    for (const std::string &library : one.rest)
      out << " rest " << library;
    out << "\n";
  }
}

} // namespace

Pack readPack(const fs::path &folder) {
  Pack pack{.folder = folder,
            .cases = readLines(folder / indexName, caseOf),
            .benches = readLines(folder / benchName, benchOf),
            .smallBenches = readLines(folder / smallName, benchOf)};
  checkSums(folder);
  return pack;
}

void writePack(const Pack &pack) {
  std::ofstream index(pack.folder / indexName);
  for (const Case &one : pack.cases)
    index << one.name << " " << one.steps << " " << one.tolerance << " "
          << comparisonNames[static_cast<size_t>(one.comparison)] << "\n";
  index.close();
  writeBenches(pack.folder / benchName, pack.benches);
  writeBenches(pack.folder / smallName, pack.smallBenches);
  std::vector<std::string> names;
  for (const fs::directory_entry &entry : fs::directory_iterator(pack.folder))
    if (entry.is_regular_file() && entry.path().filename() != sumsName)
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::ofstream sums(pack.folder / sumsName);
  for (const std::string &name : names)
    sums << fs::file_size(pack.folder / name) << " " << sumOf(pack.folder / name) << " " << name
         << "\n";
  if (!sums.flush())
    throw Error({.code = ErrorCode::FileAccess}, "cannot write to '" + pack.folder.string() + "'");
}

} // namespace sinter::suite
