// SPDX-License-Identifier: Apache-2.0
// Matrix fragments of a warp, products of a warpgroup. Products are exact; sums are rounded to
// float once an instruction.
#include "tests/cuda/machine/Async.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace sinter::hostgpu {
namespace {

Machine &machine() { return Machine::instance(); }

float halfToFloat(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00)
    return std::bit_cast<float>(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112f;
  return sign ? -value : value;
}

float element(uint16_t bits, int kind) {
  return kind == shimHalf ? halfToFloat(bits)
                          : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
uint16_t half(unsigned word, int which) { return static_cast<uint16_t>(word >> 16 * which); }
float tf32(unsigned word) { return std::bit_cast<float>(word & 0xffffe000); }

void multiplyFragments(Block &block, uint32_t first) {
  const ShimFragments *lanes[32];
  for (uint32_t lane = 0; lane < 32; ++lane)
    lanes[lane] = std::bit_cast<const ShimFragments *>(block.threads[first + lane]->warpOp.value);
  const int kind = lanes[0]->element, depth = kind == shimTf32 ? 8 : 16;
  float a[16][16], b[16][8];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const uint32_t g = lane / 4, t = lane % 4;
    const ShimFragments &own = *lanes[lane];
    for (int word = 0; word < 4; ++word) {
      const uint32_t row = g + (word % 2 ? 8 : 0);
      if (kind == shimTf32)
        a[row][t + (word / 2 ? 4 : 0)] = tf32(own.a[word]);
      else
        for (int i = 0; i < 2; ++i)
          a[row][2 * t + static_cast<uint32_t>(i) + (word / 2 ? 8 : 0)] =
              element(half(own.a[word], i), kind);
    }
    for (int word = 0; word < 2; ++word)
      if (kind == shimTf32)
        b[t + 4 * static_cast<uint32_t>(word)][g] = tf32(own.b[word]);
      else
        for (int i = 0; i < 2; ++i)
          b[2 * t + static_cast<uint32_t>(i) + 8 * static_cast<uint32_t>(word)][g] =
              element(half(own.b[word], i), kind);
  }
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = lane / 4 + (i / 2) * 8, column = lane % 4 * 2 + i % 2;
      double sum = lanes[lane]->sum[i];
      for (int k = 0; k < depth; ++k)
        sum += static_cast<double>(a[row][k]) * b[k][column];
      lanes[lane]->sum[i] = static_cast<float>(sum);
    }
}

struct MatrixRow {
  unsigned *to;
  const void *row;
};

void loadMatrices(Block &block, uint32_t first, bool transposed) {
  uint16_t matrices[4][8][8];
  MatrixRow *lanes[32];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    lanes[lane] = std::bit_cast<MatrixRow *>(block.threads[first + lane]->warpOp.value);
    std::memcpy(matrices[lane / 8][lane % 8], lanes[lane]->row, 16);
  }
  for (uint32_t lane = 0; lane < 32; ++lane)
    for (uint32_t m = 0; m < 4; ++m) {
      const uint32_t row = lane / 4, column = lane % 4 * 2;
      const uint16_t low = transposed ? matrices[m][column][row] : matrices[m][row][column],
                     high =
                         transposed ? matrices[m][column + 1][row] : matrices[m][row][column + 1];
      lanes[lane]->to[m] = low | static_cast<unsigned>(high) << 16;
    }
}

// -- Products of a warpgroup

/// Reads operands through descriptors, whose rows of 128 bytes are swizzled.
class Operand {
public:
  Operand(const Block &block, uint64_t descriptor, bool alongRows, int kind, void *place)
      : start(block.shared + (descriptor & 0x3fff) * 16), leading((descriptor >> 16 & 0x3fff) * 16),
        stride((descriptor >> 32 & 0x3fff) * 16), alongRows(alongRows), kind(kind), place(place) {
    if (descriptor >> 62 != 1)
      machine().fail("an operand in shared memory whose swizzle is not 128 bytes", place);
  }

  float at(uint32_t row, uint32_t k) const {
    uintptr_t address =
        alongRows ? start + row / 64 * leading + k / 8 * stride + k % 8 * 128 + row % 64 * 2
                  : start + row / 8 * stride + row % 8 * 128 + k * 2;
    address ^= (address >> 7 & 7) << 4;
    machine().access(address, 2, false, false, place);
    // Ordinary stores are seen by products only behind a fence of the storing thread.
    const Tag writer = machine().cellOfShared(address / 4 * 4).writer;
    if (machine().checks && writer && writer.thread() < machine().agentRank() &&
        machine().async->threads.size() > writer.thread() &&
        machine().async->threads[writer.thread()].proxyFence < writer.time())
      machine().fail("a product reads what a thread stored without fenceProxy behind it", place);
    if (machine().checks && writer && writer.thread() < machine().agentRank() &&
        machine().async->threads.size() <= writer.thread())
      machine().fail("a product reads what a thread stored without fenceProxy behind it", place);
    uint16_t bits;
    std::memcpy(&bits, reinterpret_cast<const void *>(address), sizeof bits);
    return element(bits, kind);
  }

private:
  uintptr_t start, leading, stride;
  bool alongRows;
  int kind;
  void *place;
};

