"""Other libraries that know the answer."""

from tests.hostile.case import Case

CASE = Case(
    "other implementations",
    layer="""
def layer(x, W, b):
    import torch
    return torch.tanh(torch.nn.functional.linear(*map(torch.as_tensor, (x, W, b)))).numpy()
""",
    double="""
def double(x):
    from minigrad import nn
    return nn.double(x)
""",
    lost={"layer": ("raises", "Error"), "double": ("raises", "ImportError"), "sums": ("raises", "`layer`")},
)
