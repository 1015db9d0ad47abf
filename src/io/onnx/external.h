// Tensors whose numbers lie in files beside the model, as models of more than 2 GiB must keep them.
#pragma once

#include <string>

#include "io/onnx/placed.h"
#include "onnx.pb.h"

namespace coronet::importer {

/// Reads the external data of the graph's initializers from `folder`, the model's own; large ones
/// are not read but noted in `placed`. Throws
/// Error(kBadInput), naming the tensor and the file, for a place outside of that folder, a file
/// that cannot be read, or one that is too short.
void read_external(onnx::ModelProto& model, const std::string& folder, Placed& placed);

}  // namespace coronet::importer
