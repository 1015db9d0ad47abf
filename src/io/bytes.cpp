#include "io/bytes.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace coronet {

namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

}  // namespace

void ByteWriter::put(std::string_view text) {
  put(std::uint64_t{text.size()});
  append(text.data(), text.size());
}

void ByteWriter::append(const void* data, std::size_t count) {
  if (count == 0) return;
  buffer_.append(static_cast<const char*>(data), count);
  if (buffer_.size() >= kPiece) flush();
}

void ByteWriter::flush() {
  hash_.add(buffer_.data(), buffer_.size());
  sink_(buffer_);
  buffer_.clear();
}

void ByteWriter::finish() {
  flush();
  put(hash_.value());
  sink_(buffer_);
  buffer_.clear();
}

ByteReader::ByteReader(std::string name, std::uint64_t size, Source source)
    : name_(std::move(name)), source_(std::move(source)), left_(size) {}

ByteReader::ByteReader(std::string name, std::string_view bytes)
    : ByteReader(std::move(name), bytes.size(),
                 [bytes](char* to, std::size_t count) mutable -> std::size_t {
                   const std::size_t n = std::min(count, bytes.size());
                   std::copy_n(bytes.data(), n, to);
                   bytes.remove_prefix(n);
                   return n;
                 }) {}

void ByteReader::fail(const std::string& what) const {
  throw Error(ErrorKind::kBadInput, name_ + ": " + what);
}

void ByteReader::refill() {
  buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, left_)));
  at_ = 0;
  const std::size_t got = source_(buffer_.data(), buffer_.size());
  buffer_.resize(got);
  if (got == 0) fail("is cut short");
}

void ByteReader::take(void* to, std::size_t count) {
  if (count > left_) fail("is cut short");
  char* out = static_cast<char*>(to);
  for (std::size_t done = 0; done < count;) {
    if (at_ == buffer_.size()) refill();
    const std::size_t n = std::min(count - done, buffer_.size() - at_);
    std::memcpy(out + done, buffer_.data() + at_, n);
    at_ += n;
    done += n;
  }
  if (count > 0) hash_.add(to, count);
  left_ -= count;
}

bool ByteReader::get_bool() {
  const auto value = get<std::uint8_t>();
  if (value > 1) fail("is corrupt: neither yes nor no");
  return value == 1;
}

std::size_t ByteReader::get_count(std::size_t bytes_each) {
  const auto count = get<std::uint64_t>();
  if (count > left_ / std::max<std::size_t>(1, bytes_each)) {
    fail("is cut short or corrupt: more is announced than follows");
  }
  return static_cast<std::size_t>(count);
}

std::string ByteReader::get_text(std::size_t most) {
  std::string text(get_count(1), '\0');
  if (text.size() > most) fail("is corrupt: a text is too long");
  take(text.data(), text.size());
  return text;
}

void ByteReader::finish() {
  const std::uint64_t expected = hash_.value();
  if (get<std::uint64_t>() != expected) fail("is corrupt: its checksum is another one");
  if (left_ != 0) fail("is corrupt: bytes follow its end");
}

}  // namespace coronet
