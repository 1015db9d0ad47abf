// Splits and moves of rows against plain loops: all of it exact.
#include "cuda/moves.h"
#include "cuda/weights.h"

#include <cmath>

#include "cuda/splits.h"
#include "cuda_fixture.h"

namespace coronet::cuda {
namespace {

using device::Extent;
using device::offset_if_inside;

template <class T>
class CudaMoves : public CudaTest {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CudaMoves, Types);

TYPED_TEST(CudaMoves, Splits) {
  using T = TypeParam;
  std::mt19937 random(11);
  for (const bool whole_node : {true, false}) {
    for (int trial = 0; trial < 10; ++trial) {
      const Shape shape{7, 6, 5};
      const int count = 25;
      TestRows rows(this->device(), count, shape.height, shape.width, 1, random);
      const Extent out = some_extent(shape, whole_node, random);
      const Extent in = trial % 2 == 0 ? out : wider(out, random);
      std::vector<int> row, neuron;
      for (int r = 0; r < count; ++r) {
        for (int j = 0; j < shape.size(); ++j) {
          if (pick(random, 0, 20) != 0) continue;
          row.push_back(r);
          neuron.push_back(j);
        }
      }
      std::vector<T> sign;
      for (std::size_t i = 0; i < row.size(); ++i) sign.push_back(T(pick(random, 0, 1) * 2 - 1));
      std::vector<T> beta = numbers<T>(row.size(), random, 0, 1);
      std::vector<T> m = numbers<T>(row.size(), random), v = numbers<T>(row.size(), random, 0, 1);
      const T floor = T(0.25);
      kernels::AdamStep<T> step;
      step.rate = T(0.5);
      step.inv_scale2 = T(1.5);

      const std::vector<T> a = numbers<T>(static_cast<std::size_t>(count) * out.size(), random);
      std::vector<T> set = a, to = a;
      std::vector<T> u = numbers<T>(static_cast<std::size_t>(count) * in.size(), random);
      const std::vector<T> z = u;
      const On<int> on_row(this->device(), row), on_neuron(this->device(), neuron);
      const On<T> on_sign(this->device(), sign), on_beta(this->device(), beta),
          on_m(this->device(), m), on_v(this->device(), v);
      const On<T> aside(this->device(), std::vector<T>(row.size()));
      const On<T> on_a(this->device(), a), on_u(this->device(), u), on_to(this->device(), to);
      Splits<T> splits{static_cast<int>(row.size()),
                       on_row.data(),
                       on_neuron.data(),
                       on_sign.data(),
                       on_beta.data(),
                       on_m.data(),
                       on_v.data(),
                       aside.data()};

      for (std::size_t i = 0; i < row.size(); ++i) {
        const int at = offset_if_inside(out, rows.set, row[i], neuron[i]);
        if (at < 0) continue;
        const int other = offset_in(in, rows.set, row[i], neuron[i]);
        const T value = a[static_cast<std::size_t>(row[i]) * out.size() + at];
        set[static_cast<std::size_t>(row[i]) * out.size() + at] = 0;
        u[static_cast<std::size_t>(row[i]) * in.size() + other] +=
            (sign[i] > 0 ? value : floor * value) - sign[i] * beta[i];
        const T zs = z[static_cast<std::size_t>(row[i]) * in.size() + other];
        to[static_cast<std::size_t>(row[i]) * out.size() + at] = sign[i] > 0 ? zs : floor * zs;
      }
      set_aside(this->device(), rows.rows, geometry(out), on_a.data(), splits);
      EXPECT_EQ(on_a.back(), set);
      pull_splits(this->device(), rows.rows, geometry(out), on_a.data(), geometry(in), on_u.data(),
                  floor, splits);
      EXPECT_EQ(on_a.back(), a);
      EXPECT_EQ(on_u.back(), u);
      set_aside(this->device(), rows.rows, geometry(out), on_a.data(), splits);
      put_back(this->device(), rows.rows, geometry(out), on_a.data(), splits);
      EXPECT_EQ(on_a.back(), a);

      for (std::size_t i = 0; i < row.size(); ++i) {
        if (offset_if_inside(out, rows.set, row[i], neuron[i]) < 0) continue;
        const T zs = z[static_cast<std::size_t>(row[i]) * in.size() +
                       offset_in(in, rows.set, row[i], neuron[i])];
        const T g = -sign[i] * zs;
        m[i] = step.beta1 * m[i] + (1 - step.beta1) * g;
        v[i] = step.beta2 * v[i] + (1 - step.beta2) * g * g;
        beta[i] += step.rate * m[i] / (std::sqrt(v[i] * step.inv_scale2) + step.epsilon);
        beta[i] = std::max(beta[i], T(0));
      }
      const On<T> on_z(this->device(), z);
      read_splits(this->device(), rows.rows, geometry(in), on_z.data(), splits);
      push_splits(this->device(), rows.rows, geometry(out), on_to.data(), floor, &step, splits);
      EXPECT_EQ(on_to.back(), to);
      EXPECT_EQ(on_beta.back(), beta);
      EXPECT_EQ(on_m.back(), m);
      EXPECT_EQ(on_v.back(), v);

      // Every third row leaves: its splits touch nothing from then on, and keep what they have.
      std::vector<int> number;
      int next = 0;
      for (int r = 0; r < count; ++r) number.push_back(r % 3 == 0 ? -1 : next++);
      std::vector<int> left = row;
      for (int& r : left) r = number[r];
      const On<int> on_number(this->device(), number);
      renumber_rows(this->device(), static_cast<int>(row.size()), on_number.data(), on_row.data());
      EXPECT_EQ(on_row.back(), left);
      renumber_rows(this->device(), static_cast<int>(row.size()),
                    On<int>(this->device(), std::vector<int>(count, -1)).data(), on_row.data());
      const On<T> untouched(this->device(), a);
      set_aside(this->device(), rows.rows, geometry(out), untouched.data(), splits);
      push_splits(this->device(), rows.rows, geometry(out), untouched.data(), floor, &step, splits);
      EXPECT_EQ(untouched.back(), a);
      EXPECT_EQ(on_beta.back(), beta);
    }
  }
}

TYPED_TEST(CudaMoves, StartsAndSelections) {
  using T = TypeParam;
  std::mt19937 random(12);
  for (const bool whole_node : {true, false}) {
    const Shape shape{6, 7, 4};
    const int count = 31;
    TestRows rows(this->device(), count, shape.height, shape.width, 1, random);
    Extent e = Extent::all(shape);
    if (!whole_node) {
      e.whole = false;
      e.window = {{1, -1, 3}, {1, 0, 2}};
    }
    std::vector<int> neuron;
    std::vector<T> sign;
    for (int r = 0; r < count; ++r) {
      neuron.push_back((rows.start_y[r] * shape.width + rows.start_x[r]) * shape.channels +
                       pick(random, 0, 3));
      sign.push_back(T(pick(random, 0, 1) * 2 - 1));
    }
    std::vector<T> a(static_cast<std::size_t>(count) * e.size(), T(0));
    for (int r = 0; r < count; ++r) {
      a[static_cast<std::size_t>(r) * e.size() + offset_in(e, rows.set, r, neuron[r])] = sign[r];
    }
    const On<int> on_neuron(this->device(), neuron);
    const On<T> on_sign(this->device(), sign), on_a(this->device(), std::vector<T>(a.size(), T(5)));
    start_rows(this->device(), rows.rows, geometry(e), on_neuron.data(), on_sign.data(),
               on_a.data());
    EXPECT_EQ(on_a.back(), a);

    for (const bool wide : {false, true}) {
      Weight w;
      const int cols = 1030;
      const std::size_t size = static_cast<std::size_t>(shape.size()) * cols;
      if (wide) {
        w.d = numbers<double>(size, random);
      } else {
        w.f = numbers<float>(size, random);
      }
      DenseWeight weight(this->device(), w, shape.size(), cols, "a weight");
      std::vector<T> u(static_cast<std::size_t>(count) * cols);
      const std::vector<double> b = numbers<double>(shape.channels, random);
      std::vector<double> bias = numbers<double>(count, random);
      const On<double> on_b(this->device(), b), on_bias(this->device(), bias);
      for (int r = 0; r < count; ++r) {
        for (int i = 0; i < cols; ++i) {
          u[static_cast<std::size_t>(r) * cols + i] =
              sign[r] * static_cast<T>(w.at(static_cast<std::size_t>(neuron[r]) * cols + i));
        }
        bias[r] += sign[r] * b[neuron[r] % shape.channels];
      }
      const On<T> on_u(this->device(), std::vector<T>(u.size(), T(5)));
      pull_selection(this->device(), count, on_neuron.data(), on_sign.data(), weight.get({}, false),
                     on_u.data());
      add_selected(this->device(), count, on_neuron.data(), on_sign.data(), on_b.data(),
                   shape.channels, on_bias.data());
      EXPECT_EQ(on_u.back(), u);
      EXPECT_EQ(on_bias.back(), bias);
    }
  }
}

TYPED_TEST(CudaMoves, GatherAndSave) {
  using T = TypeParam;
  std::mt19937 random(13);
  const int rows = 50;
  const int kept = 21;
  std::vector<std::vector<T>> from;
  std::vector<std::size_t> widths{1, 8, 257, 1024, 3, 12, 100, 64, 5, 2048};
  for (const std::size_t w : widths) from.push_back(numbers<T>(rows * w, random));
  std::vector<int> index;
  for (int r = 0; r < rows; ++r) index.push_back(r);
  std::shuffle(index.begin(), index.end(), random);
  std::vector<char> flag;
  for (int r = 0; r < rows; ++r) flag.push_back(static_cast<char>(pick(random, 0, 1)));
  const On<int> on_index(this->device(), index);
  const On<char> on_flag(this->device(), flag);
  for (std::size_t i = 0; i + 2 < widths.size(); ++i) {
    std::vector<std::vector<T>> gathered, saved;
    std::vector<On<T>> on_from, on_gathered, on_saved;
    for (std::size_t j = i; j < i + 3; ++j) {
      const std::size_t w = widths[j];
      gathered.emplace_back(kept * w);
      saved.emplace_back(rows * w, T(7));
      on_from.emplace_back(this->device(), from[j]);
      on_gathered.emplace_back(this->device(), gathered.back());
      on_saved.emplace_back(this->device(), saved.back());
      for (int r = 0; r < rows; ++r) {
        for (std::size_t x = 0; x < w; ++x) {
          if (r < kept) gathered.back()[r * w + x] = from[j][index[r] * w + x];
          if (flag[r] != 0) saved.back()[index[r] * w + x] = from[j][r * w + x];
        }
      }
    }
    const auto array = [&](std::vector<On<T>>& to, int j) {
      return Moved{on_from[j].data(), to[j].data(), widths[i + j] * sizeof(T)};
    };
    gather_rows(this->device(),
                {array(on_gathered, 0), array(on_gathered, 1), array(on_gathered, 2)}, kept,
                on_index.data());
    save_rows(this->device(), {array(on_saved, 0), array(on_saved, 1), array(on_saved, 2)}, rows,
              on_index.data(), on_flag.data());
    for (int j = 0; j < 3; ++j) {
      EXPECT_EQ(on_gathered[j].back(), gathered[j]);
      EXPECT_EQ(on_saved[j].back(), saved[j]);
    }
  }
}

TYPED_TEST(CudaMoves, SlopesInSixteenBits) {
  using T = TypeParam;
  std::mt19937 random(14);
  for (const bool whole_node : {true, false}) {
    const Shape shape{6, 7, 4};
    const int count = 19;
    const int domains = 2;
    TestRows rows(this->device(), count, shape.height, shape.width, domains, random);
    const Extent e = some_extent(shape, whole_node, random);
    std::vector<int> free;
    for (int j = 0; j < shape.size(); ++j) {
      if (pick(random, 0, 2) == 0) free.push_back(j);
    }
    const std::size_t n = free.size();
    const std::vector<T> sl = numbers<T>(static_cast<std::size_t>(domains) * shape.size(), random);
    std::vector<T> alpha = numbers<T>(static_cast<std::size_t>(count) * e.size(), random, 0, 1);
    std::vector<std::uint16_t> packed(count * n, 0);
    std::vector<unsigned char> has;
    const T floor = T(0.1);
    const On<T> on_alpha(this->device(), alpha), on_sl(this->device(), sl);
    for (int r = 0; r < count; ++r) {
      has.push_back(static_cast<unsigned char>(pick(random, 0, 3) != 0));
      for (std::size_t k = 0; k < n; ++k) {
        const int at = offset_if_inside(e, rows.set, r, free[k]);
        if (at < 0) continue;
        packed[r * n + k] = static_cast<std::uint16_t>(
            alpha[static_cast<std::size_t>(r) * e.size() + at] * T(65535) + T(0.5));
      }
    }
    const On<int> on_free(this->device(), free);
    const On<std::uint16_t> on_packed(this->device(), std::vector<std::uint16_t>(count * n, 9));
    const On<unsigned char> on_has(this->device(), has);
    pack_slopes(this->device(), rows.rows, geometry(e), on_alpha.data(), on_free.data(),
                static_cast<int>(n), {on_packed.data(), n}, nullptr, nullptr);
    EXPECT_EQ(on_packed.back(), packed);

    // Some of the rows, in reverse, between the numbers of other nodes.
    const std::size_t stride = n + 5;
    std::vector<std::uint16_t> spread(count * stride, 7);
    std::vector<int> id;
    for (int r = 0; r < count; ++r) {
      id.push_back(count - 1 - r);
      if (has[r] == 0) continue;
      std::copy_n(packed.begin() + r * n, n, spread.begin() + id[r] * stride + 2);
    }
    const On<std::uint16_t> on_spread(this->device(),
                                      std::vector<std::uint16_t>(count * stride, 7));
    const On<int> on_id(this->device(), id);
    pack_slopes(this->device(), rows.rows, geometry(e), on_alpha.data(), on_free.data(),
                static_cast<int>(n), {on_spread.data() + 2, stride}, on_id.data(), on_has.data());
    EXPECT_EQ(on_spread.back(), spread);
    for (int r = 0; r < count; ++r) {
      T* const row = alpha.data() + static_cast<std::size_t>(r) * e.size();
      for_each_run(
          e, rows.set, r,
          [&](int offset, int node, int m) {
            for (int i = 0; i < m; ++i) {
              row[offset + i] =
                  sl[static_cast<std::size_t>(rows.domain[r]) * shape.size() + node + i];
            }
          },
          [&](int offset, int m) { std::fill(row + offset, row + offset + m, T(0)); });
      if (has[r] == 0) continue;
      for (std::size_t k = 0; k < n; ++k) {
        const int at = offset_if_inside(e, rows.set, r, free[k]);
        if (at >= 0) row[at] = std::max(static_cast<T>(packed[r * n + k]) / T(65535), floor);
      }
    }
    unpack_slopes(this->device(), rows.rows, geometry(e), on_sl.data(), floor, on_free.data(),
                  static_cast<int>(n), {on_packed.data(), n}, nullptr, on_has.data(),
                  on_alpha.data());
    EXPECT_EQ(on_alpha.back(), alpha);
    // The same from rows that stand in reverse, between other numbers; has[] speaks of those.
    std::vector<std::uint16_t> reversed(count * stride, 7);
    for (int r = 0; r < count; ++r) {
      std::copy_n(packed.begin() + r * n, n, reversed.begin() + id[r] * stride + 2);
    }
    std::reverse(has.begin(), has.end());
    const On<T> again(this->device(), std::vector<T>(alpha.size()));
    unpack_slopes(this->device(), rows.rows, geometry(e), on_sl.data(), floor, on_free.data(),
                  static_cast<int>(n),
                  {On<std::uint16_t>(this->device(), reversed).data() + 2, stride}, on_id.data(),
                  On<unsigned char>(this->device(), has).data(), again.data());
    EXPECT_EQ(again.back(), alpha);
  }
}

TYPED_TEST(CudaMoves, AddAndConvert) {
  using T = TypeParam;
  std::mt19937 random(15);
  std::vector<T> x = numbers<T>(70001, random), y = numbers<T>(70001, random);
  const On<T> on_x(this->device(), x), on_y(this->device(), y);
  add(this->device(), x.size(), on_x.data(), on_y.data());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] += x[i];
  EXPECT_EQ(on_y.back(), y);
  using Other = std::conditional_t<sizeof(T) == 4, double, float>;
  const On<Other> other(this->device(), std::vector<Other>(x.size()));
  convert(this->device(), x.size(), on_x.data(), other.data());
  EXPECT_EQ(other.back(), std::vector<Other>(x.begin(), x.end()));
}

}  // namespace
}  // namespace coronet::cuda
