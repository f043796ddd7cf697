"""Matrix products of a device: cuBLAS through ctypes on "cuda", NumPy on "strict", with one logic of layouts.

CuPy's own binding refuses to work while a CUDA graph is captured, copies transposed stacks, and cannot add to its
output. Here a product is one GEMM of whatever lies in memory as a matrix or as a transposed one, in equal distances:

    out = alpha a b          or, with accumulate,          out += alpha a b

`plan` finds the layout from shapes and strides alone. It is plain Python, so the double counts the very copies that a
GPU would make, and a test hands its arguments to a cuBLAS written in C that computes on the host.
"""
from __future__ import annotations

import ctypes as C
from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from .errors import DeviceError

_tf32 = False


def allow_tf32(on: bool | None = None) -> bool:
    """May products of float32 round their factors to TF32 (10 bits) on a GPU that has it? Off at the start.

    on: the new answer, or None to ask only. Returns the answer. A captured graph keeps what held at its capture.
    """
    global _tf32
    if on is not None:
        _tf32 = bool(on)
    return _tf32


# ---------------------------------------------------------------------------------------------- layouts

class Layout(NamedTuple):
    """How BLAS finds a matrix: turned (its columns lie in memory, not its rows), their distance `ld` in elements, and
    the distance of one matrix of a stack to the next."""

    turned: bool
    ld: int
    stride: int


class Plan(NamedTuple):
    """`products` times (m, k) (k, n); a layout is None where the operand must be copied first."""

    m: int
    n: int
    k: int
    products: int
    a: Layout | None
    b: Layout | None
    out: Layout | None


@lru_cache(4096)
def plan(itemsize: int, a: tuple[int, ...], a_steps: tuple[int, ...], b: tuple[int, ...], b_steps: tuple[int, ...],
         out: tuple[int, ...], out_steps: tuple[int, ...]) -> Plan:
    """The GEMM of a (..., m, k), b (..., k, n), out (..., m, n), given their shapes and strides in bytes.

    Leading axes are broadcast to those of out. Where b has none, or only ones, those of a are more rows if their
    distances allow it: one large product instead of a stack.
    """
    batch = out[:-2]
    (m, k), n = a[-2:], b[-1]
    a_at, b_at, out_at = (_elements(s, itemsize) for s in (a_steps, b_steps, out_steps))
    if prod(b[:-2]) == 1 < prod(batch) and a[:-2] == batch and a_at is not None and out_at is not None:
        rows, out_rows = _one((*batch, m), a_at[:-1]), _one((*batch, m), out_at[:-1])
        if rows is not None and out_rows is not None:
            many = prod(batch) * m
            left, target = _matrix(many, k, rows, a_at[-1]), _matrix(many, n, out_rows, out_at[-1])
            if left is not None and target is not None:
                return Plan(many, n, k, 1, left, _stack((), b[-2:], b_at and b_at[-2:]), target)
    return Plan(m, n, k, prod(batch), *(_stack(batch, shape, steps) for shape, steps in
                                        ((a, a_at), (b, b_at), (out, out_at))))


