#include "cuda/fetched_part.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <numeric>

#include "cuda/check.h"

namespace coronet::cuda {

namespace {

constexpr std::size_t kRound = 32;  // rows of a tile, where it has more

std::vector<int> entries(const std::shared_ptr<const std::vector<int>>& some, int all) {
  if (some) return *some;
  std::vector<int> list(static_cast<std::size_t>(all));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

}  // namespace

FetchedWeights::PartTiles::PartTiles(FetchedWeights& all, const One& one, const Part& part)
    : all_(all),
      one_(one),
      rows_(entries(part.rows, one.rows)),
      cols_(entries(part.cols, one.cols)) {
  const std::size_t line = std::max<std::size_t>(1, cols_.size()) * one.each;
  std::size_t tile = one.cut.most_bytes() / line;
  if (tile > kRound) tile = tile / kRound * kRound;
  tile_ =
      static_cast<int>(std::clamp<std::size_t>(tile, 1, std::max<std::size_t>(1, rows_.size())));
}

FetchedWeights::PartTiles::~PartTiles() {
  // Kernels on that stream may still read the lists.
  if (from_.stretches != nullptr) report_failure(cudaStreamSynchronize(all_.ring_->copies()));
}

template <class T>
void FetchedWeights::PartTiles::walk(const TileFn<T>& fn) {
  reach();
  all_.count_waits();
  all_.ring_->walk<T>(
      static_cast<int>(rows_.size()), static_cast<int>(cols_.size()), tile_, one_.each,
      [&](int t, int slot) { return begin(t, slot); }, fn);
}

void FetchedWeights::PartTiles::for_each_tile(const TileFn<float>& fn) { walk(fn); }
void FetchedWeights::PartTiles::for_each_tile(const TileFn<double>& fn) { walk(fn); }

void FetchedWeights::PartTiles::reach() {
  if (from_.stretches != nullptr || all_.shards_ == nullptr) return;
  std::vector<const std::byte*> parts;
  for (int r = 0; r < all_.shards_->ranks(); ++r) {
    parts.push_back(all_.mapped(r));
    if (parts.back() == nullptr) return;
  }
  std::vector<Stretch> stretches;
  std::vector<int> begin{0};
  others_.assign(1, 0);
  const std::size_t row_bytes = static_cast<std::size_t>(one_.cols) * one_.each;
  for (const int row : rows_) {
    const int t = one_.cut.tile_of(row);
    const std::size_t at = static_cast<std::size_t>(row - one_.cut.first(t)) * row_bytes;
    std::size_t others = 0;
    for (int r = 0; r < static_cast<int>(parts.size()); ++r) {
      const auto [first, last] = one_.cut.stripe(t, r);
      const std::size_t from = std::max(first, at);
      const std::size_t to = std::min(last, at + row_bytes);
      if (from >= to) continue;
      // Where the row would begin, if all of it were there.
      const auto row_begin =
          reinterpret_cast<std::uintptr_t>(parts[r] + one_.offset[r] + one_.cut.place(t, r)) + at -
          first;
      stretches.push_back({reinterpret_cast<const void*>(row_begin),
                           static_cast<int>((from - at) / one_.each),
                           static_cast<int>((to - at) / one_.each)});
      if (r != all_.shards_->rank()) others += to - from;
    }
    begin.push_back(static_cast<int>(stretches.size()));
    others_.push_back(others_.back() + others);
  }
  Device& device = all_.device_;
  stretches_ = device.upload(stretches, Tensor::kWorkspace, "where rows of a weight lie");
  begin_ = device.upload(begin, Tensor::kWorkspace, "where rows of a weight lie");
  std::vector<int> place(static_cast<std::size_t>(one_.cols), -1);
  for (std::size_t c = 0; c < cols_.size(); ++c) place[cols_[c]] = static_cast<int>(c);
  place_ = device.upload(place, Tensor::kWorkspace, "the columns of a weight");
  // The other stream reads them.
  CORONET_CUDA_CHECK(cudaStreamSynchronize(device.stream()));
  from_ = {stretches_.data(), begin_.data(), place_.data(), static_cast<int>(cols_.size())};
}

bool FetchedWeights::PartTiles::begin(int t, int slot) {
  std::byte* const to = all_.ring_->begin(slot);
  const int first = t * tile_;
  const int last = std::min(static_cast<int>(rows_.size()), first + tile_);
  if (from_.stretches == nullptr) {
    through_host(first, last, to);
    return false;
  }
  const cudaStream_t stream = all_.ring_->copies();
  if (one_.each == sizeof(float)) {
    gather(from_, first, last - first, reinterpret_cast<float*>(to), stream);
  } else {
    gather(from_, first, last - first, reinterpret_cast<double*>(to), stream);
  }
  all_.shards_->count(others_[last] - others_[first], 0);
  return true;
}

template <class T>
std::byte* FetchedWeights::PartTiles::stage(const T* from, int rows, std::byte* to) {
  const std::size_t cols = cols_.size();
  const std::size_t all = cols * static_cast<std::size_t>(rows);
  const std::size_t most = Staging::kBytes / sizeof(T);
  for (std::size_t done = 0; done < all;) {
    const std::size_t count = std::min(most, all - done);
    all_.ring_->stage(count * sizeof(T), to, [&](void* room) {
      T* out = static_cast<T*>(room);
      for (std::size_t i = done; i < done + count;) {
        const T* const row = from + i / cols * static_cast<std::size_t>(one_.cols);
        const std::size_t c = i % cols;
        const std::size_t n = std::min(cols - c, done + count - i);
        for (std::size_t k = 0; k < n; ++k) *out++ = row[cols_[c + k]];
        i += n;
      }
    });
    done += count;
    to += count * sizeof(T);
  }
  return to;
}

void FetchedWeights::PartTiles::through_host(int first, int last, std::byte* to) {
  struct Run {
    int rows;
    std::unique_ptr<Fetch> fetch;
  };
  const auto width = static_cast<std::size_t>(one_.cols);
  const std::size_t most = std::max<std::size_t>(1, kHostPiece / (width * one_.each));
  std::deque<Run> coming;
  for (int asked = first; asked < last || !coming.empty();) {
    while (asked < last && coming.size() < kHostPieces) {
      int end = asked + 1;
      while (end < last && rows_[end] == rows_[end - 1] + 1 &&
             static_cast<std::size_t>(end - asked) < most) {
        ++end;
      }
      coming.push_back(
          {end - asked, one_.weight->source->fetch(static_cast<std::size_t>(rows_[asked]) * width,
                                                   static_cast<std::size_t>(end - asked) * width)});
      asked = end;
    }
    const Run& run = coming.front();
    const void* const from = run.fetch->wait();
    if (one_.each == sizeof(float)) {
      to = stage(static_cast<const float*>(from), run.rows, to);
    } else {
      to = stage(static_cast<const double*>(from), run.rows, to);
    }
    coming.pop_front();
  }
}

}  // namespace coronet::cuda
