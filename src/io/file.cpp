#include "io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace coronet {
namespace {

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::kBadInput, path + ": " + what);
}

std::string reason(int error) { return std::generic_category().message(error); }

/// Closes the file it holds.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int number() const { return number_; }
  /// Closes now; false if that failed (a full disk may show only here).
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }
  /// The caller closes it from now on.
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

std::string read_bytes(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) fail(path, "cannot be opened: " + reason(errno));
  struct stat status {};
  const bool known = ::fstat(file.number(), &status) == 0 && S_ISREG(status.st_mode);
  std::string bytes;
  std::size_t used = 0;
  // One byte more than the file has, so that its end is seen without growing.
  bytes.resize(known ? static_cast<std::size_t>(status.st_size) + 1 : 1 << 16);
  for (;;) {
    if (used == bytes.size()) bytes.resize(2 * bytes.size());
    const ssize_t got = ::read(file.number(), bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "cannot be read: " + reason(errno));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  bytes.resize(used);
  return bytes;
}

bool is_gzip(const std::string& bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

/// Ends the zlib stream it holds.
struct Inflater {
  z_stream stream{};

  Inflater() {
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

std::string unpack(const std::string& path, const std::string& packed) {
  constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::string bytes(std::max<std::size_t>(4 * packed.size(), 1 << 12), '\0');
  std::size_t read = 0;
  std::size_t written = 0;
  for (;;) {
    if (written == bytes.size()) bytes.resize(2 * bytes.size());
    // zlib counts in 32 bits
    const auto in = static_cast<uInt>(std::min(packed.size() - read, kMost));
    const auto out = static_cast<uInt>(std::min(bytes.size() - written, kMost));
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + read));
    stream.avail_in = in;
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data() + written);
    stream.avail_out = out;
    const int result = inflate(&stream, Z_NO_FLUSH);
    read += in - stream.avail_in;
    written += out - stream.avail_out;
    if (result == Z_STREAM_END) {
      // Several packed files, one after another, are the packed form of all of them.
      if (packed.size() - read < 2 || packed[read] != '\x1f' || packed[read + 1] != '\x8b') break;
      inflateReset(&stream);
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (result != Z_OK && !(result == Z_BUF_ERROR && stream.avail_out == 0)) {
      fail(path, read == packed.size() ? "the gzip file is cut short" : "the gzip file is corrupt");
    }
  }
  // Blocks of zeros behind the packed data are padding; anything else would be dropped silently.
  if (packed.find_first_not_of('\0', read) != std::string::npos) {
    fail(path, "the gzip file is corrupt: there are other bytes behind its end");
  }
  bytes.resize(written);
  return bytes;
}

void write_all(int file, const std::string& path, std::string_view bytes) {
  for (std::size_t written = 0; written < bytes.size();) {
    const ssize_t count = ::write(file, bytes.data() + written, bytes.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot be written: " + reason(errno));
    written += static_cast<std::size_t>(count);
  }
}

/// The temporary file beside `path`, until it takes its place; else it goes.
class Replacement {
 public:
  explicit Replacement(const std::string& path) : path_(path) {
    // Through a link, so that the link stays one.
    std::error_code ignored;
    const std::filesystem::path real = std::filesystem::weakly_canonical(path, ignored);
    target_ = ignored ? path : real.string();
    int number = -1;
    for (int attempt = 0; number < 0 && attempt < 100; ++attempt) {
      temporary_ = fmt::format("{}.{}.{}.tmp", target_, ::getpid(), attempt);
      number = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (number < 0 && errno != EEXIST) break;
    }
    if (number < 0) fail(path, "cannot be written: " + reason(errno));
    file_.emplace(number);
  }
  ~Replacement() {
    if (!placed_) ::unlink(temporary_.c_str());
  }
  Replacement(const Replacement&) = delete;
  Replacement& operator=(const Replacement&) = delete;

  [[nodiscard]] int number() const { return file_->number(); }
  void take_place() {
    if (!file_->close()) fail(path_, "cannot be written: " + reason(errno));
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) {
      fail(path_, "cannot be replaced: " + reason(errno));
    }
    placed_ = true;
  }

 private:
  const std::string& path_;
  std::string target_;
  std::string temporary_;
  std::optional<Descriptor> file_;
  bool placed_ = false;
};

// A device or a pipe cannot be replaced by a file: it is written to.
bool is_special(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

}  // namespace

std::string read_file(const std::string& path) {
  std::error_code error;
  const bool packed =
      !std::filesystem::exists(path, error) && std::filesystem::exists(path + ".gz", error);
  const std::string found = packed ? path + ".gz" : path;
  try {
    std::string bytes = read_bytes(found);
    return is_gzip(bytes) ? unpack(found, bytes) : bytes;
  } catch (const std::bad_alloc&) {
    throw Error(ErrorKind::kOutOfMemory, found + ": does not fit into memory");
  } catch (const std::length_error&) {
    throw Error(ErrorKind::kOutOfMemory, found + ": does not fit into memory");
  }
}

OpenFile::OpenFile(std::string path) : path_(std::move(path)) {
  Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) fail(path_, "cannot be opened: " + reason(errno));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode)) {
    fail(path_, "is not a regular file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
  number_ = file.release();
}

OpenFile::~OpenFile() { ::close(number_); }

std::size_t OpenFile::read(char* to, std::size_t count) {
  for (;;) {
    const ssize_t got = ::read(number_, to, count);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path_, "cannot be read: " + reason(errno));
    return static_cast<std::size_t>(got);
  }
}

MappedFile::MappedFile(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) fail(path, "cannot be opened: " + reason(errno));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode)) {
    fail(path, "is not a regular file");
  }
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;
  void* const at = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.number(), 0);
  if (at == MAP_FAILED) fail(path, "cannot be mapped: " + reason(errno));
  data_ = static_cast<const char*>(at);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<char*>(data_), size_);
}

void MappedFile::forget(const void* from, std::size_t count) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto first = static_cast<std::size_t>(static_cast<const char*>(from) - data_);
  const std::size_t begin = (first + page - 1) / page * page;
  const std::size_t end = first + count == size_ ? size_ : (first + count) / page * page;
  if (begin < end) ::madvise(const_cast<char*>(data_) + begin, end - begin, MADV_DONTNEED);
}

void write_file(const std::string& path,
                const std::function<void(const std::function<void(std::string_view)>&)>& writer) {
  if (is_special(path)) {
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.number() < 0) fail(path, "cannot be opened: " + reason(errno));
    writer([&](std::string_view bytes) { write_all(file.number(), path, bytes); });
    return;
  }
  Replacement file(path);
  writer([&](std::string_view bytes) { write_all(file.number(), path, bytes); });
  file.take_place();
}

void write_file(const std::string& path, const std::string& bytes) {
  write_file(path, [&](const std::function<void(std::string_view)>& write) { write(bytes); });
}

void check_writable(const std::string& path) {
  if (!is_special(path)) const Replacement unused(path);
}

}  // namespace coronet
