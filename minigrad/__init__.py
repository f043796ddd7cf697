"""minigrad: a small reverse-mode autograd library for teaching recurrent networks. NumPy alone is imported."""
import numpy as _np

from . import errors, nn, ops, ops_more, ops_select, ops_windows, optim
from .backend import cuda_status, device, generator, manual_seed
from .backward import detach, grad
from .blas import allow_tf32
from .capture import graph
from .check import compare, gradcheck
from .create import arange, eye, from_numpy, full, ones, rand, randn, tensor, zeros
from .debug import debug
from .errors import *  # noqa: F403  (as ops below: each lists its public names in __all__)
from .explain import explain
from .files import load, save
from .higher import hessian, hessian_vector_product, jacobian
from .interop import from_dlpack
from .memory import checkpoint, memory_ledger
from .ops import *  # noqa: F403
from .ops_more import *  # noqa: F403
from .ops_select import *  # noqa: F403
from .ops_windows import *  # noqa: F403
from .tensor import Tensor, get_default_dtype, is_grad_enabled, no_grad, set_default_dtype

__version__ = "0.1.0"
float32, float64, int64 = map(_np.dtype, ("float32", "float64", "int64"))

__all__ = [
    "allow_tf32", "graph", "debug", "explain", "hessian", "hessian_vector_product", "jacobian", "checkpoint",
    "memory_ledger", "nn", "optim", "viz", "from_dlpack", "load", "save", "cuda_status", "device",  # noqa: F405
    "generator", "manual_seed", "detach", "grad",
    "compare", "gradcheck", "arange", "eye", "from_numpy", "full", "ones", "rand", "randn", "tensor", "zeros",
    "Tensor", "get_default_dtype", "is_grad_enabled", "no_grad", "set_default_dtype", "float32", "float64", "int64",
    *errors.__all__, *ops.__all__, *ops_more.__all__, *ops_select.__all__, *ops_windows.__all__,
]


def __getattr__(name: str) -> object:
    """`mg.viz` is loaded when it is first used, so that `import minigrad` stays light."""
    if name == "viz":
        import importlib
        return importlib.import_module(".viz", __name__)
    raise AttributeError(f"module 'minigrad' has no attribute {name!r}")
