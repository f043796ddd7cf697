"""How long the examples of a batch are: an array on the host, or a Tensor on the model's device.

On the host lengths are checked, and what is made of them goes to the device in each step. A Tensor that lies on a GPU
already is used as it is: nobody looks at it, for a look would wait for the device, and nothing is copied.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import Device, cpu
from ..create import tensor
from ..ops import unsqueeze
from ..tensor import Tensor


def on_device(lengths: Any) -> bool:
    """Are these lengths (or places) in the memory of a device, where nobody looks at them?"""
    return isinstance(lengths, Tensor) and lengths.device is not cpu


def on_host(lengths: Any) -> np.ndarray:
    """As an array on the host."""
    return lengths.device.numpy(lengths.data) if isinstance(lengths, Tensor) else np.asarray(lengths)


def counted(lengths: Any, device: Device) -> Tensor:
    """As a Tensor of a device; one that is there stays as it is."""
    return lengths if isinstance(lengths, Tensor) and lengths.device is device else tensor(lengths, device=device)


def steps(count: int, device: Device) -> Tensor:
    """0 ... count - 1, made on the device."""
    return Tensor(device.xp.arange(count), False, device)


def within(n: Tensor, count: int) -> Tensor:
    """Which of `count` steps lie before each example's end: lengths n (B,) -> (B, count), bool."""
    return steps(count, n.device) < unsqueeze(n, 1)
