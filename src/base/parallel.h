// A pool of threads that deals numbered tasks. Parallelism in Coronet is over chunks of rows and
// over domains, here only.
#pragma once

#include <functional>
#include <memory>

namespace coronet {

/// `threads` workers, of which the thread that calls run() is number 0. Idle workers sleep.
///
/// run() may be called from one thread at a time outside of tasks (two threads may share a Workers:
/// the second call waits). A run() from inside a task of any Workers executes inline, in order, as
/// that task's worker.
class Workers {
 public:
  /// threads <= 0 takes one for each CPU that this process may use.
  explicit Workers(int threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  [[nodiscard]] int size() const;

  /// Calls f(task, worker) once for every task in [0, tasks), in any order, and returns when all
  /// have ended; worker is in [0, size()), and no two tasks run at once with one worker number. If
  /// tasks throw, no new ones are begun and the first exception caught is rethrown here.
  void run(int tasks, const std::function<void(int task, int worker)>& f);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The CPUs that this process may use (its affinity mask), at least 1.
int available_cpus();

}  // namespace coronet
