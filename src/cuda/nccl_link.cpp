#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "cuda/apart.h"
#include "cuda/check.h"
#include "cuda/device_link.h"
#include "cuda/nccl.h"

namespace coronet::cuda {

namespace {

/// Seconds in which NCCL must have found all ranks.
constexpr double kStart = 60;
/// Seconds in which the channel says who has failed once NCCL says that somebody has: it hears of a
/// host that vanished within ten.
constexpr double kReason = 15;

/// An event that is destroyed with it.
class Event {
 public:
  Event() { CORONET_CUDA_CHECK(cudaEventCreate(&event_)); }
  ~Event() { report_failure(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  [[nodiscard]] cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// A stream that is destroyed with it, whose kernels go before those of others.
class Stream {
 public:
  Stream() {
    int least = 0;
    int greatest = 0;
    CORONET_CUDA_CHECK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    CORONET_CUDA_CHECK(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, greatest));
  }
  ~Stream() { report_failure(cudaStreamDestroy(stream_)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  [[nodiscard]] cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// Looks again and again: at once for as long as most exchanges take, then more rarely.
template <class Fn>
void look_until(const Fn& done) {
  const double begin = elapsed_seconds();
  while (!done()) {
    if (elapsed_seconds() - begin < 2e-3) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
}

/// Neither calls nor kernels of NCCL are ever waited for: they are looked at, and so are the other
/// ranks. Where one of them has failed, what is under way is aborted. Exchanges have a stream of
/// their own, in the order in which they began.
class NcclLink final : public DeviceLink {
 public:
  /// apart: no two members are threads of one process. Of those, one's call of the driver may wait
  /// for its kernel that waits for the other's, which waits for the driver.
  NcclLink(Device& device, comm::Communicator group, std::shared_ptr<const Nccl> calls, bool apart)
      : device_(device),
        group_(std::move(group)),
        calls_(std::move(calls)),
        apart_(apart),
        slice_(kRoom / static_cast<std::size_t>(std::max(1, group_.size() - 1)) / kAlign * kAlign) {
    device_.arena().set_aside(2 * kRoom, Tensor::kWorkspace, "what NCCL sends and receives");
  }
  /// The others have all that was sent to them, or have failed: abort() waits for nobody.
  ~NcclLink() override {
    abort();
    device_.arena().take_back(2 * kRoom, Tensor::kWorkspace);
  }

  /// As all members. What went wrong, or nothing.
  std::optional<std::string> start(const Nccl::UniqueId& id) {
    Nccl::Config config;
    const double end = elapsed_seconds() + kStart;
    device_.use();
    Nccl::Result state = calls_->init(&comm_, group_.size(), id, group_.rank(), &config);
    if (comm_ == nullptr) return words(state);
    look_until([&] {
      const Nccl::Result asked = calls_->async_error(comm_, &state);
      if (asked != Nccl::kSuccess) state = asked;
      return state != Nccl::kInProgress || elapsed_seconds() > end || broken();
    });
    if (broken()) fail_with_reason("its start was given up");
    if (state == Nccl::kSuccess) return std::nullopt;
    const std::string problem = state == Nccl::kInProgress
                                    ? fmt::format("not all ranks were found in {} s", kStart)
                                    : words(state);
    abort();
    return problem;
  }

  void begin(std::span<const Outgoing> out, std::span<const Incoming> in) override {
    if (comm_ == nullptr) throw Error(ErrorKind::kRank, "NCCL was given up before");
    CORONET_CUDA_CHECK(cudaEventRecord(made_.get(), device_.stream()));
    CORONET_CUDA_CHECK(cudaStreamWaitEvent(stream_.get(), made_.get(), 0));
    std::size_t most = 0;
    for (int k = 1; k < group_.size(); ++k) {
      most = std::max({most, out[to(k)].bytes, in[from(k)].bytes});
    }
    for (std::size_t first = 0; first < most; first += slice_) slices(out, in, first);
    CORONET_CUDA_CHECK(cudaEventRecord(done_[begun_++ % kAhead].get(), stream_.get()));
  }

  double end() override {
    const cudaEvent_t done = done_[ended_++ % kAhead].get();
    CORONET_CUDA_CHECK(cudaEventRecord(idle_.get(), device_.stream()));
    look_until([&] {
      if (over(done)) return true;
      (void)state();
      return false;
    });
    // Not over: the device is at work still, and all was hidden.
    if (!over(idle_.get())) return 0;
    float milliseconds = 0;
    CORONET_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, idle_.get(), done));
    return std::max(0.0, 1e-3 * static_cast<double>(milliseconds));
  }

  [[nodiscard]] bool overlaps() const override { return apart_; }

  [[nodiscard]] std::string name() const override {
    return "NCCL " + nccl_version_words(calls_->version);
  }

 private:
  /// Of what is sent at once, and of what is received. It is there from the start: while some
  /// rank's device waits in a kernel of NCCL for this one, no memory may be asked of the driver.
  static constexpr std::size_t kRoom = std::size_t{32} << 20;
  static constexpr std::size_t kAlign = 256;

  /// Each begins with the next rank, so that nobody is sent to by all at once.
  [[nodiscard]] int to(int k) const { return (group_.rank() + k) % group_.size(); }
  [[nodiscard]] int from(int k) const {
    return (group_.rank() + group_.size() - k) % group_.size();
  }

  static bool over(cudaEvent_t event) {
    const cudaError_t query = cudaEventQuery(event);
    if (query == cudaErrorNotReady) return false;
    CORONET_CUDA_CHECK(query);
    return true;
  }

  void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes == 0) return;
    CORONET_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.get()));
  }