void perform(const GroupProduct &one, AsyncState::Group &group, void *place) {
  const ShimProduct &product = one.product;
  const auto columns = static_cast<uint32_t>(product.count * 2);
  const Operand a(*one.block, product.a, product.aAlongM, product.element, place),
      b(*one.block, product.b, product.bAlongN, product.element, place);
  std::vector<float> left(64 * 16), right(columns * 16);
  for (uint32_t k = 0; k < 16; ++k) {
    for (uint32_t m = 0; m < 64; ++m)
      left[m * 16 + k] = a.at(m, k);
    for (uint32_t n = 0; n < columns; ++n)
      right[n * 16 + k] = b.at(n, k);
  }
  for (uint32_t thread = 0; thread < 128; ++thread) {
    std::vector<float> &sums = group.held.at(one.sums[thread]);
    const uint32_t warp = thread / 32, g = thread % 32 / 4, t = thread % 4;
    for (uint32_t i = 0; i < sums.size(); ++i) {
      const uint32_t row = warp * 16 + g + i % 4 / 2 * 8, column = i / 4 * 8 + t * 2 + i % 2;
      double sum = product.isFirst ? 0 : sums[i];
      for (uint32_t k = 0; k < 16; ++k)
        sum += static_cast<double>(left[row * 16 + k]) * right[column * 16 + k];
      sums[i] = static_cast<float>(sum);
    }
  }
}

AsyncState::Group &groupOf(const Thread &thread, void *place) {
  const uint32_t first = thread.rank - thread.rankInBlock % 128;
  if (thread.rankInBlock / 128 * 128 + 128 > thread.block->threads.size())
    machine().fail("a product of a warpgroup that has fewer than 128 threads", place);
  return machine().async->groups[first];
}

/// Waits until all 128 threads are here; true for the last, before the others go on.
template <typename Do> void together(AsyncState::Group &group, void *place, Do last) {
  if (group.arrived == 0)
    group.place = place;
  if (group.place != place)
    machine().fail("threads of a warpgroup meet at different instructions", place);
  if (++group.arrived < 128) {
    group.waiting.push_back(&machine().self());
    machine().wait("its warpgroup", place);
    return;
  }
  group.arrived = 0;
  last();
  std::vector<Thread *> waiting = std::move(group.waiting);
  group.waiting.clear();
  for (Thread *thread : waiting)
    machine().wake(*thread);
}

} // namespace

void warpMatrices(Machine &, Block &block, uint32_t firstLane, int kind) {
  if (kind == shimFragments)
    multiplyFragments(block, firstLane);
  else
    loadMatrices(block, firstLane, kind == shimMatricesTransposed);
}

} // namespace sinter::hostgpu

using namespace sinter::hostgpu;

extern "C" {

unsigned long long shimWarpAt(int kind, unsigned mask, unsigned long long value, int argument,
                              int width, void *place);

void shimLoadMatrices(unsigned *to, const void *row, int transposed) {
  void *place = __builtin_return_address(0);
  if (std::bit_cast<uintptr_t>(row) % 16 != 0 ||
      !machine().blockOfShared(std::bit_cast<uintptr_t>(row)))
    machine().fail("misaligned: a row of a matrix, or one that is not in shared memory", place);
  machine().access(std::bit_cast<uintptr_t>(row), 16, false, false, place);
  MatrixRow mine{to, row};
  shimWarpAt(transposed ? shimMatricesTransposed : shimMatrices, 0xffffffff,
             std::bit_cast<uint64_t>(&mine), 0, 32, place);
}
void shimMultiplyAdd(ShimFragments *fragments) {
  shimWarpAt(shimFragments, 0xffffffff, std::bit_cast<uint64_t>(fragments), 0, 32,
             __builtin_return_address(0));
}

void shimMultiplyGroup(const ShimProduct *product) {
  void *place = __builtin_return_address(0);
  const Thread &self = machine().self();
  AsyncState::Group &group = groupOf(self, place);
  group.arriving.resize(128);
  group.arriving[self.rankInBlock % 128] = product;
  together(group, place, [&] {
    GroupProduct made;
    made.product = *product;
    made.block = self.block;
    for (const ShimProduct *one : group.arriving) {
      if (one->a != product->a || one->b != product->b || one->isFirst != product->isFirst ||
          one->count != product->count)
        machine().fail("threads of a warpgroup multiply different operands", place);
      made.sums.push_back(one->sum);
      if (!group.held.count(one->sum)) {
        group.held[one->sum].assign(one->sum, one->sum + one->count);
        std::fill_n(one->sum, one->count, std::numeric_limits<float>::quiet_NaN());
      }
    }
    group.open.push_back(std::move(made));
  });
}

void shimCommitProducts() {
  // Every thread says so; the group is closed by the first.
  const Thread &self = machine().self();
  AsyncState::Group &group = groupOf(self, __builtin_return_address(0));
  if (self.rankInBlock % 128 == 0) {
    group.groups.push_back(std::move(group.open));
    group.open.clear();
  }
}

void shimWaitProducts(int inFlight) {
  void *place = __builtin_return_address(0);
  AsyncState::Group &group = groupOf(machine().self(), place);
  together(group, place, [&] {
    while (group.groups.size() > static_cast<size_t>(inFlight)) {
      for (const GroupProduct &one : group.groups.front())
        perform(one, group, place);
      group.groups.pop_front();
    }
    if (!group.open.empty())
      machine().fail("products that were not committed before a wait", place);
    // Sums that no product in flight adds to are there.
    for (auto it = group.held.begin(); it != group.held.end();) {
      bool busy = false;
      for (const auto &products : group.groups)
        for (const GroupProduct &one : products)
          busy |= std::find(one.sums.begin(), one.sums.end(), it->first) != one.sums.end();
      if (busy) {
        ++it;
        continue;
      }
      std::copy(it->second.begin(), it->second.end(), it->first);
      it = group.held.erase(it);
    }
  });
}
}
