// SPDX-License-Identifier: Apache-2.0
#include "TempFolder.h"

#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <limits>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

using namespace sinter;
namespace fs = std::filesystem;

namespace {

constexpr const char *magic = "\x93NUMPY";

/// Not synced: these files are many and need not last.
void dump(const fs::path &path, const std::string &bytes) {
  fs::remove(path); // Some file systems sync a file that is overwritten.
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A .npy file with a header as written.
std::string npy(const std::string &header, const std::string &data, int version = 1) {
  std::string file = magic;
  file += static_cast<char>(version);
  file += '\0';
  size_t length = header.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i, length >>= 8)
    file += static_cast<char>(length & 0xff);
  return file + header + data;
}
std::string header(const std::string &descr, const std::string &order, const std::string &shape) {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

class NpyTest : public testing::Test {
protected:
  ErrorCode codeOfRead(const std::string &bytes) {
    dump(folder / "x.npy", bytes);
    return codeOf([&] { readNpy(folder / "x.npy"); });
  }
  TempFolder folder;
};
using NpzTest = NpyTest;

TEST_F(NpyTest, RoundTripsEveryDType) {
  for (DType dtype : allDTypes) {
    for (std::vector<int64_t> sizes :
         std::vector<std::vector<int64_t>>{{}, {5}, {2, 3}, {0}, {4, 0, 2}, {1, 2, 3, 4, 5}}) {
      Array array(dtype, sizes);
      for (int64_t i = 0; i < array.numBytes(); ++i)
        static_cast<uint8_t *>(array.data())[i] =
            static_cast<uint8_t>(dtype == boolean ? i % 2 : i);
      writeNpy(folder / "x.npy", array);
      Array back = readNpy(folder / "x.npy");
      ASSERT_EQ(back.dtype(), dtype);
      ASSERT_EQ(back.sizes(), sizes);
      ASSERT_EQ(std::memcmp(back.data(), array.data(), static_cast<size_t>(array.numBytes())), 0);
    }
  }
  EXPECT_EQ(folder.numEntries(), 1u);
}

TEST_F(NpyTest, WritesViewsInRowMajorOrder) {
  Array array = Array::from<int32_t>({1, 2, 3, 4, 5, 6}, {2, 3});
  writeNpy(folder / "x.npy", array.transpose());
  EXPECT_EQ(readNpy(folder / "x.npy").toVector<int>(), (std::vector<int>{1, 4, 2, 5, 3, 6}));
  std::string bytes = readFile(folder / "x.npy");
  EXPECT_EQ(bytes.size(), 128u + 24u) << "data is aligned to 64 bytes";
}

TEST_F(NpyTest, ReadsFortranOrderAndLaterVersions) {
  std::string data("\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5\0\0\0\6\0\0\0", 24);
  for (int version : {1, 2, 3}) {
    dump(folder / "x.npy", npy(header("'<i4'", "True", "(2, 3)"), data, version));
    Array array = readNpy(folder / "x.npy");
    EXPECT_TRUE(array.isContiguous());
    EXPECT_EQ(array.sizes(), (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(array.toVector<int>(), (std::vector<int>{1, 3, 5, 2, 4, 6}));
  }
}

TEST_F(NpyTest, AcceptsOtherSpellings) {
  std::string data("\1\0\0\0\2\0\0\0", 8);
  for (const char *text : {"{\"shape\":(2,),\"descr\":\"<i4\",\"fortran_order\":False}",
                           "  { 'descr' : '=i4' , 'fortran_order' : False , 'shape' : ( 2 , ) } \n",
                           "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2), }"})
    EXPECT_EQ(codeOfRead(npy(text, data)), ErrorCode::Ok) << text;
}

TEST_F(NpyTest, NarrowDTypesHaveNumPysNames) {
  std::string two("\x00\x3c\x00\xc0", 4); // 1 and -2 as f16
  dump(folder / "x.npy", npy(header("'<f2'", "False", "(2,)"), two));
  EXPECT_EQ(readNpy(folder / "x.npy").str(), "f16[2] = [1, -2]");
  std::string brain("\x80\x3f\x00\xc0", 4);
  for (const char *descr : {"'<V2'", "'|V2'"}) { // both are seen for ml_dtypes.bfloat16
    dump(folder / "x.npy", npy(header(descr, "False", "(2,)"), brain));
    EXPECT_EQ(readNpy(folder / "x.npy").str(), "bf16[2] = [1, -2]");
  }
  for (auto [dtype, descr] :
       {std::pair(f16, "<f2"), {bf16, "<V2"}, {i8, "|i1"}, {u16, "<u2"}, {u64, "<u8"}}) {
    writeNpy(folder / "x.npy", Array(dtype, {1}));
    EXPECT_NE(readFile(folder / "x.npy").find(descr), std::string::npos) << descr;
  }
  for (const char *descr : {"'|u2'", "'>f2'", "'<f1'", "'<V4'", "'|i4'"})
    EXPECT_NE(codeOfRead(npy(header(descr, "False", "(1,)"), "\0\0")), ErrorCode::Ok) << descr;
}

TEST_F(NpyTest, BoolsBecomeZeroOrOne) {
  dump(folder / "x.npy", npy(header("'|b1'", "False", "(3,)"), std::string("\0\1\7", 3)));
  Array array = readNpy(folder / "x.npy");
  EXPECT_EQ(static_cast<uint8_t *>(array.data())[2], 1);
}

TEST_F(NpyTest, TruncationIsAlwaysNoticed) {
  writeNpy(folder / "good.npy", Array::from<float>({1, 2, 3, 4, 5}));
  std::string good = readFile(folder / "good.npy");
  for (size_t length = 0; length < good.size(); ++length)
    ASSERT_EQ(codeOfRead(good.substr(0, length)), ErrorCode::Diagnostics) << length;
  EXPECT_EQ(codeOfRead(good + '\0'), ErrorCode::Diagnostics) << "something follows the data";
  EXPECT_EQ(codeOfRead(good), ErrorCode::Ok);
}

TEST_F(NpyTest, AnyFlippedByteIsHarmless) {
  writeNpy(folder / "good.npy", Array::from<double>({1, 2, 3}));
  std::string good = readFile(folder / "good.npy");
  for (size_t i = 0; i < good.size(); ++i)
    for (int mask : {0x01, 0x10, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ mask);
      codeOfRead(bad); // Any answer but a crash.
    }
}

TEST_F(NpyTest, HeadersThatLie) {
  std::string data(8, '\0');
  for (const char *shape :
       {"(3,)", "(1,)", "()", "(-2,)", "(2)", "2", "(2,,)", "(,)", "(2, 'x')", "(2.0,)", "(2,",
        "(9223372036854775807,)", "(4611686018427387904, 4)", "(99999999999999999999,)",
        "(0, 9223372036854775807, 9223372036854775807)", "(0,)", "[2,]", "None", "(0x2,)"})
    EXPECT_EQ(codeOfRead(npy(header("'<f4'", "False", shape), data)), ErrorCode::Diagnostics)
        << shape;
  std::string deep = "(";
  for (int i = 0; i < 65; ++i)
    deep += "1, ";
  EXPECT_EQ(codeOfRead(npy(header("'<f4'", "False", deep + ")"), data)), ErrorCode::Diagnostics);
  for (const char *text :
       {"", "{}", "{", "}", "{'descr': '<f4'}", "'descr'", "{'descr': '<f4}", "{descr: '<f4'}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}"})
    EXPECT_EQ(codeOfRead(npy(text, data)), ErrorCode::Diagnostics) << text;
}

TEST_F(NpyTest, ElementTypes) {
  std::string data(8, '\0');
  for (const char *descr :
       {"'>f4'", "'>f2'", "'<f1'", "'<c8'", "'<U2'", "'|O'", "'>b1'", "[('a', '<f4')]"})
    EXPECT_EQ(codeOfRead(npy(header(descr, "False", "(2,)"), data)), ErrorCode::Unsupported)
        << descr;
  for (const char *descr : {"''", "'f4'", "'banana banana banana'", "4", "None"})
    EXPECT_EQ(codeOfRead(npy(header(descr, "False", "(2,)"), data)), ErrorCode::Diagnostics)
        << descr;
}

TEST_F(NpyTest, VersionsAndHugeHeaders) {
  std::string text = header("'<f4'", "False", "(2,)"), data(8, '\0');
  for (int version : {0, 4, 255})
    EXPECT_EQ(codeOfRead(npy(text, data, version)), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOfRead(npy(text + std::string(70000, ' '), data, 2)), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOfRead(std::string(magic) + std::string("\2\0\xff\xff\xff\xff{}", 8)),
            ErrorCode::Diagnostics);
  EXPECT_EQ(codeOfRead("PNG"), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOfRead("\x89PNG\r\n\x1a\n0000000000000000"), ErrorCode::Diagnostics);
}

TEST_F(NpyTest, FileSystemErrors) {
  EXPECT_EQ(codeOf([&] { readNpy(folder / "missing.npy"); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readNpy(folder.path); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readNpy("/dev/zero"); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readNpz(folder / "missing.npz"); }), ErrorCode::FileAccess);
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(codeOf([&] { readNpy(folder / "pipe"); }), ErrorCode::FileAccess) << "and returns";
  EXPECT_EQ(codeOf([&] { writeNpy(folder / "no" / "x.npy", Array()); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { writeNpy(folder.path, Array()); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { writeNpy("", Array()); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { writeNpy("/dev/full", Array()); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { writeNpy(folder / std::string("x\0.npy", 6), Array()); }),
            ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readFile(folder / std::string("pipe\0", 5)); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readFile(folder / "missing"); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readFile(folder.path); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readFile("/dev/zero", 1 << 20); }), ErrorCode::FileAccess);
  EXPECT_EQ(codeOf([&] { readFile(folder / "pipe"); }), ErrorCode::FileAccess) << "and returns";
  EXPECT_EQ(folder.numEntries(), 1u) << "failed writes leave nothing";
}

TEST_F(NpyTest, WritingGoesThroughLinks) {
  fs::create_directory(folder / "far");
  fs::create_symlink("far/second", folder / "first");
  fs::create_symlink("../made", folder / "far/second");
  writeFileAtomically(folder / "first", "x"); // To nothing yet, and then to a file.
  writeFileAtomically(folder / "first", "y");
  EXPECT_TRUE(fs::is_symlink(folder / "first"));
  EXPECT_TRUE(fs::is_symlink(folder / "far/second"));
  EXPECT_EQ(readFile(folder / "made"), "y");
  fs::create_symlink("round", folder / "about");
  fs::create_symlink("about", folder / "round");
  EXPECT_EQ(codeOf([&] { writeFileAtomically(folder / "round", "x"); }), ErrorCode::FileAccess);
  fs::create_symlink("no/folder", folder / "nowhere");
  EXPECT_EQ(codeOf([&] { writeFileAtomically(folder / "nowhere", "x"); }), ErrorCode::FileAccess);
  EXPECT_EQ(folder.numEntries(), 6u);
  // A file that is open and has no name any more.
  const int open = ::open((folder / "made").c_str(), O_RDWR | O_CLOEXEC);
  fs::remove(folder / "made");
  writeFileAtomically("/proc/self/fd/" + std::to_string(open), "z");
  char written[2] = {};
  EXPECT_EQ(::pread(open, written, 2, 0), 1);
  EXPECT_EQ(written[0], 'z');
  EXPECT_EQ(folder.numEntries(), 5u);
  ::close(open);
}

TEST_F(NpyTest, WritingReplacesAtOnce) {
  fs::path path = folder / "x";
  writeFileAtomically(path, "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("x", folder / "link");
  writeFileAtomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(readFile(path), "new");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(codeOf([&] { readFile(path, 2); }), ErrorCode::Limit);
  EXPECT_EQ(readFile(path, 3), "new");
  EXPECT_EQ(folder.numEntries(), 2u);
  writeFileAtomically("/dev/null", "x");
  std::string longName(250, 'n');
  writeFileAtomically(folder / longName, "x");
  EXPECT_EQ(readFile(folder / longName), "x");
  fs::path before = fs::current_path();
  fs::current_path(folder.path);
  writeFileAtomically("relative", "x");
  EXPECT_EQ(readFile("relative"), "x");
  fs::current_path(before);
}

//===--- .npz ---===//

ArrayMap someArrays() {
  return {{"a", Array::from<float>({1, 2, 3})},
          {"layer/b", Array::from<int64_t>({4, 5}, {2, 1})},
          {"", Array::scalar(true)}};
}

TEST_F(NpzTest, RoundTrips) {
  writeNpz(folder / "x.npz", someArrays());
  ArrayMap back = readNpz(folder / "x.npz");
  ASSERT_EQ(back.size(), 3u);
  EXPECT_EQ(back.at("a").toVector<float>(), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(back.at("layer/b").sizes(), (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(back.at("").dtype(), boolean);
  std::string first = readFile(folder / "x.npz");
  writeNpz(folder / "x.npz", someArrays());
  EXPECT_EQ(readFile(folder / "x.npz"), first) << "equal arrays give equal files";
  writeNpz(folder / "x.npz", {});
  EXPECT_TRUE(readNpz(folder / "x.npz").empty());
}

TEST_F(NpzTest, ManyMembersNeedTheWideDirectory) {
  ArrayMap arrays;
  for (int i = 0; i < 65540; ++i)
    arrays.emplace(std::to_string(i), Array::scalar(int32_t{i}));
  writeNpz(folder / "x.npz", arrays);
  ArrayMap back = readNpz(folder / "x.npz");
  ASSERT_EQ(back.size(), arrays.size());
  EXPECT_EQ(back.at("65539").item(), 65539);
}

/// Little-endian numbers of a hand-made zip file.
std::string number(uint64_t value, int bytes) {
  std::string text;
  for (; bytes-- > 0; value >>= 8)
    text += static_cast<char>(value & 0xff);
  return text;
}

struct Zip {
  std::string name = "x.npy";
  std::string packed;
  int method = 8;
  uint32_t crc = 0;
  uint64_t plainBytes = 0;
  std::string comment;

  std::string str() const {
    std::string common = number(20, 2) + number(0, 2) + number(static_cast<uint64_t>(method), 2) +
                         number(0, 4) + number(crc, 4) + number(packed.size(), 4) +
                         number(plainBytes, 4) + number(name.size(), 2) + number(0, 2);
    std::string local = "PK\3\4" + common + name + packed;
    std::string entry = "PK\1\2" + number(20, 2) + common + number(0, 10) + number(0, 4) + name;
    return local + entry + "PK\5\6" + number(0, 4) + number(1, 2) + number(1, 2) +
           number(entry.size(), 4) + number(local.size(), 4) + number(comment.size(), 2) + comment;
  }
};

/// {"x": f32 [0, 1, 2, 3]} as Python's zipfile deflates it.
Zip deflated() {
  Zip zip;
  const unsigned char packed[] = {
      0x9b, 0xec, 0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e,
      0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x93, 0x66, 0xa2, 0xae,
      0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f, 0x94,
      0x92, 0x0a, 0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24,
      0x16, 0xa4, 0x02, 0xf9, 0x1a, 0x26, 0x3a, 0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0x14,
      0x00, 0x2e, 0x06, 0x30, 0x68, 0xb0, 0x07, 0x12, 0x0e, 0x40, 0xe4, 0x00, 0x00,
  };
  zip.packed.assign(reinterpret_cast<const char *>(packed), sizeof(packed));
  zip.crc = 0xfb133352;
  zip.plainBytes = 144;
  return zip;
}

TEST_F(NpzTest, ReadsDeflatedMembers) {
  Zip zip = deflated();
  for (std::string comment : {std::string(), std::string("a comment"), std::string(65535, 'c')}) {
    zip.comment = comment;
    dump(folder / "x.npz", zip.str());
    EXPECT_EQ(readNpz(folder / "x.npz").at("x").toVector<float>(),
              (std::vector<float>{0, 1, 2, 3}));
  }
}

TEST_F(NpzTest, DamagedMembersAreErrors) {
  auto codeWith = [&](auto change) {
    Zip zip = deflated();
    change(zip);
    dump(folder / "x.npz", zip.str());
    return codeOf([&] { readNpz(folder / "x.npz"); });
  };
  EXPECT_EQ(codeWith([](Zip &) {}), ErrorCode::Ok);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.crc ^= 1; }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.plainBytes += 1; }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.plainBytes -= 1; }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.plainBytes = 3; }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.packed.pop_back(); }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.packed.clear(); }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.method = 0; }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.method = 12; }), ErrorCode::Unsupported);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.name = "x.txt"; }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeWith([](Zip &zip) { zip.plainBytes = 3u << 30; }), ErrorCode::Limit);
}

