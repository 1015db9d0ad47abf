#include "bound/tensor/rows.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "bound/row_parts.h"
#include "comm/packet.h"

namespace coronet::bound {

namespace {

/// All ranks' rows of single neurons, in the numbers of the whole node, and where mine begin.
struct Joined {
  RowList list;
  std::size_t first = 0;
};

Joined join(comm::Communicator& ranks, const RowList& mine) {
  comm::Writer writer;
  writer.put(mine.neuron);
  writer.put(mine.sign);
  Joined all;
  all.list.node = mine.node;
  int rank = 0;
  for (const comm::Bytes& bytes : ranks.all_gather(writer.take())) {
    comm::Reader reader(bytes);
    const auto neuron = reader.get<std::vector<int>>();
    const auto sign = reader.get<std::vector<float>>();
    if (rank++ == ranks.rank()) all.first = all.list.neuron.size();
    all.list.neuron.insert(all.list.neuron.end(), neuron.begin(), neuron.end());
    all.list.sign.insert(all.list.sign.end(), sign.begin(), sign.end());
  }
  return all;
}

}  // namespace

RowBounds TensorRows::bound(const Root& root, const RowList& list, const OptimiseSettings& settings,
                            const Deadline& deadline) {
  if (settings.keep_alpha) {
    throw Error(ErrorKind::kInternal, "slopes of ranks that share the neurons are not kept");
  }
  const Slice& slice = share_.slice[list.node];
  if (!list.dense.empty() || slice.everywhere()) {
    const bool none = list.dense.empty() && list.neuron.empty();
    return none ? RowBounds() : together(root, list, settings, deadline);
  }
  RowList wanted;
  wanted.node = list.node;
  std::vector<std::size_t> place;  // of each wanted row in the list
  for (std::size_t i = 0; i < list.neuron.size(); ++i) {
    const int j = slice.whole_of(list.neuron[i]);
    if (j < 0) continue;
    wanted.neuron.push_back(j);
    wanted.sign.push_back(list.sign[i]);
    place.push_back(i);
  }
  const Joined all = join(tensor_, wanted);
  RowBounds mine;
  mine.bound.assign(list.neuron.size(), -HUGE_VAL);
  if (all.list.neuron.empty()) return mine;
  const RowBounds found = together(root, share_.share_of(all.list), settings, deadline);
  for (std::size_t i = 0; i < place.size(); ++i) {
    mine.bound[place[i]] = found.bound[all.first + i];
  }
  mine.timed_out = found.timed_out;
  return mine;
}

RowBounds TensorRows::together(const Root& root, const RowList& list,
                               const OptimiseSettings& settings, const Deadline& deadline) {
  const int lanes = static_cast<int>(lanes_.size());
  const int groups = rows_.size();
  const auto make = [&](TensorLane& lane) {
    return make_parts(lane.context, root, list, settings, deadline, lane.context.device != nullptr);
  };
  const std::unique_ptr<RowParts> first_task = make(lanes_.front());
  const int total = first_task->rows();
  RowBounds found = first_task->room(total);
  // The devices of some ranks may have less memory than others, and take fewer rows at once.
  std::int64_t part = first_task->part(lanes * groups);
  for (comm::Communicator* ranks : {&tensor_, &rows_}) {
    ranks->all_reduce(std::span<std::int64_t>(&part, 1), comm::Reduction::kMin);
  }
  const int each = static_cast<int>(part);
  const int parts = (total + each - 1) / each;
  std::atomic<bool> late{false};
  std::atomic<std::int64_t> rows{0};
  std::vector<double> seconds(lanes, 0.0);
  lanes_.front().context.workers.run(lanes, [&](int lane, int) {
    const double begin = elapsed_seconds();
    TensorLane& mine = lanes_[lane];
    const std::unique_ptr<RowParts> own = lane == 0 ? nullptr : make(mine);
    RowParts& task = lane == 0 ? *first_task : *own;
    for (int k = lane * groups + rows_.rank(); k < parts; k += lanes * groups) {
      if (mine.group.agree(deadline.passed())) {
        late = true;
        break;
      }
      require_resident_at_most(memory_bytes_);
      const int first = k * each;
      const int last = std::min(total, first + each);
      task.bound(first, last, 0, found, 0);
      rows += last - first;
    }
    seconds[lane] = elapsed_seconds() - begin;
  });
  rows_bounded_ += rows;
  for (const double s : seconds) busy_seconds_ += s;
  // Each row was bounded by one group: for the others, nothing is known of it.
  rows_.all_reduce(std::span<double>(found.bound), comm::Reduction::kMax);
  std::int64_t any_late = late ? 1 : 0;
  rows_.all_reduce(std::span<std::int64_t>(&any_late, 1), comm::Reduction::kMax);
  found.timed_out = any_late != 0;
  return found;
}

}  // namespace coronet::bound
