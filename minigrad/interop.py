"""Tensors and other libraries: DLPack (PyTorch, CuPy, JAX see the same memory), pickle and copy.

What another library writes into shared memory the tape cannot see, so its check for overwritten values does not cover
it: write before the forward pass, or after backward().
"""
from __future__ import annotations

import copy
from typing import Any

import numpy as np

from . import backend
from .errors import DeviceError, DTypeError, GradError, describe
from .tensor import Tensor, caller

_CPU, _CUDA = 1, 2                             # device types of the DLPack protocol


def _dlpack_device(self: Tensor) -> tuple[int, int]:
    """The device as DLPack numbers it: (1, 0) for the host, (2, n) for GPU n.

    Raises DeviceError on the strict double: it stands for a GPU, whose memory no library on the host may see.
    """
    if self.device.name == "strict":
        raise DeviceError(describe("a tensor on 'strict' cannot be shared: a GPU's memory is not the host's.",
                                   made_at=self._made(), fix="share a copy on the host: x.detach().cpu()"))
    return self.data.__dlpack_device__()


def _dlpack(self: Tensor, **options: Any) -> Any:
    """The memory as a DLPack capsule, not copied: `torch.from_dlpack(x)`, `numpy.from_dlpack(x)`.

    options: stream, max_version, dl_device, copy, as the protocol has them; the array's library gets them.
    Raises GradError on a tracked tensor, DeviceError on the strict double, DTypeError for what DLPack cannot describe.
    """
    if self.requires_grad:
        raise GradError(describe("a tensor that requires a gradient cannot be shared: what the other library computes "
                                 "is not recorded.", made_at=self._made(), fix="share its values: x.detach()"))
    self.__dlpack_device__()
    try:
        return self.data.__dlpack__(**options)
    except BufferError as error:
        raise DTypeError(describe(f"this {self.dtype} tensor {tuple(self.shape)} cannot be shared: {error}.",
                                  made_at=self._made(), fix="share a copy: x.clone()")) from error


def from_dlpack(array: Any) -> Tensor:
    """A tensor that shares the memory of an array of PyTorch, CuPy, JAX or NumPy: any object with `__dlpack__`.

    The memory of JAX is read-only, and so is the tensor. Raises TypeError for an object without the protocol,
    GradError for a PyTorch tensor that requires a gradient, DTypeError for a type that NumPy lacks (bfloat16),
    DeviceError for memory that is neither the host's nor a CUDA GPU's.
    """
    name = f"{type(array).__module__.split('.')[0]}.{type(array).__name__}"
    if not hasattr(array, "__dlpack__") or not hasattr(array, "__dlpack_device__"):
        raise TypeError(describe(f"from_dlpack() shares arrays that speak DLPack, and {name} does not.",
                                 fix="copy it: mg.tensor(numpy.asarray(x))"))
    if getattr(array, "requires_grad", False):
        raise GradError(describe(f"this {name} requires a gradient, which would end here silently.",
                                 fix="share its values: x.detach()"))
    kind = int(array.__dlpack_device__()[0])
    if kind not in (_CPU, _CUDA):
        raise DeviceError(describe(f"this {name} lies on a device of DLPack type {kind}, which minigrad cannot use.",
                                   fix="move it to the host first"))
    home = backend.device("cpu" if kind == _CPU else "cuda")
    try:
        return Tensor(home.xp.from_dlpack(array), False, home)
    except (BufferError, RuntimeError, TypeError) as error:
        raise DTypeError(describe(f"this {name} cannot be shared: {error}.",
                                  fix="cast or copy it first: x.float(), x.contiguous()")) from error


# ---------------------------------------------------------------------------------------------- pickle, copy

def _leaf_only(self: Tensor, what: str) -> None:
    if self.requires_grad and self.edge is not None:
        raise GradError(describe(f"{what} of a tensor that was computed: its graph cannot go along.",
                                 made_at=self._made(), fix=f"{what} of its values: x.detach()"))


def _reduce(self: Tensor) -> tuple:
    """What pickle keeps: class, values, requires_grad and the device's name. Gradient, hooks and graph stay behind."""
    _leaf_only(self, "pickle")
    return _rebuild, (type(self), self.device.numpy(self.data), self.requires_grad, self.device.name)


def _rebuild(kind: type[Tensor], host: np.ndarray, requires_grad: bool, device: str) -> Tensor:
    home = backend.device(device)
    return _new(kind, home.asarray(host), requires_grad, home)


def _new(kind: type[Tensor], data: Any, requires_grad: bool, home: backend.Device) -> Tensor:
    """A tensor of this class; a subclass (Parameter) takes other arguments, so its __init__ is not called."""
    out = kind.__new__(kind)
    Tensor.__init__(out, data, requires_grad, home)
    out.where = caller()
    return out


def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    """A leaf of its own memory, its gradient copied too, as in PyTorch; hooks stay behind."""
    _leaf_only(self, "deepcopy")
    out = memo[id(self)] = _new(type(self), self.device.xp.copy(self.data), self.requires_grad, self.device)
    out.grad = copy.deepcopy(self.grad, memo)
    return out


def _copy(self: Tensor) -> Tensor:
    """A leaf that shares memory, gradient and mutation check."""
    _leaf_only(self, "copy")
    out = _new(type(self), self.data, self.requires_grad, self.device)
    out.grad, out.version = self.grad, self.version
    return out


def _attach() -> None:
    """Bolt the protocols on Tensor, so that `tensor.py` reads without them."""
    for name, method in (("__dlpack__", _dlpack), ("__dlpack_device__", _dlpack_device), ("__reduce__", _reduce),
                         ("__deepcopy__", _deepcopy), ("__copy__", _copy)):
        setattr(Tensor, name, method)


_attach()
