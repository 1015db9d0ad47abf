// What a descent notes of each row after an iteration, written once for the CPU and for CUDA.
#pragma once

#include "kernels/formulas.h"

namespace coronet::kernels {

/// The rows of a batch in a descent, each array of [rows].
template <class T>
struct Standing {
  int* place = nullptr;  ///< the row's place in its chunk
  T* rate = nullptr;     ///< factor of the learning rate of the row's slopes
  T* first = nullptr;    ///< the bound of the first iteration
  T* best = nullptr;     ///< the best bound so far
  T* mark = nullptr;     ///< the best bound when the row was last checked
  T* saved = nullptr;    ///< the bound of the slopes that were saved
  char* save = nullptr;  ///< are this iteration's slopes the best that count?
  char* out = nullptr;   ///< is the row done?
};

/// How one iteration's bounds are noted.
template <class T>
struct Noting {
  bool first = false;    ///< it is the first iteration
  bool settled = false;  ///< a step that gained nothing shortens the next ones
  T shorter = 1;         ///< by this factor
  /// A gain of less than this part of all before counts in part. Ranks that share neurons add up in
  /// another order than one rank: rounding may not decide.
  T slight = 0;
  bool saving = false;         ///< slopes count from now on
  bool stop_positive = false;  ///< a row with a positive bound is done
  bool pairs = false;          ///< and so is the other row of its neuron
  bool check = false;          ///< rows that gained little since the last check are done
  double converged = 0;        ///< less than this part of what they gained in all
};

template <class T>
CORONET_FORMULA bool stops(const Noting<T>& how, T bound) {
  return how.stop_positive && bound > 0;
}

/// The factor of a row's rate where its bound is `gain` above the best one, which had gained
/// `before`: from how.shorter up to 1, without a jump at a bound that stands still.
template <class T>
CORONET_FORMULA T shortened(const Noting<T>& how, T gain, T before) {
  if (!(gain > 0)) return how.shorter;
  const T whole = how.slight * before;
  return gain < whole ? how.shorter + (1 - how.shorter) * (gain / whole) : T(1);
}

/// Row r of `count`.
template <class T>
CORONET_FORMULA void note_row(const Noting<T>& how, const Standing<T>& rows, const T* bound, int r,
                              int count) {
  const T b = bound[r];
  if (how.first) rows.first[r] = b;
  if (how.settled) rows.rate[r] *= shortened(how, b - rows.best[r], rows.best[r] - rows.first[r]);
  rows.best[r] = b > rows.best[r] ? b : rows.best[r];
  const bool positive = stops(how, b);
  const bool save = positive || (how.saving && b > rows.saved[r]);
  if (save) rows.saved[r] = b;
  rows.save[r] = save ? 1 : 0;
  bool out = positive;
  if (how.pairs) {
    const int pair = rows.place[r] / 2;
    if (r > 0 && rows.place[r - 1] / 2 == pair) out = out || stops(how, bound[r - 1]);
    if (r + 1 < count && rows.place[r + 1] / 2 == pair) out = out || stops(how, bound[r + 1]);
  }
  if (how.check) {
    const T best = rows.best[r];
    const T gain = best - rows.first[r];
    const T size = best < 0 ? -best : best;
    if (static_cast<double>(best - rows.mark[r]) <= how.converged * (gain < size ? gain : size)) {
      out = true;
    }
    rows.mark[r] = best;
  }
  rows.out[r] = out ? 1 : 0;
}

}  // namespace coronet::kernels