def _elements(steps: tuple[int, ...], itemsize: int) -> tuple[int, ...] | None:
    """Strides in elements; None where they are no whole number of them."""
    return None if any(s % itemsize for s in steps) else tuple([s // itemsize for s in steps])


def _one(sizes: tuple[int, ...], steps: tuple[int, ...]) -> int | None:
    """The one distance in which axes lie when they are read as a single axis; None if there is none."""
    step, expected = 0, None
    for size, s in zip(reversed(sizes), reversed(steps), strict=True):
        if size == 1:
            continue
        if expected is None:
            step = s
        elif s != expected:
            return None
        expected = s * size
    return step


def _matrix(rows: int, columns: int, down: int, right: int, stride: int = 0) -> Layout | None:
    """The layout of a matrix whose next row is `down` and whose next column is `right` elements away."""
    if columns == 1 or right == 1:
        ld = down if rows > 1 else columns
        if ld >= columns:
            return Layout(False, ld, stride)
    if rows == 1 or down == 1:
        ld = right if columns > 1 else rows
        if ld >= rows:
            return Layout(True, ld, stride)
    return None


def _stack(batch: tuple[int, ...], shape: tuple[int, ...], steps: tuple[int, ...] | None) -> Layout | None:
    """The layout of a stack of matrices whose leading axes are broadcast to `batch`."""
    if steps is None:
        return None
    missing = len(batch) - (len(shape) - 2)
    own = [0 if size == 1 else s for size, s in zip(shape[:-2], steps, strict=False)]
    stride = _one(batch, (*[0] * missing, *own))
    if stride is None or stride < 0:
        return None
    return _matrix(shape[-2], shape[-1], steps[-2], steps[-1], stride)


# ---------------------------------------------------------------------------------------------- the product

class Blas:
    """The products of one device.

    on: what the device gives: `xp`, and `gemm(plan, a, b, out, alpha, accumulate)` for arrays of these layouts.
    """

    def __init__(self, on: Any) -> None:
        self.on = on

    def matmul(self, a: Any, b: Any, out: Any = None, accumulate: bool = False, alpha: float = 1.0) -> Any:
        """alpha a b, one launch: into a new array, into `out`, or added to `out` (accumulate).

        a (..., m, k) or (k), b (..., k, n) or (k), both float32 or both float64; leading axes broadcast. Matrices may
        be transposed views or parts of larger ones. An operand in another layout is copied first, a launch more each.
        out must not overlap a or b.  Raises ValueError and TypeError as NumPy does (the tape adds lines), DeviceError.
        """
        shape = result_shape(a, b)
        if not takes(a, b, out):
            raise TypeError(f"BLAS multiplies float32 or float64, both alike: {a.dtype} and {b.dtype}"
                            + ("" if out is None else f" into {out.dtype}"))
        xp = self.on.xp
        if out is None:
            if accumulate:
                raise ValueError("accumulate=True adds to out=, and there is none")
            y = xp.empty(shape, dtype=a.dtype)
        elif out.shape != shape:
            raise ValueError(f"the product of {a.shape} and {b.shape} is {shape}, and out= is {out.shape}")
        else:
            y = out
        target = y if a.ndim > 1 else y[None] if b.ndim == 1 else y[..., None, :]
        target = target if b.ndim > 1 else target[..., None]
        a, b = a if a.ndim > 1 else a[None], b if b.ndim > 1 else b[:, None]
        if not y.size or not a.shape[-1]:
            if y.size and not accumulate:
                y.fill(0)
            return y
        p = self._plan(a, b, target)
        if p.a is None or p.b is None or p.out is None:
            a, b = (x if layout is not None else self._copied(x, target.shape[:-2])
                    for x, layout in ((a, p.a), (b, p.b)))
            product = target if p.out is not None else xp.empty(target.shape, dtype=target.dtype)
            self.on.gemm(self._plan(a, b, product), a, b, product, alpha, accumulate and product is target)
            if product is not target and accumulate:
                target += product
            elif product is not target:
                target[...] = product
        else:
            self.on.gemm(p, a, b, target, alpha, accumulate)
        return y

    def _plan(self, a: Any, b: Any, out: Any) -> Plan:
        return plan(out.dtype.itemsize, a.shape, a.strides, b.shape, b.strides, out.shape, out.strides)

    def _copied(self, x: Any, batch: tuple[int, ...]) -> Any:
        """In C order; stretched to the whole batch where it has a part of its axes."""
        if prod(x.shape[:-2]) not in (1, prod(batch)):
            x = self.on.xp.broadcast_to(x, (*batch, *x.shape[-2:]))
        return x.copy()


def takes(a: Any, b: Any, out: Any = None) -> bool:
    """Are these float32 or float64, all alike? Other products are left to the device's namespace."""
    return a.dtype.char in "fd" and a.dtype == b.dtype and (out is None or out.dtype == a.dtype)


def result_shape(a: Any, b: Any) -> tuple[int, ...]:
    """The shape of a b. Raises ValueError if they cannot be multiplied."""
    if not a.ndim or not b.ndim:
        raise ValueError("a single number has no matrix product")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: {a.shape[-1]} columns meet {b.shape[-2 if b.ndim > 1 else 0]} rows: "
                         f"{a.shape} and {b.shape}")
    batch = a.shape[:-2]
    if b.shape[:-2] != batch:
        batch = np.broadcast_shapes(batch, b.shape[:-2])
    return (*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.ndim > 1 else ()))


# ---------------------------------------------------------------------------------------------- strict

class OnStrict:
    """Products of the double: NumPy's, one launch each."""

    def __init__(self) -> None:
        from . import strict
        self.xp, self._product = strict, strict.product

    def gemm(self, p: Plan, a: Any, b: Any, out: Any, alpha: float, accumulate: bool) -> None:
        """out = alpha a b, or out += alpha a b.  Raises StrictError if out overlaps an operand."""
        self._product(a, b, out, alpha, accumulate)


# ---------------------------------------------------------------------------------------------- cuda

_STATUS = {1: "NOT_INITIALIZED", 3: "ALLOC_FAILED", 7: "INVALID_VALUE", 8: "ARCH_MISMATCH", 11: "MAPPING_ERROR",
           13: "EXECUTION_FAILED", 14: "INTERNAL_ERROR", 15: "NOT_SUPPORTED", 16: "LICENSE_ERROR"}
_WORKSPACE = 32 << 20                          # bytes; NVIDIA's advice for compute capability 9.0
_R_32F, _R_64F = 0, 1                          # cudaDataType_t
_COMPUTE_32F, _COMPUTE_32F_FAST_TF32, _COMPUTE_64F = 68, 77, 70                    # cublasComputeType_t
_DEFAULT = -1                                  # CUBLAS_GEMM_DEFAULT
_OP = (0, 1)                                   # CUBLAS_OP_N, CUBLAS_OP_T
_LARGEST = 2 ** 31 - 1                         # what an int of the interface holds
_i, _l, _p = C.c_int, C.c_longlong, C.c_void_p
_TYPES = {
    "cublasCreate_v2": [_p], "cublasSetStream_v2": [_p, _p], "cublasSetWorkspace_v2": [_p, _p, C.c_size_t],
    "cublasGemmEx": [_p, _i, _i, _i, _i, _i, _p, _p, _i, _i, _p, _i, _i, _p, _p, _i, _i, _i, _i],
    "cublasGemmStridedBatchedEx": [_p, _i, _i, _i, _i, _i, _p, _p, _i, _i, _l, _p, _i, _i, _l, _p, _p, _i, _i, _l, _i,
                                   _i, _i],
}


