#include "io/npz.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>

#include "base/error.h"
#include "io/file.h"

namespace coronet {
namespace {

static_assert(std::endian::native == std::endian::little, "NPY and ZIP are written in host order");

constexpr std::uint64_t kZipLimit = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint16_t kVersion = 20;           // ZIP 2.0: deflate
constexpr std::uint16_t kUtf8 = 1U << 11U;       // names are UTF-8
constexpr std::uint16_t kDate = (1U << 5U) + 1;  // 1980-01-01: equal arrays give equal archives

void put16(std::string& out, std::uint16_t value) {
  for (int shift = 0; shift < 16; shift += 8) out += static_cast<char>((value >> shift) & 0xFF);
}

void put32(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((value >> shift) & 0xFF);
}

/// An NPY file, version 1.0.
template <class T>
std::string npy(const std::vector<long long>& shape, std::span<const T> values) {
  std::string dims;
  std::size_t product = 1;
  for (const long long n : shape) {
    if (n < 0) throw Error(ErrorKind::kInternal, "NPZ: a negative dimension");
    dims += fmt::format("{}, ", n);
    product *= static_cast<std::size_t>(n);
  }
  if (product != values.size()) {
    throw Error(ErrorKind::kInternal,
                fmt::format("NPZ: {} values for shape ({})", values.size(), dims));
  }
  if (shape.size() > 1) dims.resize(dims.size() - 2);
  if (shape.size() == 1) dims.pop_back();  // Python's tuple of one: (n,)
  std::string header =
      fmt::format("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({}), }}", sizeof(T), dims);
  constexpr std::size_t kPreamble = 10;  // magic, version, length
  constexpr std::size_t kAlign = 64;     // the data's, so that files can be mapped
  const std::size_t used = kPreamble + header.size() + 1;
  header.append((kAlign - used % kAlign) % kAlign, ' ');
  header += '\n';
  if (header.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw Error(ErrorKind::kInternal, "NPZ: too many dimensions");
  }
  std::string file = "\x93NUMPY\x01";
  file += '\0';
  put16(file, static_cast<std::uint16_t>(header.size()));
  file += header;
  if (!values.empty()) {
    file.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  return file;
}

/// A raw deflate stream of `data`.
std::string deflated(const std::string& data) {
  z_stream stream{};
  constexpr int kRaw = -15;  // no zlib header: ZIP has its own
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kRaw, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw Error(ErrorKind::kOutOfMemory, "NPZ: no memory for zlib");
  }
  std::string out(deflateBound(&stream, data.size()), '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out =
      static_cast<uInt>(std::min<std::size_t>(out.size(), std::numeric_limits<uInt>::max()));
  const int status = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  // A stream that does not fit is of no use: the caller stores the data as they are.
  return status == Z_STREAM_END ? out : std::string(data.size(), '\0');
}

std::uint32_t checksum(const std::string& data) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
}

}  // namespace

void NpzWriter::add(std::string_view name, const std::vector<long long>& shape,
                    std::span<const double> values) {
  add_file(name, npy(shape, values));
}

void NpzWriter::add(std::string_view name, const std::vector<long long>& shape,
                    std::span<const float> values) {
  add_file(name, npy(shape, values));
}

void NpzWriter::add_file(std::string_view name, const std::string& file) {
  Entry entry;
  entry.name = name;
  for (char& c : entry.name) {
    if (c == '/' || c == '\0') c = '_';
  }
  entry.name += ".npy";
  const bool known = std::any_of(entries_.begin(), entries_.end(),
                                 [&](const Entry& other) { return other.name == entry.name; });
  if (name.empty() || known || entry.name.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw Error(ErrorKind::kInternal, fmt::format("NPZ: unusable array name '{}'", name));
  }
  if (file.size() > kZipLimit || body_.size() + file.size() > kZipLimit) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("NPZ: with array '{}' ({} bytes) the archive outgrows 4 GiB", name,
                            file.size()));
  }
  entry.offset = static_cast<std::uint32_t>(body_.size());
  entry.unpacked = static_cast<std::uint32_t>(file.size());
  entry.crc = checksum(file);
  std::string packed;
  if (compress_) packed = deflated(file);
  entry.method = compress_ && packed.size() < file.size() ? kDeflated : kStored;
  const std::string& data = entry.method == kDeflated ? packed : file;
  entry.packed = static_cast<std::uint32_t>(data.size());

  put32(body_, 0x04034B50);  // local file header
  put16(body_, kVersion);
  put16(body_, kUtf8);
  put16(body_, entry.method);
  put16(body_, 0);
  put16(body_, kDate);
  put32(body_, entry.crc);
  put32(body_, entry.packed);
  put32(body_, entry.unpacked);
  put16(body_, static_cast<std::uint16_t>(entry.name.size()));
  put16(body_, 0);
  body_ += entry.name;
  body_ += data;
  entries_.push_back(std::move(entry));
}

std::string NpzWriter::bytes() const {
  std::string directory;
  for (const Entry& entry : entries_) {
    put32(directory, 0x02014B50);  // central directory header
    put16(directory, kVersion);
    put16(directory, kVersion);
    put16(directory, kUtf8);
    put16(directory, entry.method);
    put16(directory, 0);
    put16(directory, kDate);
    put32(directory, entry.crc);
    put32(directory, entry.packed);
    put32(directory, entry.unpacked);
    put16(directory, static_cast<std::uint16_t>(entry.name.size()));
    put16(directory, 0);  // no extra field
    put16(directory, 0);  // no comment
    put16(directory, 0);  // disk 0
    put16(directory, 0);  // internal attributes
    put32(directory, 0);  // external attributes
    put32(directory, entry.offset);
    directory += entry.name;
  }
  if (entries_.size() > std::numeric_limits<std::uint16_t>::max() ||
      body_.size() + directory.size() > kZipLimit) {
    throw Error(ErrorKind::kUnsupported, "NPZ: the archive outgrows 4 GiB or 65535 arrays");
  }
  std::string out;
  out.reserve(body_.size() + directory.size() + 22);
  out += body_;
  out += directory;
  put32(out, 0x06054B50);  // end of central directory
  put16(out, 0);
  put16(out, 0);
  put16(out, static_cast<std::uint16_t>(entries_.size()));
  put16(out, static_cast<std::uint16_t>(entries_.size()));
  put32(out, static_cast<std::uint32_t>(directory.size()));
  put32(out, static_cast<std::uint32_t>(body_.size()));
  put16(out, 0);
  return out;
}

void NpzWriter::save(const std::string& path) const { write_file(path, bytes()); }

}  // namespace coronet
