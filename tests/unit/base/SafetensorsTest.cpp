// SPDX-License-Identifier: Apache-2.0
#include "TempFolder.h"

#include "sinter/ir/base/ArrayFiles.h"
#include "sinter/ir/base/SafetensorsFormat.h"

#include <cstring>
#include <fstream>
#include <limits>

using namespace sinter;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

/// A file with a header as written.
std::string file(const std::string &header, const std::string &data) {
  std::string bytes;
  for (size_t i = 0, length = header.size(); i < 8; ++i, length >>= 8)
    bytes += static_cast<char>(length & 0xff);
  return bytes + header + data;
}

std::string tensor(const std::string &name, const std::string &shape, int64_t begin, int64_t end,
                   const std::string &dtype = "F32") {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(end) + "]}";
}

class SafetensorsTest : public testing::Test {
protected:
  SafetensorsFile read(const std::string &bytes) {
    fs::remove(folder / "x.safetensors");
    std::ofstream(folder / "x.safetensors", std::ios::binary) << bytes;
    return readSafetensors(folder / "x.safetensors");
  }
  ErrorCode codeOfRead(const std::string &bytes) {
    return codeOf([&] { read(bytes); });
  }
  /// What the error says; "" when there is none.
  std::string messageOfRead(const std::string &bytes) {
    try {
      read(bytes);
    } catch (const Error &error) {
      return error.message();
    }
    return "";
  }
  void expectRefused(const std::string &bytes, const std::string &why) {
    EXPECT_EQ(codeOfRead(bytes), ErrorCode::Diagnostics) << bytes.substr(8);
    EXPECT_NE(messageOfRead(bytes).find(why), std::string::npos) << bytes.substr(8) << "\n"
                                                                 << messageOfRead(bytes);
  }
  TempFolder folder;
};

Array filled(DType dtype, const std::vector<int64_t> &sizes) {
  Array array(dtype, sizes);
  for (int64_t i = 0; i < array.numBytes(); ++i)
    static_cast<uint8_t *>(array.data())[i] = static_cast<uint8_t>(dtype == boolean ? i % 2 : i);
  return array;
}

void expectSame(const ArrayMap &got, const ArrayMap &wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (const auto &[name, array] : wanted) {
    ASSERT_TRUE(got.contains(name)) << name;
    const Array &back = got.at(name);
    Array dense = array.contiguous();
    EXPECT_EQ(back.dtype(), dense.dtype());
    EXPECT_EQ(back.sizes(), dense.sizes());
    EXPECT_EQ(std::memcmp(back.data(), dense.data(), static_cast<size_t>(dense.numBytes())), 0);
  }
}

TEST_F(SafetensorsTest, RoundTripsEveryDTypeAndMetadata) {
  ArrayMap arrays;
  for (DType dtype : allDTypes) {
    EXPECT_EQ(sinterSafetensorsElementBytes(static_cast<uint32_t>(dtype)),
              static_cast<uint64_t>(byteSize(dtype)));
    for (std::vector<int64_t> sizes :
         std::vector<std::vector<int64_t>>{{}, {5}, {2, 3}, {0}, {4, 0, 2}, {1, 2, 3, 4, 5}})
      arrays.emplace(std::string(name(dtype)) + Shape(sizes).str(), filled(dtype, sizes));
  }
  arrays.emplace("view", filled(i32, {3, 4}).transpose().slice(0, 0, 4, 2));
  arrays.emplace("", filled(f64, {1}));
  arrays.emplace("quote \" backslash \\ newline \n tab \t bell \a nul " + std::string(1, '\0'),
                 filled(u8, {2}));
  arrays.emplace("größe/权重/🧊", filled(f16, {2}));
  std::map<std::string, std::string> metadata{
      {"format", "pt"}, {"a \"b\"", "\\\n\x7f é"}, {"", ""}};
  writeSafetensors(folder / "x.safetensors", arrays, metadata);
  SafetensorsFile back = readSafetensors(folder / "x.safetensors");
  expectSame(back.arrays, arrays);
  EXPECT_EQ(back.metadata, metadata);
  EXPECT_EQ(folder.numEntries(), 1u);

  // The bytes depend on the contents alone.
  std::string once = readFile(folder / "x.safetensors");
  writeSafetensors(folder / "x.safetensors", back.arrays, back.metadata);
  EXPECT_EQ(readFile(folder / "x.safetensors"), once);
}

