#include "search/ranks/shared_turn.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <limits>
#include <thread>
#include <utility>

#include "bound/ranks/packets.h"
#include "comm/run_as.h"
#include "search/fits.h"
#include "search/input_rounds.h"
#include "search/neuron_rounds.h"
#include "search/ranks/broker.h"
#include "search/ranks/distant_judge.h"
#include "search/ranks/member.h"
#include "search/ranks/orders.h"
#include "search/ranks/shared_refinement.h"

namespace coronet::search {

namespace {

/// The oracle, for the leader's own part in a turn: the end of the turn counts as found.
class NearJudge final : public Judge {
 public:
  NearJudge(Judge& oracle, const std::atomic<bool>& over) : oracle_(oracle), over_(over) {}
  bool offer(int clause, const float* x) override { return oracle_.offer(clause, x); }
  [[nodiscard]] bool found() const override { return over_ || oracle_.found(); }
  [[nodiscard]] bool known() const override { return oracle_.known(); }

 private:
  Judge& oracle_;
  const std::atomic<bool>& over_;
};

/// By number.
std::vector<int> boxes_of_clauses(const std::vector<ClauseRows>& clauses) {
  std::vector<int> box;
  for (const ClauseRows& c : clauses) {
    box.resize(std::max<std::size_t>(box.size(), c.clause + 1), -1);
    box[c.clause] = c.box;
  }
  return box;
}

/// What the domains of a turn may speak of.
DomainSpace space_of(const bound::Context& context, const NeuronTurn& what) {
  std::vector<int> constraints;
  for (const ClauseRows& c : what.clauses) constraints.push_back(c.count);
  return {std::move(constraints), unstable(context, what.root, what.clauses)};
}

BoxSpace space_of(const bound::Context& /*context*/, const BoxTurn& what) {
  return {boxes_of_clauses(what.clauses), what.boxes};
}

/// An order: kind, seconds left of the run and of the turn, boxes, clauses, and of neurons the
/// attacks made and the root.
comm::Writer begin(SearchOrder kind, const bound::Context& context, const Turn& turn,
                   const std::vector<ClauseRows>& clauses, const std::vector<GraphBox>& boxes) {
  comm::Writer order;
  order.put(kind);
  order.put(context.deadline.left());
  order.put(turn.deadline.left());
  put_boxes(boxes, order);
  put_clauses(clauses, order);
  return order;
}

comm::Bytes order_of(const NeuronTurn& what, const bound::Context& context, const Turn& turn) {
  comm::Writer order = begin(SearchOrder::kNeurons, context, turn, what.clauses, what.boxes);
  order.put(what.attacks);
  bound::put_root(order, what.root, context.net32.nodes() - 1);
  return order.take();
}

comm::Bytes order_of(const BoxTurn& what, const bound::Context& context, const Turn& turn) {
  return begin(SearchOrder::kBoxes, context, turn, what.clauses, what.boxes).take();
}

/// A rank's part, beginning with no domain.
void work(comm::Communicator& group, bound::Context& context, const NeuronTurn& what, Judge& judge,
          const Deadline& deadline, std::uint64_t memory_bytes) {
  Tree tree;
  tree.undecided.assign(what.clauses.size(), 0);
  // No two ranks ever draw the same points.
  tree.attacks = what.attacks + group.rank();
  NeuronRounds rounds(context, what.root, what.clauses, what.boxes, tree, judge, deadline,
                      group.size());
  const DomainSpace space = space_of(context, what);
  Member<Domain>(group, space, judge, deadline, memory_bytes, context.ledger).run(rounds);
  tree.clear(context.workers);
}

void work(comm::Communicator& group, bound::Context& context, const BoxTurn& what, Judge& judge,
          const Deadline& deadline, std::uint64_t memory_bytes) {
  InputTree tree;
  InputRounds rounds(context, what.clauses, what.boxes, tree, judge, deadline);
  const BoxSpace space = space_of(context, what);
  Member<BoxDomain>(group, space, judge, deadline, memory_bytes, context.ledger).run(rounds);
}

/// A turn that ended in time for its domains to come back may do so too soon; whoever follows reads
/// the clock to know why it ended.
void wait_for(const Deadline& deadline) {
  while (!deadline.passed()) {
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(deadline.left(), 0.01)));
  }
}

