#include "bound/ranks/leader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/resources.h"
#include "bound/ranks/packets.h"
#include "bound/row_parts.h"
#include "comm/run_as.h"
#include "graph/products.h"

namespace coronet::bound {

namespace {

/// Rows first .. last - 1 of `total`, as a rank sent them: what it says of them must be what it
/// sent.
void copy_rows(const RowBounds& from, int first, int last, int total, RowBounds& to) {
  const auto copy = [&](const auto& some, auto& all) {
    const std::size_t each = all.size() / total;
    if (first < 0 || last > total || some.size() != each * (last - first)) {
      throw Error(ErrorKind::kInternal,
                  fmt::format("a rank sent {} numbers for rows {} to {} of {}", some.size(), first,
                              last, total));
    }
    std::copy(some.begin(), some.end(), all.begin() + static_cast<std::ptrdiff_t>(first * each));
  };
  copy(from.bound, to.bound);
  for (std::size_t v = 0; v < to.alpha.size(); ++v) copy(from.alpha.at(v), to.alpha[v]);
}

}  // namespace

class DealtRows final : public RowBounder {
 public:
  DealtRows(Ranks& ranks, Context& context, int number)
      : ranks_(ranks), context_(context), number_(number) {}
  ~DealtRows() override {
    if (number_ != kWholeGraph) {
      ranks_.released_.push_back(number_);
    } else {
      ranks_.accelerator_ = nullptr;  // it may go now
    }
  }
  [[nodiscard]] int number() const { return number_; }

  RowBounds bound(const Root& root, const RowList& list, const OptimiseSettings& settings,
                  const Deadline& deadline) override {
    const int rows = list.count(context_.net32.size(list.node));
    RankReport& mine = ranks_.work_[0];
    const double passes = 1 + 2.0 * settings.iterations;
    const double products =
        static_cast<double>(coronet::products(context_.net32.graph(), list.node));
    if (products * rows * passes < ranks_.worth_dealing_ || ranks_.group_.size() == 1) {
      const double begin = elapsed_seconds();
      RowBounds result = bound_rows_here(context_, root, list, settings, deadline);
      mine.rows += rows;
      mine.seconds += (elapsed_seconds() - begin) * context_.workers.size();
      return result;
    }
    comm::Channel& channel = ranks_.group_.channel();
    comm::Writer order = ranks_.order(RankOrder::kRows);
    order.put(number_);
    const bool on_device = context_.for_device(rows, list.node);
    order.put(on_device);
    order.put(deadline.left());
    order.put(settings);
    put_list(order, list);
    put_root(order, root, list.node);
    (void)ranks_.group_.broadcast(order.take(), 0);

    // A rank that fails ends the descents of the others.
    const Deadline until = deadline.unless(channel.broken());
    const auto parts = make_parts(context_, root, list, settings, until, on_device);
    parts->meet(ranks_.group_);
    int others_hands = 0;
    for (std::size_t r = 1; r < ranks_.work_.size(); ++r) {
      others_hands += parts->hands(ranks_.work_[r].threads);
    }
    RowBounds result = parts->room(rows);
    Deal deal(rows, parts->part(parts->hands(context_.workers.size()) + others_hands), until);
    std::exception_ptr others;
    std::thread dealer([&] {
      try {
        answer(deal, others_hands, rows, result);
      } catch (...) {
        others = std::current_exception();
      }
    });
    std::exception_ptr own;
    try {
      comm::run_as(channel, [&](comm::Channel&) { work(*parts, deal, result, mine); });
    } catch (...) {
      own = std::current_exception();
    }
    dealer.join();
    if (own) std::rethrow_exception(own);
    if (others) std::rethrow_exception(others);
    result.timed_out = deal.late();
    return result;
  }

 private:
  /// This rank's own hands.
  void work(RowParts& parts, Deal& deal, RowBounds& result, RankReport& mine) {
    std::atomic<std::int64_t> rows{0};
    const int hands = parts.hands(context_.workers.size());
    std::vector<double> seconds(hands, 0.0);
    with_hands(context_.workers, hands, [&](int hand) {
      for (Deal::Part part = deal.next(); part.last > part.first; part = deal.next()) {
        const double begin = elapsed_seconds();
        parts.bound(part.first, part.last, hand, result, 0);
        seconds[hand] += elapsed_seconds() - begin;
        rows += part.last - part.first;
      }
    });
    mine.rows += rows;
    for (const double s : seconds) mine.seconds += s;
  }