TEST_F(SafetensorsTest, WritesTheBytesOfTheReference) {
  // Made by the Python package safetensors (save_file of numpy arrays).
  ArrayMap arrays{{"b", Array::from<int64_t>({7})},
                  {"a", Array::from<int64_t>({8, 9})},
                  {"w", Array::from<float>({1, 2, 3, 4, 5, 6}, {2, 3})},
                  {"mask", Array::from<bool>({true, false, true})}};
  std::string data;
  for (const char *name : {"a", "b", "w", "mask"})
    data.append(static_cast<const char *>(arrays.at(name).data()),
                static_cast<size_t>(arrays.at(name).numBytes()));
  std::string header = "{" + tensor("a", "[2]", 0, 16, "I64") + "," +
                       tensor("b", "[1]", 16, 24, "I64") + "," + tensor("w", "[2,3]", 24, 48) +
                       "," + tensor("mask", "[3]", 48, 51, "BOOL") + "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  writeSafetensors(folder / "x.safetensors", arrays);
  EXPECT_EQ(readFile(folder / "x.safetensors"), file(header, data));
  writeSafetensors(folder / "empty.safetensors", {});
  EXPECT_EQ(readFile(folder / "empty.safetensors"), file("{}      ", ""));
  EXPECT_TRUE(readSafetensors(folder / "empty.safetensors").arrays.empty());
}

TEST_F(SafetensorsTest, AcceptsWhatTheFormatAllows) {
  std::string data(8, '\1');
  for (const std::string &header :
       {"{" + tensor("w", "[2]", 0, 8) + "}", "{" + tensor("w", "[2]", 0, 8) + "}     ",
        std::string("{ \"w\" : { \"shape\" : [ 2 , 1 ] , \"data_offsets\":[0 ,8],\n\t\"dtype\"\r:"
                    "\"F32\" } }"),
        "{\"__metadata__\":{}," + tensor("w", "[2]", 0, 8) + "}",
        "{" + tensor("w", "[2]", 0, 8) + ",\"__metadata__\":{\"k\":\"v\"}}",
        "{" + tensor("\\u0077", "[2]", 0, 8) + "}",
        // Out of order; empty tensors anywhere between.
        "{" + tensor("b", "[]", 4, 8) + "," + tensor("e", "[0]", 4, 4) + "," +
            tensor("w", "[]", 0, 4) + "," + tensor("f", "[0,7]", 8, 8) + "}"}) {
    ASSERT_EQ(messageOfRead(file(header, data)), "") << header;
    EXPECT_TRUE(read(file(header, data)).arrays.contains("w")) << header;
  }
  EXPECT_TRUE(read(file("{" + tensor("\\ud83e\\uddca\\n\\/", "[0]", 0, 0) + "}", ""))
                  .arrays.contains("🧊\n/"));
  Array mask =
      read(file("{" + tensor("m", "[2]", 0, 2, "BOOL") + "}", "\7\0"s.substr(0, 2))).arrays.at("m");
  EXPECT_EQ(static_cast<uint8_t *>(mask.data())[0], 1);
}

