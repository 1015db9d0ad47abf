#include "bound/cuda/affine.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "bound/cuda/cuda.h"
#include "cuda/affine.h"
#include "cuda/column.h"
#include "cuda/conv.h"

namespace coronet::bound {

namespace {

/// What does not depend on where the rows are is the host's. So are columns, but for those of
/// operators with many weights: for one product a number, the way to the device and back is longer
/// than the work.
template <class T>
class OnCuda : public Affine<T> {
 public:
  OnCuda(cuda::Device& device, const Affine<double>& host) : device_(device), host_(host) {}
  [[nodiscard]] bool windowed() const override { return host_.windowed(); }
  [[nodiscard]] Extent reach(const Extent& out, int k) const override {
    return host_.reach(out, k);
  }
  [[nodiscard]] double bias_of(int element) const override { return host_.bias_of(element); }
  [[nodiscard]] double hidden(int element) const override { return host_.hidden(element); }
  void apply(const double* const* u, double* y, Workers* workers) const override {
    host_.apply(u, y, workers);
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    host_.apply_abs(u, y, workers);
  }
  [[nodiscard]] int terms() const override { return host_.terms(); }

 protected:
  /// y[out] = what multiply(from, to) makes of u[in] on the device, and b or, of |M|, what it
  /// hides.
  template <class Multiply>
  void column(const double* u, int in, double* y, int out, bool absolute,
              const Multiply& multiply) const {
    device_.use();
    const auto from = device_.upload(u, in, cuda::Tensor::kWorkspace, "a column");
    const auto to = device_.take<double>(out, cuda::Tensor::kWorkspace, "a column");
    multiply(from.data(), to.data());
    device_.download(y, to.data(), out);
    for (int i = 0; i < out; ++i) y[i] += absolute ? host_.hidden(i) : host_.bias_of(i);
  }

  cuda::Device& device_;
  const Affine<double>& host_;
};

template <class T>
class CudaDense final : public OnCuda<T> {
 public:
  CudaDense(cuda::Device& device, const Affine<double>& host, const Dense& op,
            std::shared_ptr<cuda::DenseWeight> weight, cuda::Part part, cuda::Precision precision)
      : OnCuda<T>(device, host),
        op_(op),
        weight_(std::move(weight)),
        part_(std::move(part)),
        precision_(precision),
        biased_(std::any_of(op.bias.begin(), op.bias.end(), [](double b) { return b != 0; })) {
    bias64_ = device.upload(op.bias, cuda::Tensor::kWeights, "a bias");
    if constexpr (!std::is_same_v<T, double>) {
      const std::vector<T> bias(op.bias.begin(), op.bias.end());
      bias_ = device.upload(bias, cuda::Tensor::kWeights, "a bias");
    }
  }
  void pull(const RowSet& rows, const T* a, const Extent&, int, T* u, const Extent&,
            bool accumulate) const override {
    cuda::gemm(this->device_, rows.count, a, op_.out, weight_->get(part_, false), u, op_.in,
               accumulate, precision_);
  }
  bool pull_selection(int count, const int* neuron, const T* sign, T* u,
                      double* bias) const override {
    // As on the CPU: rounded weights go the way that counts it.
    if (std::is_same_v<T, double> && op_.precision.roundings > 0) return false;
    cuda::pull_selection(this->device_, count, neuron, sign, weight_->get(part_, false), u);
    if (bias != nullptr && biased_) {
      cuda::add_selected(this->device_, count, neuron, sign, bias64_.data(), op_.out, bias);
    }
    return true;
  }
  void push(const RowSet& rows, const T* const* x, const Extent* const*, T* y,
            const Extent&) const override {
    cuda::gemm(this->device_, rows.count, x[0], op_.in, weight_->get(part_, true), y, op_.out,
               false, precision_);
    if (biased_) cuda::add_to_rows(this->device_, rows.count, op_.out, bias(), y);
  }
  void bias(const RowSet& rows, const T* a, const Extent& out, double* to) const override {
    if (!biased_) return;
    cuda::periodic_bias(this->device_, rows_of(rows), geometry(out), a, bias(), op_.out, to);
  }
  void apply(const double* const* u, double* y, Workers*) const override {
    dense_column(u[0], y, false);
  }
  void apply_abs(const double* const* u, double* y, Workers*) const override {
    dense_column(u[0], y, true);
  }

