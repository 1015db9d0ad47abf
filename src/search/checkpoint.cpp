#include "search/checkpoint.h"

#include <cmath>
#include <functional>
#include <string_view>
#include <utility>

#include "io/file.h"
#include "search/domain_bytes.h"

namespace coronet::search {

namespace {

constexpr std::string_view kMagic = "CORONETS";
/// Raised whenever what follows changes.
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kLongestText = 4096;

void put(ByteWriter& out, const std::vector<std::vector<int>>& lists) {
  out.put(std::uint64_t{lists.size()});
  for (const std::vector<int>& list : lists) out.put(list);
}

std::vector<std::vector<int>> get_lists(ByteReader& in) {
  std::vector<std::vector<int>> lists(in.get_count(sizeof(std::uint64_t)));
  for (std::vector<int>& list : lists) list = in.get_all<int>();
  return lists;
}

void put(ByteWriter& out, const Tree& tree) {
  out.put(tree.undecided);
  put(out, tree.free);
  out.put(tree.attacks);
  put_items(tree.open, out);
}

Tree get_tree(ByteReader& in) {
  Tree tree;
  tree.undecided = in.get_all<char>();
  tree.free = get_lists(in);
  tree.attacks = in.get<std::uint64_t>();
  tree.open = get_items<Domain>(in);
  return tree;
}

void put(ByteWriter& out, const BoxProgress& box) {
  out.put(box.box);
  out.put(box.seconds);
  out.put(box.neurons_until);
  out.put(box.inputs_until);
  out.put(std::uint8_t{box.crowned});
  out.put(box.alpha_nodes);
  out.put(std::uint64_t{box.bounds.lo.size()});
  for (std::size_t v = 0; v < box.bounds.lo.size(); ++v) {
    out.put(box.bounds.lo[v]);
    out.put(box.bounds.hi[v]);
  }
  out.put(box.clauses);
  out.put(box.start);
  out.put(std::uint8_t{box.planted});
  if (!box.planted) return;
  put(out, box.tree);
  put(out, box.kept);
}

BoxProgress get_box(ByteReader& in) {
  BoxProgress box;
  box.box = in.get<int>();
  box.seconds = in.get<double>();
  box.neurons_until = in.get<double>();
  box.inputs_until = in.get<double>();
  box.crowned = in.get_bool();
  box.alpha_nodes = in.get<int>();
  const std::size_t nodes = in.get_count(2 * sizeof(std::uint64_t));
  for (std::size_t v = 0; v < nodes; ++v) {
    box.bounds.lo.push_back(in.get_all<double>());
    box.bounds.hi.push_back(in.get_all<double>());
  }
  box.clauses = in.get_all<int>();
  box.start = in.get_all<double>();
  box.planted = in.get_bool();
  if (!box.planted) return box;
  box.tree = get_tree(in);
  box.kept = get_lists(in);
  return box;
}

void put(ByteWriter& out, const InputTree& tree) {
  out.put(std::uint8_t{tree.planted});
  put_items(tree.open, out);
}

InputTree get_input_tree(ByteReader& in) {
  InputTree tree;
  tree.planted = in.get_bool();
  tree.open = get_items<BoxDomain>(in);
  return tree;
}

}  // namespace

void encode(const Checkpoint& checkpoint, ByteWriter& out) {
  out.append(kMagic.data(), kMagic.size());
  out.put(kFormat);
  out.put(checkpoint.identity.network);
  out.put(checkpoint.identity.property);
  out.put(std::string_view(checkpoint.identity.options));
  out.put(checkpoint.seconds);
  out.put(checkpoint.domains);
  out.put(checkpoint.unstable_neurons);
  out.put(std::uint8_t{checkpoint.attacked});
  out.put(std::uint64_t{checkpoint.clauses.size()});
  for (const ClauseReport& clause : checkpoint.clauses) {
    out.put(clause.bound);
    out.put(std::string_view(clause.decided_by));
  }
  out.put(checkpoint.best_attack);
  out.put(std::uint8_t{checkpoint.box != nullptr});
  if (checkpoint.box) put(out, *checkpoint.box);
  put(out, *checkpoint.inputs);
  out.finish();
}

Checkpoint decode(ByteReader& in) {
  std::string magic(kMagic.size(), '\0');
  in.take(magic.data(), magic.size());
  if (magic != kMagic) in.fail("is no checkpoint of Coronet");
  const auto format = in.get<std::uint32_t>();
  if (format != kFormat) {
    in.fail("is a checkpoint of another version of Coronet: its format is " +
            std::to_string(format) + ", this one reads " + std::to_string(kFormat));
  }
  Checkpoint checkpoint;
  checkpoint.identity.network = in.get<std::uint64_t>();
  checkpoint.identity.property = in.get<std::uint64_t>();
  checkpoint.identity.options = in.get_text(kLongestText);
  checkpoint.seconds = in.get<double>();
  checkpoint.domains = in.get<std::int64_t>();
  checkpoint.unstable_neurons = in.get<std::int64_t>();
  checkpoint.attacked = in.get_bool();
  for (std::size_t left = in.get_count(sizeof(double) + sizeof(std::uint64_t)); left > 0; --left) {
    ClauseReport& clause = checkpoint.clauses.emplace_back();
    clause.bound = in.get<double>();
    clause.decided_by = in.get_text(kLongestText);
  }
  checkpoint.best_attack = in.get_all<double>();
  if (in.get_bool()) checkpoint.box = std::make_shared<BoxProgress>(get_box(in));
  checkpoint.inputs = std::make_shared<InputTree>(get_input_tree(in));
  in.finish();
  return checkpoint;
}

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  write_file(path, [&](const std::function<void(std::string_view)>& write) {
    ByteWriter out(write);
    encode(checkpoint, out);
  });
}

Checkpoint read_checkpoint(const std::string& path) {
  OpenFile file(path);
  ByteReader in(path, file.size(),
                [&](char* to, std::size_t count) { return file.read(to, count); });
  return decode(in);
}

}  // namespace coronet::search
