// Bounding domains of branch and bound: batches of rows with splits, alpha and beta optimised for
// each (beta-CROWN, Wang et al. 2021).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "bound/context.h"
#include "search/batch.h"
#include "search/device_bounder.h"
#include "search/worklist.h"

namespace coronet::search {

/// Domains of a worker's batch, so that the rows of their children, over this plan, stay within its
/// budget.
int domains_at_once(const bound::Plan& plan, const Options& options);
/// Rows of a batch in double.
inline constexpr int kDoublesAtOnce = 128;

class Bounder {
 public:
  Bounder(bound::Context& context, const bound::Root& root, Objectives objectives);

  [[nodiscard]] const Layout& layout() const { return layout_; }
  /// How many domains to hand over at a time, so that every worker has a full batch.
  [[nodiscard]] int round() const;

  /// Bounds some domains of a list, as run() below does: so many as keep the workers, or the
  /// device, busy for a while.
  void run(Worklist& list, int iterations, const std::function<bool()>& stop, const Look& look);
  /// Bounds the two children of each domain, or the domain itself where its split is not chosen
  /// yet. Where `stop` says so, gives domains back as they came.
  Bounded run(std::vector<Domain> domains, int iterations, const std::function<bool()>& stop,
              const Look& look);

  /// Lower bounds of the domains that count: pulled in double, less rounding; -inf where nothing is
  /// known.
  std::vector<double> rigorous(std::vector<Domain>& domains);

 private:
  class Rows;

  /// Domains of a batch of one worker.
  [[nodiscard]] int chunk() const;
  /// Is the device to bound so many domains?
  [[nodiscard]] bool for_device(std::size_t domains) const;
  Bounded run_on_workers(const std::vector<Domain>& domains, int iterations,
                         const std::function<bool()>& stop, const Look& look);
  void run_chunk(const std::vector<Domain>& domains, int first, int last, int iterations,
                 int worker, const std::function<bool()>& stop, const Look& look, Bounded& result);
  /// The same for [first, last), by one worker. With `resplit`, the split of those that are not
  /// positive is chosen anew from that pull.
  std::vector<double> pull_in_double(std::vector<Domain>& domains, int first, int last, int worker,
                                     bool resplit);
  Batch<float> make_batch(const std::vector<Domain>& domains, int first, int last) const;
  template <class T>
  void choose_split(const bound::Pass<T>& pass, const Batch<T>& batch, int r, Domain& d) const;

  bound::Context& context_;
  const bound::Root& root_;
  Layout layout_;
  std::unique_ptr<DeviceBounder> device_;  ///< null: the workers alone
};

}  // namespace coronet::search