  /// Bytes [first, first + slice_) of every piece, as far as they go.
  void slices(std::span<const Outgoing> out, std::span<const Incoming> in, std::size_t first) {
    const auto size = [&](std::size_t bytes) {
      return bytes > first ? std::min(slice_, bytes - first) : 0;
    };
    Nccl::Result problem = Nccl::kSuccess;
    const auto note = [&](Nccl::Result result) {
      if (problem == Nccl::kSuccess && result != Nccl::kInProgress) problem = result;
    };
    const int n = group_.size();
    for (int k = 1; k < n; ++k) {
      copy(leaving_.data() + (k - 1) * slice_,
           static_cast<const std::byte*>(out[to(k)].data) + first, size(out[to(k)].bytes));
    }
    check(calls_->group_start());
    for (int k = 1; k < n; ++k) {
      const std::size_t leaving = size(out[to(k)].bytes);
      const std::size_t arriving = size(in[from(k)].bytes);
      if (leaving > 0) {
        note(calls_->send(leaving_.data() + (k - 1) * slice_, leaving, Nccl::kBytes, to(k), comm_,
                          stream_.get()));
      }
      if (arriving > 0) {
        note(calls_->receive(arriving_.data() + (k - 1) * slice_, arriving, Nccl::kBytes, from(k),
                             comm_, stream_.get()));
      }
    }
    note(calls_->group_end());
    check(problem);
    look_until([&] { return state() != Nccl::kInProgress; });
    for (int k = 1; k < n; ++k) {
      copy(static_cast<std::byte*>(in[from(k)].data) + first, arriving_.data() + (k - 1) * slice_,
           size(in[from(k)].bytes));
    }
  }

  [[nodiscard]] bool broken() const { return group_.channel().broken(); }

  [[nodiscard]] std::string words(Nccl::Result result) const {
    const char* const last = calls_->last_error(comm_);
    return fmt::format("{}{}{}", calls_->error_string(result), last != nullptr && *last ? ": " : "",
                       last != nullptr ? last : "");
  }

  void check(Nccl::Result result) {
    if (result != Nccl::kSuccess && result != Nccl::kInProgress) fail_with_reason(words(result));
  }

  /// Of what is under way: success, or in progress; throws otherwise.
  Nccl::Result state() {
    if (broken()) fail_with_reason("another rank has failed");
    Nccl::Result state = Nccl::kSuccess;
    check(calls_->async_error(comm_, &state));
    check(state);
    return state;
  }

  void abort() noexcept {
    if (comm_ != nullptr) static_cast<void>(calls_->abort(comm_));
    comm_ = nullptr;
  }

  /// Where another rank has failed, its words are better than NCCL's.
  [[noreturn]] void fail_with_reason(const std::string& problem) {
    abort();
    const double end = elapsed_seconds() + kReason;
    do {
      // Throws as soon as there is a reason.
      (void)group_.receive(comm::kAny, kReasonTag, "the end of the run", 0.1);
    } while (elapsed_seconds() < end);
    throw Error(ErrorKind::kRank, "NCCL: " + problem);
  }
  static constexpr int kReasonTag = 1;