template <class What, class Item>
TurnEnd share_turn(bound::Context& context, const What& what, std::vector<Item>& open,
                   const TurnWords& words, const Turn& turn, Judge& judge,
                   const std::function<void(const Findings&)>& absorb) {
  comm::Communicator& group = turn.ranks->group();
  const Deadline until = turn.deadline.unless(group.channel().broken());
  TurnSpace<Item> space;
  space.items = space_of(context, what);
  space.clauses = static_cast<int>(what.clauses.size());
  for (const int box : boxes_of_clauses(what.clauses)) space.is_clause.push_back(box >= 0 ? 1 : 0);
  space.inputs = context.net32.size(0);
  TurnEnd end;
  Teller teller;
  if (turn.saving.due && turn.saving.due()) turn.saving.save(0);
  while (!open.empty() && !judge.found()) {
    turn.ranks->search(*context.ranks, order_of(what, context, turn));
    Broker<Item> broker(*turn.ranks, space, open, words, turn, judge, end.bounded, teller,
                        context.tracer);
    // It mostly waits, beside the thread that works.
    std::exception_ptr of_broker;
    std::thread thread([&] {
      try {
        comm::run_as(group.channel(), [&](comm::Channel&) { broker.run(); });
      } catch (const comm::RankLeft& left) {
        of_broker = std::current_exception();
        // This rank's own member, which waits for the broker, would not be told.
        group.channel().fail(ErrorKind::kRank, left.what());
      } catch (...) {
        of_broker = std::current_exception();
      }
    });
    std::exception_ptr of_member;
    try {
      comm::run_as(group.channel(), [&](comm::Channel&) {
        NearJudge near(judge, broker.hurry());
        work(group, context, what, near, until, std::numeric_limits<std::uint64_t>::max());
      });
    } catch (...) {
      of_member = std::current_exception();
    }
    thread.join();
    if (of_member) std::rethrow_exception(of_member);
    if (of_broker) std::rethrow_exception(of_broker);
    for (const Findings& findings : broker.findings()) absorb(findings);
    end.bounded += broker.bounded();
    end.bytes = std::max(end.bytes, broker.most_bytes());
    end.reason = broker.reason();
    end.left_behind = broker.left_behind();
    if (broker.late()) wait_for(turn.deadline);
    if (!broker.saves()) break;
    turn.saving.save(end.bounded);
  }
  return end;
}

}  // namespace

bool several(bound::Ranks* ranks) { return ranks != nullptr && ranks->group().size() > 1; }

TurnEnd share(bound::Context& context, const NeuronTurn& what, std::vector<Domain>& open,
              const TurnWords& words, const Turn& turn, Judge& judge,
              const std::function<void(const Findings&)>& absorb) {
  return share_turn(context, what, open, words, turn, judge, absorb);
}

TurnEnd share(bound::Context& context, const BoxTurn& what, std::vector<BoxDomain>& open,
              const TurnWords& words, const Turn& turn, Judge& judge,
              const std::function<void(const Findings&)>& absorb) {
  return share_turn(context, what, open, words, turn, judge, absorb);
}

void take_part(comm::Communicator& group, bound::Context& context, const comm::Bytes& order,
               std::uint64_t memory_bytes) {
  comm::Reader reader(order, 0);
  const auto kind = reader.get<SearchOrder>();
  const double now = elapsed_seconds();
  const std::atomic<bool>& broken = group.channel().broken();
  const Deadline run = Deadline(now + bound::get_seconds(reader)).unless(broken);
  bound::Context mine(context.net32, context.net64, context.options, context.workers, run,
                      context.tracer);
  mine.device = context.device;
  mine.count_in(context.ledger);
  if (kind == SearchOrder::kRefine) {
    take_part_in_refinement(group, mine, reader);
    return;
  }
  reader.require(kind == SearchOrder::kNeurons || kind == SearchOrder::kBoxes,
                 "an order that is none");
  const Deadline turn = Deadline(now + bound::get_seconds(reader)).unless(broken);
  const int last = mine.net32.nodes() - 1;
  const auto inputs = static_cast<std::size_t>(mine.net32.size(0));
  const std::vector<GraphBox> boxes = get_boxes(reader, inputs);
  const std::vector<ClauseRows> clauses =
      get_clauses(reader, boxes.size(), inputs, static_cast<std::size_t>(mine.net32.size(last)));
  DistantJudge judge(group, mine.net32.size(0));
  if (kind == SearchOrder::kNeurons) {
    const auto attacks = reader.get<std::uint64_t>();
    const bound::Root root = bound::get_root(reader, mine.net32.graph(), last);
    reader.end();
    work(group, mine, NeuronTurn{root, clauses, boxes, attacks}, judge, turn, memory_bytes);
  } else {
    reader.end();
    work(group, mine, BoxTurn{clauses, boxes}, judge, turn, memory_bytes);
  }
  judge.settle();
}

}  // namespace coronet::search
