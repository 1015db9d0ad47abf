"""Just enough protobuf to write ONNX models."""

import struct


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    """One protobuf field: an int as a varint, text and bytes as they are."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def info(name, shape, kind=1):
    """A ValueInfoProto; kind 1 is float32, 7 is int64."""
    dims = b"".join(field(1, field(1, n)) for n in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def tensor(name, dims, raw):
    """A TensorProto of float32."""
    return b"".join(field(1, n) for n in dims) + field(2, 1) + field(8, name) + field(9, raw)


def external(name, dims, location, offset, length):
    """The same with its numbers in another file."""
    entries = {"location": location, "offset": str(offset), "length": str(length)}
    data = b"".join(field(13, field(1, k) + field(2, v)) for k, v in entries.items())
    return b"".join(field(1, n) for n in dims) + field(2, 1) + field(8, name) + data + field(14, 1)


def attribute(name, value):
    """An AttributeProto: a float or an int."""
    if isinstance(value, float):
        return field(1, name) + b"\x15" + struct.pack("<f", value) + field(20, 1)
    return field(1, name) + field(3, value) + field(20, 2)


def node(op, inputs, output, domain="", **attributes):
    body = b"".join(field(1, i) for i in inputs) + field(2, output) + field(3, output) + field(4, op)
    body += b"".join(field(5, attribute(k, v)) for k, v in attributes.items())
    return body + (field(7, domain) if domain else b"")


def layers(net, x, y, first=(), store=None):
    """Nodes and tensors of Gemm and Relu in turn, from value x to y: net is a list of (weight [out, in], bias), of NumPy.
    store(name, array): makes the tensors, in place of tensor()."""
    if store is None:
        def store(name, array):
            return tensor(name, array.shape, array.astype("<f4").tobytes())
    nodes, tensors, last = list(first), [], x
    for k, (w, b) in enumerate(net, start=1):
        end = k == len(net)
        out = y if end else f"hidden{k}"
        nodes.append(node("Gemm", [last, f"weight{k}", f"bias{k}"], out, transB=1))
        if not end:
            nodes.append(node("Relu", [out], f"relu{k}"))
        tensors += [store(f"weight{k}", w), store(f"bias{k}", b)]
        last = f"relu{k}"
    return nodes, tensors


def model(nodes, tensors=(), opset=13, inputs=(("x", [1, 2]),), outputs=(("y", [1, 2]),), name="graph", producer="bench"):
    """inputs, outputs: the arguments of info() for each."""
    graph = b"".join(field(1, n) for n in nodes) + field(2, name) + b"".join(field(5, t) for t in tensors)
    graph += b"".join(field(11, info(*i)) for i in inputs) + b"".join(field(12, info(*o)) for o in outputs)
    return field(1, 7) + field(2, producer) + field(7, graph) + field(8, field(1, "") + field(2, opset))
