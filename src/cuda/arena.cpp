#include "cuda/arena.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace coronet::cuda {

namespace {

constexpr std::size_t kAlign = 256;

std::size_t rounded(std::size_t bytes) {
  return std::max(kAlign, (bytes + kAlign - 1) / kAlign * kAlign);
}

}  // namespace

bool Heap::grow(std::size_t bytes) {
  const std::size_t more = (bytes + granularity_ - 1) / granularity_ * granularity_;
  if (more + size_ + aside_ > limit_ || !extend(more)) return false;
  size_ += more;
  return true;
}

bool Heap::set_aside(std::size_t bytes) {
  if (bytes + size_ + aside_ > limit_) return false;
  aside_ += bytes;
  return true;
}

const char* name_of(Tensor tensor) {
  switch (tensor) {
    case Tensor::kWeights:
      return "weights";
    case Tensor::kA:
      return "A";
    case Tensor::kAlpha:
      return "alpha and moments";
    case Tensor::kPush:
      return "push";
    case Tensor::kDomains:
      return "domains";
    case Tensor::kWorkspace:
      return "workspace";
  }
  return "?";
}

Arena::Blocks::iterator Arena::merge(Blocks::iterator left, Blocks::iterator right) {
  free_.erase({left->second.bytes, left->first});
  free_.erase({right->second.bytes, right->first});
  left->second.bytes += right->second.bytes;
  blocks_.erase(right);
  free_.insert({left->second.bytes, left->first});
  return left;
}

/// Makes the heap's last block large enough.
bool Arena::grow(std::size_t bytes) {
  const auto last = blocks_.empty() ? blocks_.end() : std::prev(blocks_.end());
  const bool extends = last != blocks_.end() && last->second.free;
  char* const end = heap_->begin() + heap_->size();
  if (!heap_->grow(bytes - (extends ? last->second.bytes : 0))) return false;
  const auto more = static_cast<std::size_t>(heap_->begin() + heap_->size() - end);
  const auto added = blocks_.insert({end, {more, Tensor::kWorkspace, true}}).first;
  free_.insert({more, end});
  if (extends) merge(last, added);
  return true;
}

void* Arena::take(std::size_t bytes, Tensor tensor, const char* what) {
  const std::size_t size = rounded(bytes);
  auto found = free_.lower_bound({size, nullptr});
  if (found == free_.end()) {
    if (!grow(size)) refuse(size, tensor, what);
    found = free_.lower_bound({size, nullptr});
  }
  char* const at = found->second;
  free_.erase(found);
  Block& block = blocks_[at];
  if (block.bytes > size) {
    const std::size_t left = block.bytes - size;
    blocks_[at + size] = {left, Tensor::kWorkspace, true};
    free_.insert({left, at + size});
    block.bytes = size;
  }
  block.free = false;
  block.tensor = tensor;
  count(size, tensor);
  return at;
}

void Arena::count(std::size_t bytes, Tensor tensor) {
  auto& by = now_.by[static_cast<int>(tensor)];
  by += bytes;
  now_.total += bytes;
  auto& most = most_.by[static_cast<int>(tensor)];
  most = std::max(most, by);
  most_.total = std::max(most_.total, now_.total);
}

void Arena::set_aside(std::size_t bytes, Tensor tensor, const char* what) {
  if (!heap_->set_aside(bytes)) refuse(bytes, tensor, what);
  count(bytes, tensor);
}

void Arena::take_back(std::size_t bytes, Tensor tensor) noexcept {
  heap_->take_back(bytes);
  now_.by[static_cast<int>(tensor)] -= bytes;
  now_.total -= bytes;
}

void Arena::give(void* memory) noexcept {
  auto block = blocks_.find(static_cast<char*>(memory));
  if (block == blocks_.end() || block->second.free) return;
  now_.by[static_cast<int>(block->second.tensor)] -= block->second.bytes;
  now_.total -= block->second.bytes;
  block->second.free = true;
  free_.insert({block->second.bytes, block->first});
  const auto joins = [](const Blocks::value_type& l, const Blocks::value_type& r) {
    return l.second.free && r.second.free;
  };
  const auto next = std::next(block);
  if (next != blocks_.end() && joins(*block, *next)) merge(block, next);
  if (block != blocks_.begin() && joins(*std::prev(block), *block)) merge(std::prev(block), block);
}

void Arena::refuse(std::size_t bytes, Tensor tensor, const char* what) const {
  std::string message = std::string("out of device memory: ") + what + " (" + name_of(tensor) +
                        ") needs " + std::to_string(bytes) + " bytes; " +
                        std::to_string(now_.total) + " of at most " + std::to_string(limit()) +
                        " are in use (";
  for (int i = 0; i < kTensors; ++i) {
    if (i > 0) message += ", ";
    message += std::string(name_of(static_cast<Tensor>(i))) + " " + std::to_string(now_.by[i]);
  }
  message += "). Take smaller chunks, a device with more memory, or the CPU.";
  throw Error(ErrorKind::kOutOfMemory, message);
}

}  // namespace coronet::cuda