  Device& device_;
  comm::Communicator group_;
  std::shared_ptr<const Nccl> calls_;
  bool apart_;
  std::size_t slice_;
  // Not of the arena: between threads of one process NCCL has a GPU write to another one's memory.
  Apart leaving_{kRoom};
  Apart arriving_{kRoom};
  Nccl::Comm comm_ = nullptr;
  Stream stream_;
  Event made_;  // what leaves
  Event idle_;
  std::array<Event, kAhead> done_;
  unsigned begun_ = 0;
  unsigned ended_ = 0;
};

/// What the members tell each other before they start NCCL.
struct Candidate {
  std::array<char, 256> host{};
  std::array<char, 16> gpu{};  // its UUID
  pid_t process = 0;
  std::array<char, 200> why{};
  int version = 0;  // 0: `why` says why not
};

Candidate candidate_of(const Device& device, const Nccl* calls, const std::string& why) {
  Candidate mine;
  ::gethostname(mine.host.data(), mine.host.size() - 1);
  mine.process = ::getpid();
  cudaDeviceProp p{};
  CORONET_CUDA_CHECK(cudaGetDeviceProperties(&p, device.properties().ordinal));
  std::memcpy(mine.gpu.data(), p.uuid.bytes, mine.gpu.size());
  if (calls != nullptr) mine.version = calls->version;
  why.copy(mine.why.data(), mine.why.size() - 1);
  return mine;
}

/// Empty: nothing stands against NCCL.
std::string objection(const std::vector<Candidate>& all) {
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (all[r].version == 0) return fmt::format("rank {}: {}", r, all[r].why.data());
    if (all[r].version != all[0].version) {
      return fmt::format("rank 0 has NCCL {}, rank {} has {}", nccl_version_words(all[0].version),
                         r, nccl_version_words(all[r].version));
    }
    for (std::size_t q = 0; q < r; ++q) {
      if (all[q].host == all[r].host && all[q].gpu == all[r].gpu) {
        return fmt::format("ranks {} and {} share a GPU", q, r);
      }
    }
  }
  return "";
}

bool apart(const std::vector<Candidate>& all) {
  for (std::size_t r = 0; r < all.size(); ++r) {
    for (std::size_t q = 0; q < r; ++q) {
      if (all[q].host == all[r].host && all[q].process == all[r].process) return false;
    }
  }
  return true;
}

}  // namespace

std::unique_ptr<DeviceLink> nccl_link(Device& device, comm::Communicator group, std::string& why) {
  device.use();
  std::string mine;
  std::shared_ptr<const Nccl> calls = Nccl::open(mine);
  const Candidate candidate = candidate_of(device, calls.get(), mine);
  std::vector<Candidate> all(group.size());
  group.all_gather(std::span<const Candidate>(&candidate, 1), std::span<Candidate>(all));
  why = objection(all);
  if (!why.empty()) return nullptr;

  struct Invitation {
    Nccl::UniqueId id;
    int result;
  };
  Invitation invitation{};
  if (group.rank() == 0) invitation.result = calls->get_unique_id(&invitation.id);
  group.broadcast(std::span<Invitation>(&invitation, 1), 0);
  if (invitation.result != Nccl::kSuccess) {
    why = fmt::format("NCCL gave no address: {}",
                      calls->error_string(static_cast<Nccl::Result>(invitation.result)));
    return nullptr;
  }
  auto link = std::make_unique<NcclLink>(device, group, calls, apart(all));
  Candidate started;
  if (const auto problem = link->start(invitation.id)) {
    problem->copy(started.why.data(), started.why.size() - 1);
  } else {
    started.version = calls->version;
  }
  group.all_gather(std::span<const Candidate>(&started, 1), std::span<Candidate>(all));
  for (std::size_t r = 0; r < all.size(); ++r) {
    if (all[r].version != 0) continue;
    why = fmt::format("NCCL did not start on rank {}: {}", r, all[r].why.data());
    return nullptr;
  }
  return link;
}

}  // namespace coronet::cuda
