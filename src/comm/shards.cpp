#include "comm/shards.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <random>
#include <span>

#include "comm/packet.h"
#include "comm/run_as.h"

namespace coronet::comm {

namespace {

constexpr int kAskTag = 0;
constexpr const char* kAskWords = "a question for weights";
/// Each answer has a tag of its own, from here on, so that every thread hears its own.
constexpr int kAnswerTag = 1;
constexpr std::uint32_t kAnswerTags = 1U << 30U;
constexpr const char* kAnswerWords = "weights";

/// Nobody's array: the rank itself asks its thread to end.
constexpr int kEnd = -1;
/// Nor this: another rank asks where the parts are beside the host's memory.
constexpr int kWhere = -2;

/// Parts begin at whole doubles.
constexpr std::size_t kGrain = sizeof(double);

/// Larger buffers go back to the system.
constexpr std::size_t kMostSpareBytes = std::size_t{2} << 20;

/// The same for all ranks of one process, and for no others.
std::uint64_t process_number() {
  static const std::uint64_t number = [] {
    std::random_device random;
    return std::uint64_t{random()} << 32U | random();
  }();
  return number;
}

/// A letter to a rank of the same process hands over what it points to.
using Gift = std::shared_ptr<const Elsewhere>;

}  // namespace

struct Shards::Question {
  int array = 0;
  int tag = 0;
  std::uint64_t first = 0;  // in the part of the rank that is asked; of kWhere, who asks
  std::uint64_t count = 0;  // of kWhere, which copy
};

std::pair<std::size_t, std::size_t> Shards::part(std::size_t total, int ranks, int rank) {
  const std::size_t grains = (total + kGrain - 1) / kGrain;
  const auto n = static_cast<std::size_t>(ranks);
  const auto at = [&](std::size_t r) {
    return std::min(total, (grains / n * r + std::min(r, grains % n)) * kGrain);
  };
  const auto r = static_cast<std::size_t>(rank);
  return {at(r), at(r + 1)};
}

Shards::Shards(Communicator& group, Way way) : group_(group.split(0, group.rank())), way_(way) {}

Shards::~Shards() {
  if (open_) open_->close();
  if (!thread_.joinable()) return;
  try {
    Writer writer;
    writer.put(Question{kEnd, 0, 0, 0});
    group_.send(group_.rank(), kAskTag, kAskWords, writer.take());
  } catch (const std::exception&) {
    // All is in vain: the thread has heard it too.
  }
  thread_.join();
}

int Shards::add(Bytes mine, std::size_t total) {
  const auto [first, last] = part(total, ranks(), rank());
  if (mine.size() != last - first) {
    throw Error(ErrorKind::kInternal, "shards: this is not the rank's part of the array");
  }
  arrays_.push_back({std::move(mine), total});
  return static_cast<int>(arrays_.size()) - 1;
}

void Shards::meet() {
  if (way_ == Way::kNearest) open_.emplace();
  const NearbyPlace mine = open_ ? open_->place() : NearbyPlace{};
  std::vector<NearbyPlace> places(static_cast<std::size_t>(ranks()));
  group_.all_gather(std::span<const NearbyPlace>(&mine, 1), std::span<NearbyPlace>(places));
  if (std::any_of(places.begin(), places.end(), [&](const NearbyPlace& its) {
        return its.host != 0 && its.host == mine.host && its.process != mine.process;
      })) {
    OpenMemory::permit_others();
  }
  const std::uint64_t number = process_number();
  std::vector<std::uint64_t> processes(places.size());
  group_.all_gather(std::span<const std::uint64_t>(&number, 1),
                    std::span<std::uint64_t>(processes));
  // Once all have sent these, all have permitted it.
  std::vector<std::uint64_t> addresses;
  for (const Array& array : arrays_) {
    addresses.push_back(reinterpret_cast<std::uint64_t>(array.mine.data()));
  }
  const std::size_t each = addresses.size();
  std::vector<std::uint64_t> all(each * places.size());
  group_.all_gather(std::span<const std::uint64_t>(addresses), std::span<std::uint64_t>(all));
  for (std::size_t r = 0; r < places.size(); ++r) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(r * each);
    neighbours_.push_back({NearbyMemory(places[r], mine),
                           processes[r],
                           {begin, begin + static_cast<std::ptrdiff_t>(each)}});
  }
}

