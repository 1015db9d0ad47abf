"""Just enough protobuf to write ONNX models."""


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


def node(op, inputs, output, domain="", **integers):
    body = b"".join(field(1, i) for i in inputs) + field(2, output) + field(3, output) + field(4, op)
    body += b"".join(field(5, field(1, k) + field(3, v) + field(20, 2)) for k, v in integers.items())
    return body + (field(7, domain) if domain else b"")


def model(nodes, tensors=(), opset=13, inputs=(("x", [1, 2]),), outputs=(("y", [1, 2]),)):
    """inputs, outputs: the arguments of info() for each."""
    graph = b"".join(field(1, n) for n in nodes) + field(2, "graph") + b"".join(field(5, t) for t in tensors)
    graph += b"".join(field(11, info(*i)) for i in inputs) + b"".join(field(12, info(*o)) for o in outputs)
    return field(1, 7) + field(2, "bench") + field(7, graph) + field(8, field(1, "") + field(2, opset))