 private:
  void dense_column(const double* u, double* y, bool absolute) const {
    this->column(u, op_.in, y, op_.out, absolute, [&](const double* from, double* to) {
      cuda::dense_column(this->device_, weight_->get(part_, false), absolute, from, to);
    });
  }
  const T* bias() const {
    if constexpr (std::is_same_v<T, double>) {
      return bias64_.data();
    } else {
      return bias_.data();
    }
  }
  const Dense& op_;
  std::shared_ptr<cuda::DenseWeight> weight_;
  cuda::Part part_;
  cuda::Precision precision_;
  bool biased_;  // a product without a bias reads its rows once less
  cuda::Buffer<double> bias64_;
  cuda::Buffer<T> bias_;
};

template <class T>
class CudaConv final : public OnCuda<T> {
 public:
  CudaConv(cuda::Device& device, const Affine<double>& host, const Conv& op,
           cuda::Precision precision)
      : OnCuda<T>(device, host), op_(op), conv_(device, op), precision_(precision) {}
  void pull(const RowSet& rows, const T* a, const Extent& out, int, T* u, const Extent& in,
            bool accumulate) const override {
    conv_.pull(this->device_, rows_of(rows), a, geometry(out, op_.out), u, geometry(in, op_.in),
               accumulate, precision_);
  }
  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    conv_.push(this->device_, rows_of(rows), x[0], geometry(*in[0], op_.in), y,
               geometry(out, op_.out), true, precision_);
  }
  void bias(const RowSet& rows, const T* a, const Extent& out, double* to) const override {
    conv_.bias(this->device_, rows_of(rows), a, geometry(out, op_.out), to);
  }
  void apply(const double* const* u, double* y, Workers* workers) const override {
    if constexpr (std::is_same_v<T, double>) {
      conv_column(u[0], y, false);
    } else {
      OnCuda<T>::apply(u, y, workers);  // float32 may not hold the weights exactly
    }
  }
  void apply_abs(const double* const* u, double* y, Workers* workers) const override {
    if constexpr (std::is_same_v<T, double>) {
      conv_column(u[0], y, true);
    } else {
      OnCuda<T>::apply_abs(u, y, workers);
    }
  }

 private:
  void conv_column(const double* u, double* y,
                   bool absolute) const requires std::is_same_v<T, double> {
    this->column(
        u, op_.in.size(), y, op_.out.size(), absolute,
        [&](const double* from, double* to) { conv_.column(this->device_, from, absolute, to); });
  }
  const Conv& op_;
  cuda::DeviceConv<T> conv_;
  cuda::Precision precision_;
};

template <class T>
class CudaScale final : public OnCuda<T> {
 public:
  CudaScale(cuda::Device& device, const Affine<double>& host, const Scale& op)
      : OnCuda<T>(device, host), op_(device, op) {}
  void pull(const RowSet& rows, const T* a, const Extent& out, int, T* u, const Extent& in,
            bool accumulate) const override {
    op_.pull(this->device_, rows_of(rows), a, geometry(out), u, geometry(in), accumulate);
  }
  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    op_.push(this->device_, rows_of(rows), x[0], geometry(*in[0]), y, geometry(out));
  }
  void bias(const RowSet& rows, const T* a, const Extent& out, double* to) const override {
    op_.bias(this->device_, rows_of(rows), a, geometry(out), to);
  }

 private:
  cuda::DeviceScale<T> op_;
};

template <class T>
class CudaSum final : public OnCuda<T> {
 public:
  CudaSum(cuda::Device& device, const Affine<double>& host, const Sum& op)
      : OnCuda<T>(device, host), inputs_(op.coefficient.size()), op_(op) {}
  void pull(const RowSet& rows, const T* a, const Extent& out, int k, T* u, const Extent& in,
            bool accumulate) const override {
    op_.pull(this->device_, rows_of(rows), a, geometry(out), k, u, geometry(in), accumulate);
  }
  void push(const RowSet& rows, const T* const* x, const Extent* const* in, T* y,
            const Extent& out) const override {
    std::vector<cuda::Geometry> each;
    std::vector<const cuda::Geometry*> pointers;
    for (std::size_t k = 0; k < inputs_; ++k) each.push_back(geometry(*in[k]));
    for (const cuda::Geometry& g : each) pointers.push_back(&g);
    op_.push(this->device_, rows_of(rows), x, pointers.data(), y, geometry(out));
  }
  void bias(const RowSet&, const T*, const Extent&, double*) const override {}

 private:
  std::size_t inputs_;
  cuda::DeviceSum<T> op_;
};

template <class T>
class CudaSelect final : public OnCuda<T> {
 public:
  CudaSelect(cuda::Device& device, const Affine<double>& host, const Select& op,
             const std::vector<int>& sizes)
      : OnCuda<T>(device, host), op_(device, op, sizes) {}
  void pull(const RowSet& rows, const T* a, const Extent&, int k, T* u, const Extent&,
            bool accumulate) const override {
    op_.pull(this->device_, rows.count, a, k, u, accumulate);
  }
  void push(const RowSet& rows, const T* const* x, const Extent* const*, T* y,
            const Extent&) const override {
    op_.push(this->device_, rows.count, x, y);
  }
  void bias(const RowSet& rows, const T* a, const Extent&, double* to) const override {
    op_.bias(this->device_, rows.count, a, to);
  }

