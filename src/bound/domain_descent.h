// The iterations of a batch of domains in float32, once for every device.
#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include "bound/domain_rows.h"
#include "bound/engine.h"

namespace coronet::bound {

/// At most `most` of the open rows: those with the least bounds.
inline std::vector<int> promising(const std::vector<float>& bound, const std::vector<char>& open,
                                  int most) {
  std::vector<int> rows;
  for (std::size_t r = 0; r < open.size(); ++r) {
    if (open[r]) rows.push_back(static_cast<int>(r));
  }
  if (static_cast<int>(rows.size()) > most) {
    std::nth_element(rows.begin(), rows.begin() + most, rows.end(),
                     [&](int a, int b) { return bound[a] < bound[b]; });
    rows.resize(most);
  }
  return rows;
}

inline std::vector<char> opposite(std::vector<char> flags) {
  for (char& c : flags) c = c ? 0 : 1;
  return flags;
}

/// Bounds the rows of a batch, and steps their slopes and betas until all are positive or the
/// iterations have been made. Returns false where `stop` said so. The batch is
///   rows()                  its Rows<float, D>
///   leave(bound, flag)      takes what the rows flagged have now: they became positive
///   step(pass, step)        pushes, with a step of whatever is optimised
///   compact(keep)           keeps only these rows
///   last(pass, bound, open) takes the rows that are open after the last iteration
template <class D, class Batch>
bool descend(Pass<float, D>& pass, Batch& batch, const DomainSettings& settings,
             const std::function<bool()>& stop) {
  double lr_alpha = settings.lr_alpha;
  double lr_beta = settings.lr_beta;
  std::vector<float> bound;
  std::vector<char> out(batch.rows().count, 0);
  std::vector<char> positive;
  for (int t = 0; t < settings.iterations; ++t) {
    if (stop()) return false;
    const int count = batch.rows().count;
    pass.pull(batch.rows(), true, bound);
    positive.assign(count, 0);
    int leaving = 0;
    bool any = false;
    for (int r = 0; r < count; ++r) {
      if (!out[r] && bound[r] > 0) {
        positive[r] = out[r] = 1;
        any = true;
      }
      leaving += out[r];
    }
    if (any) batch.leave(bound, positive);
    if (leaving == count) break;
    if (t + 1 == settings.iterations) {
      batch.last(pass, bound, opposite(out));
      break;
    }
    batch.step(pass, adam_step<float>(t, lr_alpha, lr_beta));
    // A few rows that are done do no harm; taking them out costs a copy.
    if (leaving * 8 > count) {
      batch.compact(opposite(out));
      out.assign(batch.rows().count, 0);
    }
    lr_alpha *= settings.decay;
    lr_beta *= settings.decay;
  }
  pass.end();
  return true;
}

}  // namespace coronet::bound
