// Whole files, gzip or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace coronet {

/// The bytes of `path`, or of `path`.gz where only that exists; unpacked if they begin with gzip's
/// magic number. Throws Error(kBadInput) naming the path where it cannot be read or is corrupt.
std::string read_file(const std::string& path);

/// A file that is read piece by piece, as it is.
class OpenFile {
 public:
  /// Throws Error(kBadInput) where it cannot be opened or is no regular file.
  explicit OpenFile(std::string path);
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Up to `count` of the next bytes; returns how many, 0 at the end. Throws Error(kBadInput).
  std::size_t read(char* to, std::size_t count);

 private:
  std::string path_;
  int number_ = -1;
  std::uint64_t size_ = 0;
};

/// A file's bytes where they are read, page by page. They are the file's: whoever shortens it takes
/// them away (a file that another one takes the place of stays as it was).
class MappedFile {
 public:
  /// Throws Error(kBadInput) where it cannot be mapped or is no regular file.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] const char* data() const { return data_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// [from, from + count) of its bytes need not stay in this process's memory: pages wholly inside
  /// leave it, and come again when they are read.
  void forget(const void* from, std::size_t count) const;

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Writes a file piece by piece: to a temporary one beside `path`, which is renamed over `path`
/// when `writer` has returned: never half a file, and where anything fails, what was there before
/// stays. Throws Error(kBadInput) naming the path, and what the writer throws.
void write_file(const std::string& path,
                const std::function<void(const std::function<void(std::string_view)>&)>& writer);
/// The same for bytes that are there.
void write_file(const std::string& path, const std::string& bytes);
/// Can a file be written there? Throws Error(kBadInput) naming the path where not. What is there
/// stays as it is.
void check_writable(const std::string& path);

}  // namespace coronet
