"""The twin of `dropout.cu`."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import philox


def dropout(x: Any, y: Any, n: Any, key: Any, key_at: Any, threshold: Any, scale: Any) -> None:
    """y = x times `scale` where the element's word is at least the threshold, else times 0."""
    words = philox.words(np, int(key if key_at is None else key_at[0]), int(n))
    y.reshape(-1)[:] = x.reshape(-1) * np.where(words >= threshold, scale, np.float32(0))