  /// Hears the others until each of their hands has been told that no rows are left.
  void answer(Deal& deal, int hands, int rows, RowBounds& result) {
    for (int left = hands; left > 0;) {
      const comm::Letter letter = ranks_.group_.receive(comm::kAny, kAskTag, kAskWords);
      comm::Reader reader(letter.bytes);
      const auto question = reader.get<RankQuestion>();
      RankReport& its = ranks_.work_[letter.from];
      its.peak_bytes = std::max(its.peak_bytes, question.peak_bytes);
      its.device_bytes = std::max(its.device_bytes, question.device_bytes);
      its.fetched_bytes = std::max(its.fetched_bytes, question.fetched_bytes);
      its.fetch_seconds = std::max(its.fetch_seconds, question.fetch_seconds);
      if (question.last > question.first) {
        copy_rows(get_rows(reader), question.first, question.last, rows, result);
        its.rows += question.last - question.first;
        its.seconds += question.seconds;
      }
      const Deal::Part part = deal.next();
      if (part.last <= part.first) --left;
      comm::Writer answer;
      answer.put(part);
      ranks_.group_.send(letter.from, kGiveTag + question.hand, kGiveWords, answer.take());
    }
  }

  Ranks& ranks_;
  Context& context_;
  int number_;
};

Ranks::Ranks(comm::Communicator& group, const Graph& graph, const std::string& program, int workers,
             double worth_dealing, const ShardedWeights* weights)
    : group_(group), worth_dealing_(worth_dealing), weights_(weights) {
  for (RankIdentity& who : meet(group, graph, program, workers)) {
    RankReport& report = work_.emplace_back();
    report.host = std::move(who.host);
    report.threads = who.workers;
    report.peak_bytes = who.peak_bytes;
    report.weight_bytes = who.weight_bytes;
  }
}

comm::Writer Ranks::order(RankOrder what) {
  comm::Writer writer;
  writer.put(what);
  writer.put(std::exchange(released_, {}));
  return writer;
}

std::unique_ptr<RowBounder> Ranks::whole(Context& context, const Accelerator* accelerator) {
  accelerator_ = accelerator;
  return std::make_unique<DealtRows>(*this, context, kWholeGraph);
}

std::unique_ptr<RowBounder> Ranks::reduced(const RowBounder& parent, const Bounds& bounds,
                                           Context& context) {
  const int number = ++graphs_;
  comm::Writer writer = order(RankOrder::kReduce);
  writer.put(number);
  writer.put(dynamic_cast<const DealtRows&>(parent).number());
  int elements = 0;
  for (const Node& node : context.net32.graph().nodes) elements += node.shape.size();
  writer.put(elements);
  put_bounds(writer, bounds);
  (void)group_.broadcast(writer.take(), 0);
  return std::make_unique<DealtRows>(*this, context, number);
}

void Ranks::search(const RowBounder& of, const comm::Bytes& order) {
  comm::Writer writer = this->order(RankOrder::kSearch);
  writer.put(dynamic_cast<const DealtRows&>(of).number());
  writer.put(order);
  (void)group_.broadcast(writer.take(), 0);
}

void Ranks::end(const MemoryLedger* ledger) {
  (void)group_.broadcast(order(RankOrder::kEnd).take(), 0);
  const std::vector<MemoryUsage> memory = tell_memory(group_, ledger);
  for (std::size_t r = 0; r < work_.size(); ++r) work_[r].memory = memory[r];
}

const std::vector<RankReport>& Ranks::reports() {
  work_[0].peak_bytes = peak_resident_bytes();
  work_[0].device_bytes = std::max(work_[0].device_bytes, peak_bytes(accelerator_));
  if (weights_ != nullptr) {
    work_[0].fetched_bytes = weights_->fetched();
    work_[0].fetch_seconds = weights_->waited();
  }
  return work_;
}

}  // namespace coronet::bound
