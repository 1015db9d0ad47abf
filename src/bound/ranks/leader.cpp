#include "bound/ranks/leader.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <utility>

#include "base/memory_ledger.h"
#include "base/resources.h"
#include "bound/ranks/packets.h"
#include "bound/row_parts.h"
#include "comm/run_as.h"
#include "graph/products.h"

namespace coronet::bound {

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
    put_settings(order, settings);
    put_list(order, list);
    told_.put(order, root, list.node);
    // The context knows its ledger by now.
    if (kept_.ledger() == nullptr) {
      kept_ = Counted(context_.ledger, MemoryClass::kCommunication);
    }
    kept_.set(told_.bytes());
    (void)ranks_.group_.broadcast(order.take(), 0);

    // A rank that fails ends the descents of the others.
    const Deadline until = deadline.unless(channel.broken());
    const auto parts = make_parts(context_, root, list, settings, until, on_device);
    parts->meet(ranks_.group_);
    std::vector<Hands> others(ranks_.work_.size());
    int hands = parts->hands(context_.workers.size());
    for (std::size_t r = 1; r < ranks_.work_.size(); ++r) {
      others[r].left = parts->hands(ranks_.work_[r].threads);
      others[r].given.resize(others[r].left);
      hands += others[r].left;
    }
    RowBounds result = parts->room(rows);
    Deal deal(rows, parts->part(hands), until);
    std::exception_ptr of_dealer;
    std::thread dealer([&] {
      try {
        answer(deal, others, result);
      } catch (...) {
        of_dealer = std::current_exception();
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
    if (of_dealer) std::rethrow_exception(of_dealer);
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

  /// Of another rank. A worker that is told soon that no rows are left may be one more hand, under
  /// its number.
  struct Hands {
    std::vector<Deal::Part> given;  ///< [hands] and not yet bounded
    int left = 0;                   ///< that were not told yet that no rows are left
  };

  /// Hears the others until each of their hands has been told that no rows are left.
  void answer(Deal& deal, std::vector<Hands>& others, RowBounds& result) {
    int left = 0;
    for (const Hands& of_rank : others) left += of_rank.left;
    while (left > 0) {
      const comm::Letter letter = ranks_.group_.receive(comm::kAny, kAskTag, kAskWords);
      comm::Reader reader(letter.bytes, letter.from);
      const auto question = reader.get<RankQuestion>();
      Hands& hands = others[letter.from];
      reader.require(question.hand >= 0 && question.hand < static_cast<int>(hands.given.size()) &&
                         hands.left > 0,
                     "it is of a hand that was not told to work");
      Deal::Part& given = hands.given[question.hand];
      // A row that nobody bounded must never look as if somebody had.
      reader.require(question.first == given.first && question.last == given.last,
                     "it is of other rows than the hand was given");
      RankReport& its = ranks_.work_[letter.from];
      its.peak_bytes = std::max(its.peak_bytes, question.peak_bytes);
      its.device_bytes = std::max(its.device_bytes, question.device_bytes);
      its.fetched_bytes = std::max(its.fetched_bytes, question.fetched_bytes);
      its.fetch_seconds = std::max(its.fetch_seconds, question.fetch_seconds);
      if (question.last > question.first) {
        get_rows(reader, question.first, question.last, result);
        its.rows += question.last - question.first;
        its.seconds += question.seconds;
      } else {
        reader.end();
      }
      given = deal.next();
      if (given.last <= given.first) {
        given = {};
        --hands.left;
        --left;
      }
      comm::Writer answer;
      answer.put(given);
      ranks_.group_.send(letter.from, kGiveTag + question.hand, kGiveWords, answer.take());
    }
  }

  Ranks& ranks_;
  Context& context_;
  int number_;
  RootTold told_;
  Counted kept_;  // by it
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
