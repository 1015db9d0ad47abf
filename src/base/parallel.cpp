#include "base/parallel.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace coronet {
namespace {

/// The number of the worker as which this thread executes a task, -1 outside of tasks. Nested runs
/// look at it.
thread_local int current_worker = -1;

}  // namespace

struct Workers::State {
  std::mutex entry;  ///< held during run(): one job at a time

  std::mutex mutex;  ///< guards all below but `next` and `failed`
  std::condition_variable wake;
  std::condition_variable done;
  std::uint64_t job = 0;  ///< a new number for every run()
  int tasks = 0;
  const std::function<void(int, int)>* f = nullptr;
  int busy = 0;  ///< pool threads that have not left the current job
  bool stop = false;
  std::exception_ptr error;

  std::atomic<int> next{0};  ///< the next task to deal
  std::atomic<bool> failed{false};

  std::vector<std::thread> threads;

  void work(int count, const std::function<void(int, int)>& call, int worker) {
    const int outer = std::exchange(current_worker, worker);
    // Relaxed is enough: the mutex orders the job's data before its tasks, and their results before
    // run() returns.
    while (!failed.load(std::memory_order_relaxed)) {
      const int task = next.fetch_add(1, std::memory_order_relaxed);
      if (task >= count) break;
      try {
        call(task, worker);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        failed.store(true, std::memory_order_relaxed);
      }
    }
    current_worker = outer;
  }

  void loop(int worker) {
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return stop || job != seen; });
      if (stop) return;
      seen = job;
      const int count = tasks;
      const auto* call = f;
      lock.unlock();
      work(count, *call, worker);
      lock.lock();
      if (--busy == 0) done.notify_one();
    }
  }

  void join() {
    {
      const std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }
};

Workers::Workers(int threads) : state_(std::make_unique<State>()) {
  const int count = threads > 0 ? threads : available_cpus();
  state_->threads.reserve(static_cast<std::size_t>(count - 1));
  try {
    for (int worker = 1; worker < count; ++worker) {
      state_->threads.emplace_back([state = state_.get(), worker] { state->loop(worker); });
    }
  } catch (...) {
    // The system gives no more threads: end those that run, for the destructor of *this will not.
    state_->join();
    throw;
  }
}

Workers::~Workers() { state_->join(); }

int Workers::size() const { return static_cast<int>(state_->threads.size()) + 1; }

void Workers::run(int tasks, const std::function<void(int, int)>& f) {
  if (tasks <= 0) return;
  if (current_worker >= 0) {
    for (int task = 0; task < tasks; ++task) f(task, current_worker);
    return;
  }
  State& state = *state_;
  const std::lock_guard entry(state.entry);
  state.next.store(0, std::memory_order_relaxed);
  state.failed.store(false, std::memory_order_relaxed);
  // A single task is not worth waking anybody.
  const bool alone = tasks == 1 || state.threads.empty();
  if (!alone) {
    {
      const std::lock_guard lock(state.mutex);
      state.tasks = tasks;
      state.f = &f;
      // Every pool thread takes part in every job, if only to see that nothing is left: so none can
      // come late and take a task number of the next job for one of this.
      state.busy = static_cast<int>(state.threads.size());
      ++state.job;
    }
    state.wake.notify_all();
  }
  state.work(tasks, f, 0);
  std::unique_lock lock(state.mutex);
  if (!alone) state.done.wait(lock, [&] { return state.busy == 0; });
  const std::exception_ptr error = std::exchange(state.error, nullptr);
  lock.unlock();
  if (error) std::rethrow_exception(error);
}

int available_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = 0;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  if (count <= 0) count = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(count, 1);
}

}  // namespace coronet
