// ONNX's protobuf messages, and the constants in them.
#pragma once

#include "io/onnx/placed.h"
#include "io/onnx/tensor.h"
#include "onnx.pb.h"

namespace coronet::importer {

/// The numbers of an initializer or of a Constant. float32, float64 and int64 in raw_data or typed
/// fields are borrowed, so `proto` must outlive the result. Throws Error(kBadInput) where data and
/// shape do not fit, Error(kUnsupported) for other element types and external data.
/// `placed`: where its numbers are, if not in the message.
Tensor tensor_of(const onnx::TensorProto& proto, const PlacedData* placed = nullptr);

}  // namespace coronet::importer
