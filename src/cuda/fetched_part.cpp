#include "cuda/fetched_part.h"

#include <algorithm>
#include <cstdint>
#include <deque>

#include "cuda/check.h"

namespace coronet::cuda {

FetchedWeights::PartTiles::PartTiles(FetchedWeights& all, std::size_t number, const Part& part)
    : all_(all),
      one_(all.weights_[number]),
      number_(number),
      part_(part),
      rows_(entries(part.rows, one_.rows)),
      cols_(entries(part.cols, one_.cols)) {
  tile_ = one_.cut.part_tile(rows_.size(), cols_.size(), one_.each);
}

FetchedWeights::PartTiles::~PartTiles() {
  // Kernels on that stream may still read the lists.
  if (!from_.begin.empty()) report_failure(cudaStreamSynchronize(all_.ring_->copies()));
}

template <class T>
void FetchedWeights::PartTiles::walk(const TileFn<T>& fn, RowRange rows) {
  find_packed();
  if (layout_ == nullptr) reach();
  all_.count_waits();
  all_.ring_->walk<T>(
      rows, static_cast<int>(rows_.size()), static_cast<int>(cols_.size()), tile_, one_.each,
      [&](int t, int slot) { return begin(t, slot); }, fn);
}

void FetchedWeights::PartTiles::for_each_tile(const TileFn<float>& fn, RowRange rows) {
  walk(fn, rows);
}
void FetchedWeights::PartTiles::for_each_tile(const TileFn<double>& fn, RowRange rows) {
  walk(fn, rows);
}

PackedPart FetchedWeights::PartTiles::packed(std::vector<std::size_t>& held) const {
  return {one_.cut, rows_, row_bytes(), tile_, held};
}

void FetchedWeights::PartTiles::pack(const PackedPart& layout, std::byte* memory) {
  const int rank = all_.shards_->rank();
  std::vector<Stretch> stretches;
  std::vector<int> begin{0};
  for (const int row : rows_) {
    if (one_.cut.owner(row) == rank) add_stretch(row, rank, all_.mine_->data(), stretches);
    begin.push_back(static_cast<int>(stretches.size()));
  }
  const Lists lists = upload(stretches, begin);
  Device& device = all_.device_;
  for (const PackedRun& run : layout.runs()) {
    if (run.rank == rank) {
      pick(lists, run.first, run.count, memory + run.from, device.stream());
    }
  }
  device.wait();  // they read the lists
}

void FetchedWeights::PartTiles::find_packed() {
  if (packing_ == all_.packing_) return;
  packing_ = all_.packing_;
  layout_ = nullptr;
  if (packing_ == nullptr || !packing_->layout[number_]) return;
  if (same_part(packing_->parts[number_], part_)) layout_ = &*packing_->layout[number_];
}

std::size_t FetchedWeights::PartTiles::add_stretch(int row, int rank, const std::byte* stripes,
                                                   std::vector<Stretch>& stretches) const {
  const int t = one_.cut.tile_of(row);
  const std::size_t row_bytes = static_cast<std::size_t>(one_.cols) * one_.each;
  const std::size_t at = static_cast<std::size_t>(row - one_.cut.first(t)) * row_bytes;
  const auto [first, last] = one_.cut.stripe(t, rank);
  const std::size_t from = std::max(first, at);
  const std::size_t to = std::min(last, at + row_bytes);
  if (from >= to) return 0;
  // Where the row would begin, if all of it were there.
  const auto row_begin =
      reinterpret_cast<std::uintptr_t>(stripes + one_.offset[rank] + one_.cut.place(t, rank)) + at -
      first;
  stretches.push_back({reinterpret_cast<const void*>(row_begin),
                       static_cast<int>((from - at) / one_.each),
                       static_cast<int>((to - at) / one_.each)});
  return to - from;
}

FetchedWeights::PartTiles::Lists FetchedWeights::PartTiles::upload(
    const std::vector<Stretch>& stretches, const std::vector<int>& begin) const {
  Device& device = all_.device_;
  std::vector<int> place(static_cast<std::size_t>(one_.cols), -1);
  for (std::size_t c = 0; c < cols_.size(); ++c) place[cols_[c]] = static_cast<int>(c);
  Lists lists;
  lists.stretches = device.upload(stretches, Tensor::kWorkspace, "where rows of a weight lie");
  lists.begin = device.upload(begin, Tensor::kWorkspace, "where rows of a weight lie");
  lists.place = device.upload(place, Tensor::kWorkspace, "the columns of a weight");
  device.wait();  // another stream may read them
  return lists;
}

void FetchedWeights::PartTiles::reach() {
  if (!from_.begin.empty() || all_.shards_ == nullptr) return;
  std::vector<const std::byte*> parts;
  for (int r = 0; r < all_.shards_->ranks(); ++r) {
    parts.push_back(all_.mapped(r));
    if (parts.back() == nullptr) return;
  }
  std::vector<Stretch> stretches;
  std::vector<int> begin{0};
  others_.assign(1, 0);
  for (const int row : rows_) {
    std::size_t others = 0;
    for (int r = 0; r < static_cast<int>(parts.size()); ++r) {
      const std::size_t bytes = add_stretch(row, r, parts[r], stretches);
      if (r != all_.shards_->rank()) others += bytes;
    }
    begin.push_back(static_cast<int>(stretches.size()));
    others_.push_back(others_.back() + others);
  }
  from_ = upload(stretches, begin);
}

void FetchedWeights::PartTiles::pick(const Lists& lists, int first, int count, std::byte* to,
                                     cudaStream_t stream) const {
  const Scattered from{lists.stretches.data(), lists.begin.data(), lists.place.data(),
                       static_cast<int>(cols_.size())};
  if (one_.each == sizeof(float)) {
    gather(from, first, count, reinterpret_cast<float*>(to), stream);
  } else {
    gather(from, first, count, reinterpret_cast<double*>(to), stream);
  }
}

void FetchedWeights::PartTiles::copy(int t, std::byte* to) const {
  const std::vector<PackedRun>& runs = layout_->runs();
  const std::size_t begin = layout_->first(t);
  const std::size_t count = layout_->first(t + 1) - begin;
  const int rank = all_.shards_->rank();
  // Each begins with its own: those that are at the same tile read from different ones.
  std::size_t own = 0;
  while (own < count && runs[begin + own].rank != rank) ++own;
  std::size_t others = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const PackedRun& run = runs[begin + (own + i) % count];
    const std::size_t bytes = static_cast<std::size_t>(run.count) * row_bytes();
    const std::size_t at = static_cast<std::size_t>(run.first - t * tile_) * row_bytes();
    CORONET_CUDA_CHECK(cudaMemcpyAsync(to + at, packing_->memory[run.rank] + run.from, bytes,
                                       cudaMemcpyDefault, all_.ring_->copies()));
    if (run.rank != rank) others += bytes;
  }
  all_.shards_->count(others, 0);
}

TileRing::Coming FetchedWeights::PartTiles::begin(int t, int slot) {
  const int tiles = (static_cast<int>(rows_.size()) + tile_ - 1) / tile_;
  const std::size_t bytes = static_cast<std::size_t>(tile_) * row_bytes();
  return all_.begin(all_.stay(number_, part_, t, tiles, bytes), slot,
                    [&](std::byte* to) { return bring(t, to); });
}

bool FetchedWeights::PartTiles::bring(int t, std::byte* to) {
  if (layout_ != nullptr) {
    copy(t, to);
    return true;
  }
  const int first = t * tile_;
  const int last = std::min(static_cast<int>(rows_.size()), first + tile_);
  if (from_.begin.empty()) {
    through_host(first, last, to);
    return false;
  }
  pick(from_, first, last - first, to, all_.ring_->copies());
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