TEST_F(SafetensorsTest, HeadersThatLie) {
  std::string data(8, '\0');
  auto refuse = [&](const std::string &header, const std::string &why) {
    expectRefused(file(header, data), why);
  };
  std::string good = tensor("w", "[2]", 0, 8);
  // Syntax.
  for (const std::string &header : {std::string(),
                                    std::string("{"),
                                    std::string(" {}"),
                                    std::string("[]"),
                                    std::string("null"),
                                    "{" + good + ",}",
                                    "{" + good,
                                    "{" + good + "} x",
                                    "{" + good + "}\n",
                                    "{," + good + "}",
                                    "{\"w\":1}"s,
                                    "{\"w\":{}}"s,
                                    std::string("{\"w\":[]}"),
                                    "{w:" + good.substr(4) + "}",
                                    "{'w':" + good.substr(4) + "}",
                                    "{" + good + "}" + std::string(1, '\0'),
                                    std::string("{\"w\n\":{}}"),
                                    std::string("{\"\\x\":{}}"),
                                    std::string("{\"\\u12g4\":{}}"),
                                    std::string("{\"__metadata__\":{\"k\":1}}"),
                                    std::string("{\"__metadata__\":[]}"),
                                    std::string("{\"__metadata__\":{\"k\":{\"k\":\"v\"}}}")})
    refuse(header, "JSON");
  for (const char *shape : {"[-2]", "[2.0]", "[2e0]", "[02]", "[9223372036854775808]",
                            "[99999999999999999999]", "[\"2\"]", "[[2]]", "[,]", "[2,]", "[null]"})
    refuse("{" + tensor("w", shape, 0, 8) + "}", "whole number");
  refuse("{" + tensor("w", "[2", 0, 8) + "}", "whole number");
  refuse("{" + tensor("w", "2", 0, 8) + "}", "JSON");
  // Keys.
  refuse("{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}", "lacks");
  refuse("{" + good.substr(0, good.size() - 1) + ",\"x\":1}}", "other than");
  refuse("{" + good.substr(0, good.size() - 1) + ",\"\\u0064type\":\"F32\"}}", "twice");
  refuse("{\"__metadata__\":{},\"__metadata__\":{}," + good + "}", "twice");
  refuse("{\"__metadata__\":{\"a\":\"\",\"\\u0061\":\"\"}," + good + "}", "twice");
  refuse("{" + tensor("w", "[]", 0, 4) + "," + tensor("\\u0077", "[]", 4, 8) + "}", "one name");
  // Sizes and ranges.
  refuse("{" + tensor("w", "[4611686018427387904,4]", 0, 8) + "}", "overflows");
  refuse("{" + tensor("w", "[0,9223372036854775807,9223372036854775807]", 0, 0) + "}", "overflows");
  refuse("{" + tensor("w", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]", 0, 8) + "}", "16 dimensions");
  refuse("{" + tensor("w", "[3]", 0, 8) + "}", "as long as");
  refuse("{" + tensor("w", "[2]", 0, 8, "I64") + "}", "as long as");
  refuse("{" + tensor("w", "[0]", 0, 8) + "}", "as long as");
  refuse("{" + tensor("w", "[2]", 8, 0) + "}", "inside");
  refuse("{" + tensor("w", "[3]", 0, 12) + "}", "inside");
  refuse("{" + tensor("w", "[2]", 0, std::numeric_limits<int64_t>::max()) + "}", "inside");
  refuse("{" + good + "," + tensor("v", "[2]", 0, 8) + "}", "overlaps");
  refuse("{" + good + "," + tensor("v", "[]", 4, 8) + "}", "overlaps");
  refuse("{" + good + "," + tensor("v", "[0]", 4, 4) + "}", "overlaps");
  refuse("{" + tensor("w", "[]", 0, 4) + "}", "no tensor");
  refuse("{" + tensor("w", "[]", 4, 8) + "}", "no tensor");
  refuse("{}", "no tensor");
  // Text.
  for (const char *name : {"\x80", "\xff", "\xc0\x80", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                           "\xf0\x80\x80\x80", "\\ud800", "\\udc00", "\\ud800\\u0041"})
    refuse("{" + tensor(name, "[2]", 0, 8) + "}", "UTF-8");
  // Types that exist, and that do not.
  for (const char *dtype : {"F8_E4M3", "C64", "f32", "", "F32 "})
    EXPECT_EQ(codeOfRead(file("{" + tensor("w", "[8]", 0, 8, dtype) + "}", data)),
              ErrorCode::Unsupported);
  EXPECT_NE(
      messageOfRead(file("{" + tensor("w", "[8]", 0, 8, "F8_E4M3") + "}", data)).find("'F8_E4M3'"),
      std::string::npos);
}