 private:
  cuda::DeviceSelect<T> op_;
};

template <class T>
class CudaSparse final : public OnCuda<T> {
 public:
  CudaSparse(cuda::Device& device, const Affine<double>& host, const Sparse& op, int in)
      : OnCuda<T>(device, host), op_(device, op, in) {}
  void pull(const RowSet& rows, const T* a, const Extent&, int, T* u, const Extent&,
            bool accumulate) const override {
    op_.pull(this->device_, rows.count, a, u, accumulate);
  }
  void push(const RowSet& rows, const T* const* x, const Extent* const*, T* y,
            const Extent&) const override {
    op_.push(this->device_, rows.count, x[0], y);
  }
  void bias(const RowSet& rows, const T* a, const Extent&, double* to) const override {
    op_.bias(this->device_, rows.count, a, to);
  }

 private:
  cuda::DeviceSparse<T> op_;
};

/// One overload an operator of the list: a new affine operator without one does not compile.
template <class T>
struct Maker {
  cuda::Device& device;
  cuda::Precision precision;
  const std::shared_ptr<cuda::DenseWeight>& weight;
  const cuda::Part& part;
  const std::vector<int>& in;
  const Affine<double>& host;
  using Made = std::unique_ptr<Affine<T>>;

  Made operator()(const Dense& op) const {
    return std::make_unique<CudaDense<T>>(device, host, op, weight, part, precision);
  }
  Made operator()(const Conv& op) const {
    return std::make_unique<CudaConv<T>>(device, host, op, precision);
  }
  Made operator()(const Scale& op) const {
    return std::make_unique<CudaScale<T>>(device, host, op);
  }
  Made operator()(const Sum& op) const { return std::make_unique<CudaSum<T>>(device, host, op); }
  Made operator()(const Select& op) const {
    return std::make_unique<CudaSelect<T>>(device, host, op, in);
  }
  Made operator()(const Sparse& op) const {
    return std::make_unique<CudaSparse<T>>(device, host, op, in[0]);
  }
  Made operator()(const Input&) const { return nullptr; }
  Made operator()(const Relu&) const { return nullptr; }
  Made operator()(const Sigmoid&) const { return nullptr; }
  Made operator()(const Tanh&) const { return nullptr; }
};

}  // namespace

CudaWeights dense_weights(cuda::Device& device, const Graph& graph, Workers& workers,
                          const cuda::FetchedWeights* fetched) {
  CudaWeights weights;
  std::size_t elsewhere = 0;
  for (const Node& node : graph.nodes) {
    const Dense* dense = std::get_if<Dense>(&node.op);
    if (dense == nullptr) {
      weights.push_back(nullptr);
      continue;
    }
    cuda::PartedTiles* const tiles = dense->weight.here() ? nullptr : fetched->tiles(elsewhere++);
    weights.push_back(std::make_shared<cuda::DenseWeight>(device, dense->weight, dense->out,
                                                          dense->in, node.name, &workers, tiles));
  }
  return weights;
}

std::unique_ptr<cuda::FetchedWeights> fetched_weights(cuda::Device& device, const Graph& graph) {
  std::vector<cuda::FetchedFrom> elsewhere;
  for (const Node& node : graph.nodes) {
    const Dense* dense = std::get_if<Dense>(&node.op);
    if (dense == nullptr || dense->weight.here()) continue;
    elsewhere.push_back({&dense->weight, dense->out, dense->in});
  }
  if (elsewhere.empty()) return nullptr;
  return std::make_unique<cuda::FetchedWeights>(device, std::move(elsewhere));
}

template <class T>
std::unique_ptr<Affine<T>> make_cuda_affine(cuda::Device& device, cuda::Precision precision,
                                            const std::shared_ptr<cuda::DenseWeight>& weight,
                                            const cuda::Part& part, const Node& node,
                                            const std::vector<int>& in,
                                            const Affine<double>& host) {
  return std::visit(Maker<T>{device, precision, weight, part, in, host}, node.op);
}
template std::unique_ptr<Affine<float>> make_cuda_affine(cuda::Device&, cuda::Precision,
                                                         const std::shared_ptr<cuda::DenseWeight>&,
                                                         const cuda::Part&, const Node&,
                                                         const std::vector<int>&,
                                                         const Affine<double>&);
template std::unique_ptr<Affine<double>> make_cuda_affine(cuda::Device&, cuda::Precision,
                                                          const std::shared_ptr<cuda::DenseWeight>&,
                                                          const cuda::Part&, const Node&,
                                                          const std::vector<int>&,
                                                          const Affine<double>&);

}  // namespace coronet::bound
