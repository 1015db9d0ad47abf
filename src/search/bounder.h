// Bounding domains of branch and bound: batches of rows with splits, alpha and beta optimised for
// each (beta-CROWN, Wang et al. 2021).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "bound/context.h"
#include "search/batch.h"

namespace coronet::search {

/// What bounding some domains leaves behind. What is in none of the lists is refuted.
struct Bounded {
  std::vector<Domain> open;       ///< with what to split next
  std::vector<Domain> exhausted;  ///< every neuron that matters is split
  std::int64_t count = 0;         ///< domains bounded
};

class Bounder {
 public:
  /// Looks at the rows that are still open after the last iteration: out[r] is 0 for these.
  using Look = std::function<void(const bound::Pass<float>& pass, const Batch<float>& batch,
                                  const std::vector<float>& bound, const std::vector<char>& out,
                                  int worker)>;

  Bounder(bound::Context& context, const bound::Root& root, Objectives objectives)
      : context_(context), root_(root), layout_(context, root, std::move(objectives)) {}

  [[nodiscard]] const Layout& layout() const { return layout_; }
  /// How many domains to hand over at a time, so that the rows of one worker stay in its budget.
  [[nodiscard]] int chunk() const;

  /// Bounds the two children of each domain in [first, last), or the domain itself where its split
  /// is not chosen yet. Where `stop` says so, gives the domains back as they came.
  void run(const std::vector<Domain>& domains, int first, int last, int iterations, int worker,
           const std::function<bool()>& stop, const Look& look, Bounded& result);

  /// The same over all workers.
  Bounded run(const std::vector<Domain>& domains, int iterations, const std::function<bool()>& stop,
              const Look& look);

  /// Lower bounds of the domains that count: pulled in double, less rounding; -inf where nothing is
  /// known. With `resplit`, each domain's split is chosen anew from that pull.
  std::vector<double> rigorous(std::vector<Domain>& domains, int first, int last, int worker,
                               bool resplit);

 private:
  Batch<float> make_batch(const std::vector<Domain>& domains, int first, int last) const;
  template <class T>
  void choose_split(const bound::Pass<T>& pass, const Batch<T>& batch, int r, Domain& d) const;
  void confirm(std::vector<Domain> proved, int worker, Bounded& result);

  bound::Context& context_;
  const bound::Root& root_;
  Layout layout_;
};

}  // namespace coronet::search