TEST_F(NpzTest, AnyFlippedByteIsHarmless) {
  writeNpz(folder / "good.npz", {{"a", Array::from<float>({1, 2})}, {"b", Array::scalar(7)}});
  for (const std::string &good : {readFile(folder / "good.npz"), deflated().str()})
    for (size_t i = 0; i < good.size(); ++i)
      for (int mask : {0x01, 0x08, 0x80, 0xff}) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ mask);
        dump(folder / "x.npz", bad);
        try {
          readNpz(folder / "x.npz"); // Fields that nobody reads may change.
        } catch (const Error &error) {
          ErrorCode code = error.code();
          ASSERT_TRUE(code == ErrorCode::Diagnostics || code == ErrorCode::Limit ||
                      code == ErrorCode::Unsupported)
              << i << ": " << error.what();
        }
      }
}

TEST_F(NpzTest, TruncationIsAlwaysNoticed) {
  writeNpz(folder / "good.npz", {{"a", Array::from<float>({1, 2})}});
  std::string good = readFile(folder / "good.npz");
  for (size_t length = 0; length < good.size(); ++length) {
    dump(folder / "x.npz", good.substr(0, length));
    ASSERT_EQ(codeOf([&] { readNpz(folder / "x.npz"); }), ErrorCode::Diagnostics) << length;
  }
}