void Shards::serve() {
  if (ranks() == 1) return;
  meet();
  thread_ = std::thread([this] { answer(); });
}

void Shards::answer() {
  try {
    run_as(group_.channel(), [&](Channel&) {
      for (;;) {
        const Letter letter = group_.receive(kAny, kAskTag, kAskWords);
        Reader reader(letter.bytes, letter.from);
        const auto question = reader.get<Question>();
        reader.end();
        if (question.array == kEnd && letter.from == rank()) return;
        check(question, reader);
        try {
          answer(question, letter.from);
        } catch (const RankLeft&) {
          // It wants them no more.
        }
      }
    });
  } catch (const std::exception&) {
    // Whoever waits for anything of any rank has been told.
  }
}

/// Throws Error(kInternal) where nobody asks so.
void Shards::check(const Question& question, const Reader& reader) const {
  reader.require(question.tag >= kAnswerTag, "an answer to nobody");
  if (question.array == kWhere) return;
  reader.require(question.array >= 0 && question.array < static_cast<int>(arrays_.size()),
                 "weights that are none");
  const std::size_t here = arrays_[question.array].mine.size();
  reader.require(question.first <= here && question.count <= here - question.first,
                 "weights that are not here");
}

void Shards::answer(const Question& question, int from) {
  if (question.array == kWhere) {
    const std::lock_guard lock(publishing_);
    const auto& published = published_.at(question.count);
    Writer writer;
    if (question.first != process_number()) {
      writer.put(std::uint64_t{0});
      const Bytes words = published ? published->words() : Bytes();
      writer.put_rest(words.data(), words.size());
      group_.send(from, question.tag, kAnswerWords, writer.take());
      return;
    }
    auto gift = std::make_unique<Gift>(published);
    writer.put(reinterpret_cast<std::uint64_t>(gift.get()));
    group_.send(from, question.tag, kAnswerWords, writer.take());
    // The receiver's now. One that fails before it reads the letter leaves it to the process's end.
    static_cast<void>(gift.release());
    return;
  }
  group_.send(from, question.tag, kAnswerWords,
              std::span(arrays_[question.array].mine).subspan(question.first, question.count));
}

void Shards::publish(Copy which, std::shared_ptr<const Elsewhere> mine) const {
  const std::lock_guard lock(publishing_);
  published_.at(static_cast<std::size_t>(which)) = std::move(mine);
}

Whereabouts Shards::whereabouts(Copy which, int owner) const {
  const int tag = next_tag();
  Request answer = group_.expect(owner, tag, kAnswerWords);
  Writer writer;
  writer.put(Question{kWhere, tag, process_number(), static_cast<std::uint64_t>(which)});
  group_.send(owner, kAskTag, kAskWords, writer.take());
  const Letter letter = answer.wait();
  Reader reader(letter.bytes, owner);
  Whereabouts found;
  if (const auto address = reader.get<std::uint64_t>(); address != 0) {
    reader.end();
    // An address of another process is none here.
    reader.require(neighbours_[owner].process == process_number(), "an address of nothing here");
    found.here = *std::unique_ptr<Gift>(reinterpret_cast<Gift*>(address));
  } else {
    found.words.assign(reader.rest().begin(), reader.rest().end());
  }
  return found;
}

void Shards::count(std::size_t bytes, double seconds) const {
  fetched_ += bytes;
  waited_ += static_cast<std::int64_t>(seconds * 1e9);
}