TEST_F(SafetensorsTest, HeaderLengthsThatLie) {
  std::string good = file("{" + tensor("w", "[2]", 0, 8) + "}", std::string(8, '\0'));
  for (uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, uint64_t{100000001},
                          ~uint64_t{0}, uint64_t{1} << 63}) {
    std::string bad = good;
    std::memcpy(bad.data(), &length, 8);
    EXPECT_EQ(codeOfRead(bad), ErrorCode::Diagnostics) << length;
  }
  EXPECT_EQ(codeOfRead(good), ErrorCode::Ok);
}

TEST_F(SafetensorsTest, TruncationIsAlwaysNoticed) {
  writeSafetensors(folder / "good", {{"a", filled(f32, {3})}, {"b", filled(i8, {5})}},
                   {{"key", "value"}});
  std::string good = readFile(folder / "good");
  for (size_t length = 0; length < good.size(); ++length)
    ASSERT_EQ(codeOfRead(good.substr(0, length)), ErrorCode::Diagnostics) << length;
  EXPECT_EQ(codeOfRead(good + '\0'), ErrorCode::Diagnostics) << "something follows the data";
  EXPECT_EQ(codeOfRead(good), ErrorCode::Ok);
}

TEST_F(SafetensorsTest, AFlippedByteIsRefusedOrHarmless) {
  ArrayMap arrays{{"a", filled(f32, {3, 2})}, {"b", filled(i8, {16})}};
  writeSafetensors(folder / "good", arrays, {{"key", "value"}});
  std::string good = readFile(folder / "good");
  size_t header = good.size() - 40;
  int accepted = 0;
  for (size_t i = 0; i < header; ++i)
    for (int flip = 1; flip < 256; flip += flip < 8 ? 1 : 13) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      SafetensorsFile back;
      if (codeOf([&] { back = read(bad); }) != ErrorCode::Ok)
        continue;
      // What remains says the same about the data: other names, other text, other types of the
      // same width.
      ++accepted;
      int64_t bytes = 0;
      for (const auto &[name, array] : back.arrays)
        bytes += array.numBytes();
      ASSERT_EQ(bytes, 40) << i << " " << flip;
      ASSERT_EQ(back.arrays.size(), 2u);
    }
  EXPECT_GT(accepted, 0) << "a name may be any";
}

TEST_F(SafetensorsTest, ManyTensorsInTheWorstOrder) {
  // 50,000 tensors, names and ranges in opposite orders: sorting stays n log n.
  constexpr int64_t count = 50000;
  std::string header = "{";
  for (int64_t i = 0; i < count; ++i)
    header += (i ? "," : "") +
              tensor("t" + std::to_string(i + count), "[1]", count - i - 1, count - i, "U8");
  EXPECT_EQ(read(file(header + "}", std::string(count, '\1'))).arrays.size(), size_t{count});
}

