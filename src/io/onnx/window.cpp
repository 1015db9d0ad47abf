#include "io/onnx/window.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace coronet::importer {
namespace {

constexpr std::int64_t kLargest = std::int64_t{1}
                                  << 24;  // of one window parameter: products stay inside int64

std::vector<std::int64_t> parameters(const OpNode& node, const char* name, std::size_t count,
                                     std::int64_t fallback, std::int64_t least) {
  std::vector<std::int64_t> values = node.integers(name);
  if (values.empty()) values.assign(count, fallback);
  if (values.size() != count) {
    throw Error(ErrorKind::kBadInput, fmt::format("attribute '{}' has {} entries instead of {}",
                                                  name, values.size(), count));
  }
  for (const std::int64_t v : values) {
    if (v < least || v > kLargest) {
      throw Error(ErrorKind::kBadInput, fmt::format("attribute '{}' has the entry {}", name, v));
    }
  }
  return values;
}

std::int64_t extent(const Window& w, std::size_t a) {
  return w.dilation[a] * (w.kernel[a] - 1) + 1;
}

void set_same_padding(Window& w, std::size_t a, bool upper) {
  w.out[a] = (w.in[a] + w.stride[a] - 1) / w.stride[a];
  const std::int64_t total =
      std::max<std::int64_t>((w.out[a] - 1) * w.stride[a] + extent(w, a) - w.in[a], 0);
  w.pad_begin[a] = upper ? total / 2 : total - total / 2;
  w.pad_end[a] = total - w.pad_begin[a];
}

void set_output(Window& w, std::size_t a, bool ceil_mode) {
  const std::int64_t room = w.in[a] + w.pad_begin[a] + w.pad_end[a] - extent(w, a);
  if (room < 0) throw Error(ErrorKind::kBadInput, "the window is larger than the padded input");
  w.out[a] = (room + (ceil_mode ? w.stride[a] - 1 : 0)) / w.stride[a] + 1;
  // ONNX: no window starts in the padding at the end.
  if (ceil_mode && (w.out[a] - 1) * w.stride[a] >= w.in[a] + w.pad_begin[a]) --w.out[a];
}

}  // namespace

Dims Window::out_dims(std::int64_t batch, std::int64_t out_channels) const {
  if (spatial == 1) return {batch, out_channels, out[1]};
  return {batch, out_channels, out[0], out[1]};
}

Window window_of(const OpNode& node, const Dims& input, const std::vector<std::int64_t>& kernel) {
  if (input.size() < 3) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("input of rank {} instead of 3 or 4", input.size()));
  }
  if (input.size() > 4) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{} spatial dimensions", input.size() - 2));
  }
  const std::size_t count = input.size() - 2;
  if (kernel.size() != count) {
    throw Error(ErrorKind::kBadInput, "the kernel's rank does not fit the input's");
  }
  Window w;
  w.spatial = static_cast<int>(count);
  w.channels = input[1];
  const std::vector<std::int64_t> strides = parameters(node, "strides", count, 1, 1);
  const std::vector<std::int64_t> dilations = parameters(node, "dilations", count, 1, 1);
  const std::vector<std::int64_t> pads = parameters(node, "pads", 2 * count, 0, 0);
  const std::string auto_pad = node.text("auto_pad", "NOTSET");
  const bool ceil_mode = node.integer("ceil_mode", 0) != 0;
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t a = 2 - count + k;
    if (kernel[k] < 1 || kernel[k] > kLargest) {
      throw Error(ErrorKind::kBadInput, fmt::format("kernel of size {}", kernel[k]));
    }
    if (input[2 + k] < 1) throw Error(ErrorKind::kBadInput, "empty input");
    w.in[a] = input[2 + k];
    w.kernel[a] = kernel[k];
    w.stride[a] = strides[k];
    w.dilation[a] = dilations[k];
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
      set_same_padding(w, a, auto_pad == "SAME_UPPER");
      continue;
    }
    if (auto_pad == "NOTSET" || auto_pad.empty()) {
      w.pad_begin[a] = pads[k];
      w.pad_end[a] = pads[count + k];
    } else if (auto_pad != "VALID") {
      throw Error(ErrorKind::kBadInput, fmt::format("auto_pad '{}' does not exist", auto_pad));
    } else if (ceil_mode) {
      // By the standard's formula the window never overruns, in runtimes it does.
      throw Error(ErrorKind::kUnsupported, "auto_pad VALID with ceil_mode");
    }
    set_output(w, a, ceil_mode);
  }
  return w;
}

Window pool_window_of(const OpNode& node, const Dims& input) {
  const std::vector<std::int64_t> kernel = node.integers("kernel_shape");
  Window w = window_of(node, input, kernel);
  for (std::size_t a = 0; a < 2; ++a) {
    // A window entirely in the padding has no maximum and no average.
    if (w.pad_begin[a] >= extent(w, a) || w.pad_end[a] >= extent(w, a)) {
      throw Error(ErrorKind::kBadInput, "the padding is not smaller than the pool's window");
    }
  }
  return w;
}

}  // namespace coronet::importer