int Shards::next_tag() const { return kAnswerTag + static_cast<int>(asked_++ % kAnswerTags); }

Request Shards::ask(int array, int owner, std::size_t from, std::size_t count) const {
  const int tag = next_tag();
  Writer writer;
  writer.put(Question{array, tag, from, count});
  Request request = group_.expect(owner, tag, kAnswerWords);
  group_.send(owner, kAskTag, kAskWords, writer.take());
  return request;
}

bool Shards::read(int array, int owner, std::size_t from, std::span<std::byte> to) const {
  if (owner == rank()) {
    std::copy_n(arrays_[array].mine.data() + from, to.size(), to.data());
    return true;
  }
  const Neighbour& it = neighbours_[owner];
  return it.memory.read(it.arrays[array] + from, to);
}

Bytes Shards::buffer(std::size_t bytes) const {
  Bytes buffer;
  {
    const std::lock_guard lock(spare_lock_);
    if (!spare_.empty()) {
      buffer = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  buffer.resize(bytes);
  return buffer;
}

void Shards::give_back(Bytes bytes) const {
  if (bytes.capacity() > kMostSpareBytes) return;
  const std::lock_guard lock(spare_lock_);
  spare_.push_back(std::move(bytes));
}

ShardFetch Shards::fetch(int array, std::size_t first, std::size_t count) const {
  const Array& of = arrays_[array];
  const std::size_t last = first + count;
  ShardFetch fetch(*this, array, count);
  bool asked = false;
  for (int owner = 0; owner < ranks() && count > 0; ++owner) {
    const auto [begin, end] = part(of.total, ranks(), owner);
    const std::size_t from = std::max(first, begin);
    const std::size_t to = std::min(last, end);
    if (from >= to) continue;
    if (owner == rank() && to - from == count) {
      fetch.here_ = of.mine.data() + (from - begin);
      return fetch;
    }
    if (owner != rank()) fetched_ += to - from;
    ShardFetch::Piece piece{owner, from - begin, from - first, to - from, {}};
    if (!nearby(owner)) {
      piece.request = ask(array, owner, piece.from, piece.count);
      asked = true;
    }
    fetch.pieces_.push_back(std::move(piece));
  }
  if (asked) fetch.counted_ = Counted(ledger_, MemoryClass::kTiles, count);
  return fetch;
}

ShardFetch::~ShardFetch() {
  if (spare_) shards_->give_back(std::move(bytes_));
}

const std::byte* ShardFetch::wait() {
  if (here_ != nullptr || pieces_.empty()) return here_;
  const auto begin = std::chrono::steady_clock::now();
  const auto letter_of = [](Piece& piece) {
    Bytes bytes = piece.request->wait().bytes;
    if (bytes.size() != piece.count) {
      throw Error(ErrorKind::kInternal, "a rank sent other weights than were asked for");
    }
    return bytes;
  };
  if (pieces_.size() == 1 && pieces_.front().request) {
    bytes_ = letter_of(pieces_.front());
  } else {
    counted_ = Counted(shards_->ledger_, MemoryClass::kTiles, count_);
    bytes_ = shards_->buffer(count_);
    spare_ = true;
    for (Piece& piece : pieces_) {
      const std::span<std::byte> to = std::span(bytes_).subspan(piece.at, piece.count);
      if (!piece.request) {
        if (shards_->read(array_, piece.owner, piece.from, to)) continue;
        // The owner has closed its memory, which it does at its end: the letter says why.
        piece.request = shards_->ask(array_, piece.owner, piece.from, piece.count);
      }
      const Bytes bytes = letter_of(piece);
      std::copy(bytes.begin(), bytes.end(), to.begin());
    }
  }
  pieces_.clear();
  here_ = bytes_.data();
  shards_->waited_ += (std::chrono::steady_clock::now() - begin).count();
  return here_;
}

}  // namespace coronet::comm