TEST_F(SafetensorsTest, WritingWhatHasNoForm) {
  fs::path path = folder / "x.safetensors";
  for (const char *name : {"__metadata__", "\xff", "\xed\xa0\x80"})
    EXPECT_EQ(codeOf([&] { writeSafetensors(path, {{name, Array()}}); }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOf([&] { writeSafetensors(path, {}, {{"k", "\xff"}}); }), ErrorCode::Diagnostics);
  std::vector<int64_t> sizes(17, 1);
  EXPECT_EQ(codeOf([&] {
              writeSafetensors(path, {{"x", Array(f32, sizes)}});
            }),
            ErrorCode::Diagnostics);
  auto why = [&](const ArrayMap &arrays, const std::map<std::string, std::string> &metadata) {
    try {
      writeSafetensors(path, arrays, metadata);
    } catch (const Error &error) {
      return error.message();
    }
    return std::string();
  };
  EXPECT_NE(why({{"x", Array(f32, sizes)}}, {}).find("16 dimensions"), std::string::npos);
  const std::string longest(SINTER_SAFETENSORS_MAX_HEADER, 'x');
  EXPECT_NE(why({{"x", Array()}}, {{"k", longest}}).find("100 MB"), std::string::npos)
      << why({}, {{"k", longest}});
  EXPECT_EQ(codeOf([&] {
              writeSafetensors("/dev/full", {{"x", Array()}});
            }),
            ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { writeSafetensors(folder / "no" / "x", {}); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readSafetensors(folder / "missing"); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readSafetensors(folder.path); }), ErrorCode::FileAccess);
  EXPECT_EQ(folder.numEntries(), 0u) << "failed writes leave nothing";
}

TEST_F(SafetensorsTest, TheParserNeedsNoMemoryOfItsOwn) {
  std::string header = "{" + tensor("a", "[]", 0, 4) + "," + tensor("b", "[]", 4, 8) + "}";
  auto *bytes = reinterpret_cast<const unsigned char *>(header.data());
  SinterSafetensorsHeader result;
  SinterSafetensorsEntry entries[2];
  EXPECT_EQ(sinterSafetensorsParse(bytes, header.size(), 8, nullptr, 0, &result),
            SINTER_SAFETENSORS_OK);
  EXPECT_EQ(result.tensors, 2u);
  EXPECT_EQ(sinterSafetensorsParse(bytes, header.size(), 8, entries, 1, &result),
            SINTER_SAFETENSORS_TOO_MANY);
  EXPECT_EQ(sinterSafetensorsParse(bytes, header.size(), 8, entries, 2, &result),
            SINTER_SAFETENSORS_OK);
  EXPECT_TRUE(sinterSafetensorsEquals(bytes, &entries[1].name, "b", 1));
  EXPECT_FALSE(sinterSafetensorsEquals(bytes, &entries[1].name, "bb", 2));
  EXPECT_FALSE(sinterSafetensorsEquals(bytes, &entries[1].name, "", 0));
  for (int status = 0; status <= SINTER_SAFETENSORS_TOO_MANY; ++status)
    EXPECT_STRNE(sinterSafetensorsText(status), "unknown error") << status;
}

TEST_F(SafetensorsTest, RawFiles) {
  Array array = filled(i16, {2, 3});
  writeRaw(folder / "x.bin", array.transpose());
  EXPECT_EQ(fs::file_size(folder / "x.bin"), 12u);
  expectSame({{"x", readRaw(folder / "x.bin", i16, {3, 2})}}, {{"x", array.transpose()}});
  for (std::vector<int64_t> sizes : std::vector<std::vector<int64_t>>{
           {2, 2}, {7}, {}, {0}, {-2, -3}, {-6}, {int64_t{1} << 62, int64_t{1} << 62, 2}})
    EXPECT_EQ(codeOf([&] { readRaw(folder / "x.bin", i16, sizes); }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOf([&] { readRaw(folder / "missing", f32, {}); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { writeRaw("/dev/full", array); }), ErrorCode::FileAccess);
}

TEST_F(SafetensorsTest, TheSuffixSaysTheFormat) {
  ArrayMap arrays{{"a", filled(f32, {3})}};
  for (const char *name : {"x.safetensors", "x.npz"}) {
    writeArrays(folder / name, arrays);
    expectSame(readArrays(folder / name), arrays);
  }
  EXPECT_EQ(readFile(folder / "x.npz").substr(0, 2), "PK");
  expectSame(readSafetensors(folder / "x.safetensors").arrays, arrays);
  fs::copy(folder / "x.npz", folder / "y.safetensors");
  EXPECT_EQ(codeOf([&] { readArrays(folder / "y.safetensors"); }), ErrorCode::Diagnostics);
}

} // namespace
