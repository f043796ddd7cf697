"""Frames with unknown tags, dtypes, two equal keys, bare floats and buffers that are too short."""

from tests.hostile.case import Case

CASE = Case(
    "pipe protocol",
    setup="""
import json
import os
import struct
def forge(tree):
    header = json.dumps(tree).encode()
    os.write(3, struct.pack("<II", len(header), 0) + header)
""",
    double="def double(x): forge({'a': ['|O', [1]]}); return 2 * x",
    layer="def layer(x, W, b): forge({'a': ['<f8', [1 << 24]]}); return np.tanh(x @ W.T + b)",
    layer_backward="def layer_backward(dy, x, W, b): forge({'d': [['id', 1], ['id', 1]]})",
    sums="def sums(xs, W, b): forge({'i': '0x' + 'f' * 3000})",
    firsts="def firsts(n): forge({'x': 1.5}); return [i * i for i in range(n)]",
    lost={f: ("died", "end") for f in ("double", "layer", "layer_backward", "sums", "firsts")},
    incident="died",
)