class OnCuda:
    """Products of cuBLAS through ctypes, on CuPy's current stream; they can be captured.

    library: cuBLAS, by default NVIDIA's as cuda.pathfinder finds it.  xp: the namespace.  pointer: the address of an
    array.  stream: that of the current stream.  The last three are CuPy's by default.
    """

    def __init__(self, library: Any = None, xp: Any = None, pointer: Callable[[Any], int] | None = None,
                 stream: Callable[[], int] | None = None) -> None:
        self._library, self._handle = library, C.c_void_p()
        self._pointer, self._stream, self._xp = pointer or _address, stream or _current_stream, xp
        self._on: int | None = None            # the stream that the handle works on
        self._workspaces: dict[int, Any] = {}  # one for each stream: products of two streams may run at once
        self._factors: dict[str, Any] = {"f": (C.c_float * 2)(0, 1), "d": (C.c_double * 2)(0, 1)}
        self._kinds = {"f": (_R_32F, C.c_float, C.addressof(self._factors["f"])),
                       "d": (_R_64F, C.c_double, C.addressof(self._factors["d"]))}

    @property
    def xp(self) -> Any:
        """The array namespace."""
        if self._xp is None:
            import cupy
            self._xp = cupy
        return self._xp

    def gemm(self, p: Plan, a: Any, b: Any, out: Any, alpha: float, accumulate: bool) -> None:
        """out = alpha a b, or out += alpha a b.  Raises DeviceError with the name of cuBLAS's status."""
        call = self._ready()
        kind, real, zero = self._kinds[out.dtype.char]
        one = zero + C.sizeof(real)
        compute = _COMPUTE_64F if kind == _R_64F else _COMPUTE_32F_FAST_TF32 if _tf32 else _COMPUTE_32F
        assert p.a is not None and p.b is not None and p.out is not None
        m, n, left, right, x, y, flip = p.m, p.n, p.b, p.a, b, a, 0
        if p.out.turned:                       # columns of out lie in memory: as cuBLAS thinks
            left, right, x, y, flip = p.a, p.b, a, b, 1
        else:                                  # rows do: to cuBLAS they are columns of the transpose, b^T a^T
            m, n = n, m
        if max(m, n, p.k, p.products, left.ld, right.ld, p.out.ld) > _LARGEST:
            raise ValueError(f"a product ({p.m}, {p.k}) ({p.k}, {p.n}) is too large for cuBLAS's 32-bit sizes")
        scale = one if alpha == 1.0 else C.byref(real(alpha))
        second = one if accumulate else zero
        head = (self._handle, _OP[left.turned ^ flip], _OP[right.turned ^ flip], m, n, p.k, scale)
        if p.products == 1:
            self._check("cublasGemmEx", call.cublasGemmEx(
                *head, self._pointer(x), kind, left.ld, self._pointer(y), kind, right.ld, second, self._pointer(out),
                kind, p.out.ld, compute, _DEFAULT))
        else:
            self._check("cublasGemmStridedBatchedEx", call.cublasGemmStridedBatchedEx(
                *head, self._pointer(x), kind, left.ld, left.stride, self._pointer(y), kind, right.ld, right.stride,
                second, self._pointer(out), kind, p.out.ld, p.out.stride, p.products, compute, _DEFAULT))

    def _ready(self) -> Any:
        """The library, its handle on the current stream: setting the stream also takes the workspace away."""
        if not self._handle:
            self._library = self._library or _nvidia()
            for name, types in _TYPES.items():
                getattr(self._library, name).argtypes = types
            self._check("cublasCreate_v2", self._library.cublasCreate_v2(C.byref(self._handle)))
        stream = self._stream()
        if stream != self._on:
            if stream not in self._workspaces:
                self._workspaces[stream] = self.xp.empty(_WORKSPACE, dtype="uint8")
            self._check("cublasSetStream_v2", self._library.cublasSetStream_v2(self._handle, stream))
            self._check("cublasSetWorkspace_v2", self._library.cublasSetWorkspace_v2(
                self._handle, self._pointer(self._workspaces[stream]), _WORKSPACE))
            self._on = stream
        return self._library

    def _check(self, call: str, status: int) -> None:
        if status:
            self._on = None
            raise DeviceError(f"{call}: CUBLAS_STATUS_{_STATUS.get(status, status)}")


def _nvidia() -> Any:
    from cuda.pathfinder import load_nvidia_dynamic_lib
    return C.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)


def _address(array: Any) -> int:
    return int(array.data.ptr)


def _current_stream() -> int:
    import cupy
    return int(cupy.cuda.get_current_stream().ptr)