TEST_F(NpzTest, BombsAreRefused) {
  // One stored member that 2000 directory entries share.
  writeNpz(folder / "one.npz", {{"a", Array(f32, {10000})}});
  std::string good = readFile(folder / "one.npz");
  size_t directory = good.rfind("PK\1\2"), end = good.rfind("PK\5\6");
  std::string entry = good.substr(directory, end - directory), bomb = good.substr(0, directory);
  for (int i = 0; i < 2000; ++i)
    bomb += entry;
  bomb += "PK\5\6" + number(0, 4) + number(2000, 2) + number(2000, 2) +
          number(2000 * entry.size(), 4) + number(directory, 4) + number(0, 2);
  dump(folder / "x.npz", bomb);
  EXPECT_EQ(codeOf([&] { readNpz(folder / "x.npz"); }), ErrorCode::Limit);
  // A size that no data of this length can have.
  Zip zip = deflated();
  zip.plainBytes = 0xfffffffe;
  dump(folder / "x.npz", zip.str());
  EXPECT_EQ(codeOf([&] { readNpz(folder / "x.npz"); }), ErrorCode::Limit);
}

TEST_F(NpzTest, NamesAreBounded) {
  EXPECT_EQ(codeOf([&] {
              writeNpz(folder / "x.npz", {{std::string(70000, 'x'), Array()}});
            }),
            ErrorCode::Limit);
  EXPECT_EQ(folder.numEntries(), 0u);
}

} // namespace
