// Vectors in memory of somebody's choice, which are not filled with zeros when they grow.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <type_traits>
#include <vector>

#include "base/aligned.h"

namespace coronet {

template <class T>
class ResourceAllocator : public Uninitialised {
 public:
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;
  /// The resource outlives what is taken from it.
  explicit ResourceAllocator(std::pmr::memory_resource* resource) : resource_(resource) {}
  template <class U>
  ResourceAllocator(const ResourceAllocator<U>& other)  // NOLINT(google-explicit-constructor)
      : resource_(other.resource()) {}

  T* allocate(std::size_t n) {
    return static_cast<T*>(resource_->allocate(n * sizeof(T), kCacheLine));
  }
  void deallocate(T* p, std::size_t n) { resource_->deallocate(p, n * sizeof(T), kCacheLine); }
  [[nodiscard]] std::pmr::memory_resource* resource() const { return resource_; }
  friend bool operator==(const ResourceAllocator& a, const ResourceAllocator& b) {
    return *a.resource_ == *b.resource_;
  }

 private:
  std::pmr::memory_resource* resource_;
};

template <class T>
using ResourceVector = std::vector<T, ResourceAllocator<T>>;

}  // namespace coronet
