// NPZ, NumPy's container of named arrays: a ZIP archive with one NPY file an array.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace coronet {

/// Collects arrays and writes them as one NPZ archive, for numpy.load().
class NpzWriter {
 public:
  /// With `compress`, arrays are deflated where that makes them smaller.
  explicit NpzWriter(bool compress = true) : compress_(compress) {}

  /// Adds a row-major array; the product of `shape` ([] is a scalar) is values.size(). Names must
  /// differ and not be empty; any bytes are allowed but '/' and NUL, which become '_'. Throws
  /// Error(kInternal) for what breaks these rules and Error(kUnsupported) where array or archive
  /// outgrow ZIP's 4 GiB.
  void add(std::string_view name, const std::vector<long long>& shape,
           std::span<const double> values);
  void add(std::string_view name, const std::vector<long long>& shape,
           std::span<const float> values);

  /// The archive's bytes.
  [[nodiscard]] std::string bytes() const;

  /// Writes the archive to `path`, whole or not at all (write_file).
  void save(const std::string& path) const;

 private:
  struct Entry {
    std::string name;
    std::uint32_t offset = 0;  ///< of its local header
    std::uint32_t crc = 0;
    std::uint32_t packed = 0;
    std::uint32_t unpacked = 0;
    std::uint16_t method = 0;  ///< 0: stored, 8: deflated
  };

  void add_file(std::string_view name, const std::string& file);

  bool compress_;
  std::string body_;  // local headers and data of all entries
  std::vector<Entry> entries_;
};

}  // namespace coronet
