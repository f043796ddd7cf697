"""minigrad: a small reverse-mode autograd library for teaching recurrent networks. NumPy alone is imported."""
import numpy as _np

from . import nn, optim
from .backend import cuda_status, device, generator, manual_seed
from .backward import detach, grad
from .check import compare, gradcheck
from .create import arange, eye, from_numpy, full, ones, rand, randn, tensor, zeros
from .errors import (
                     DeviceError,
                     DTypeError,
                     GradError,
                     GraphFreedError,
                     IndexRangeError,
                     InplaceError,
                     MinigradError,
                     ShapeError,
                     StateError,
)
from .ops import (
                     abs,
                     add,
                     amax,
                     amin,
                     argmax,
                     argmin,
                     broadcast_to,
                     cat,
                     chunk,
                     clip,
                     clone,
                     concat,
                     div,
                     exp,
                     isfinite,
                     log,
                     logsumexp,
                     matmul,
                     max,
                     maximum,
                     mean,
                     min,
                     minimum,
                     mul,
                     neg,
                     ones_like,
                     permute,
                     pow,
                     relu,
                     reshape,
                     sigmoid,
                     sign,
                     softmax,
                     split,
                     sqrt,
                     squeeze,
                     stack,
                     sub,
                     sum,
                     swapaxes,
                     tanh,
                     transpose,
                     unbind,
                     unsqueeze,
                     where,
                     zeros_like,
)
from .tensor import Tensor, get_default_dtype, is_grad_enabled, no_grad, set_default_dtype

__version__ = "0.1.0"
float32, float64, int64 = map(_np.dtype, ("float32", "float64", "int64"))

__all__ = [
    "nn", "optim", "cuda_status", "device", "generator", "manual_seed", "detach", "grad", "compare", "gradcheck",
    "arange", "eye", "from_numpy", "full", "ones", "rand", "randn", "tensor", "zeros", "DeviceError", "DTypeError",
    "GradError", "GraphFreedError", "IndexRangeError", "InplaceError", "MinigradError", "ShapeError", "StateError",
    "abs", "add", "amax", "amin", "argmax", "argmin", "broadcast_to", "cat", "chunk", "clip", "clone", "concat",
    "div", "exp", "isfinite", "log", "logsumexp", "matmul", "max", "maximum", "mean", "min", "minimum", "mul",
    "neg", "ones_like", "permute", "pow", "relu", "reshape", "sigmoid", "sign", "softmax", "split", "sqrt",
    "squeeze", "stack", "sub", "sum", "swapaxes", "tanh", "transpose", "unbind", "unsqueeze", "where", "zeros_like",
    "Tensor", "get_default_dtype", "is_grad_enabled", "no_grad", "set_default_dtype", "float32", "float64", "int64",
]
