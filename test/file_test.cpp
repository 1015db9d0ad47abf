// Files, packed or not.
#include "io/file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/error.h"
#include "folder.h"
#include "io/vnnlib.h"
#include "vnnlib_texts.h"

namespace coronet {
namespace {

using test::Folder;
using test::kOneByOne;

// gzip of "hello", without the dependence on a packer
const std::string kPacked(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00"
    "\x00\x00",
    25);

TEST(File, PlainPackedAndFallback) {
  const Folder folder;
  write_file(folder.file("plain"), "a\nb");
  EXPECT_EQ(read_file(folder.file("plain")), "a\nb");
  write_file(folder.file("packed"), kPacked);
  EXPECT_EQ(read_file(folder.file("packed")), "hello");
  write_file(folder.file("twice"), kPacked + kPacked + std::string(512, '\0'));
  EXPECT_EQ(read_file(folder.file("twice")), "hellohello");
  write_file(folder.file("only.gz"), kPacked);
  EXPECT_EQ(read_file(folder.file("only")), "hello");
  write_file(folder.file("not-packed.gz"), "text");
  EXPECT_EQ(read_file(folder.file("not-packed")), "text");
  write_file(folder.file("empty"), "");
  EXPECT_EQ(read_file(folder.file("empty")), "");
}

TEST(File, CorruptAndMissingFilesAreNamed) {
  const Folder folder;
  for (std::size_t length = 2; length < kPacked.size(); ++length) {
    write_file(folder.file("cut"), kPacked.substr(0, length));
    EXPECT_THROW(read_file(folder.file("cut")), Error) << length;
  }
  write_file(folder.file("tail"), kPacked + "x");
  std::string wrong = kPacked;
  wrong[12] ^= 1;
  write_file(folder.file("wrong"), wrong);
  for (const char* name : {"tail", "wrong", "missing", "."}) {
    try {
      read_file(folder.file(name));
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_EQ(std::string(error.what()).rfind(folder.file(name), 0), 0U) << error.what();
    }
  }
}

TEST(File, WritingReplacesAndLeavesNothingBehind) {
  const Folder folder;
  write_file(folder.file("out"), std::string(100'000, 'x'));
  write_file(folder.file("out"), "short");
  EXPECT_EQ(read_file(folder.file("out")), "short");
  std::filesystem::create_symlink("out", folder.file("link"));
  write_file(folder.file("link"), "through");
  EXPECT_EQ(read_file(folder.file("out")), "through");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.file("link")));
  EXPECT_THROW(write_file(folder.file("no/such/folder"), "x"), Error);
  write_file("/dev/null", "x");
  EXPECT_FALSE(std::filesystem::is_regular_file("/dev/null"));
  EXPECT_EQ(folder.count(), 2U);
}

TEST(File, ReadVnnlibNamesTheFile) {
  const Folder folder;
  write_file(folder.file("p.vnnlib"), "(foo)");
  try {
    read_vnnlib(folder.file("p.vnnlib"), kOneByOne);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("p.vnnlib: line 1, column 2: "), std::string::npos);
  }
}

}  // namespace
}  // namespace coronet
