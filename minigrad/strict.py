"""A strict double of CuPy on NumPy: device "strict", which finds GPU mistakes on a machine without a GPU.

As a namespace it is what NumPy and CuPy 14.2 have in common; `strict_api.json` lists it with CuPy's parameters. As on
"cuda", `matmul` is minigrad's own (`blas.py`) and `mg.graph` can capture what is done (`strict_graph.py`). The double

  - refuses what CuPy refuses: NumPy arrays among its own, an implicit copy to the host, what it does not have;
  - refuses what CuPy gets wrong in silence: ids outside of their axis wrap, x[ids] = y with an id twice is a race;
  - refuses what CuPy does slowly in silence: an index on the host is uploaded at every call;
  - behaves as device memory: results are arrays, 0-d ones too, never NumPy scalars; x[0] is a view; the base of a view
    is the array that owns the memory; `empty` holds NaN, since a GPU's pool hands out used blocks;
  - counts kernel launches, host synchronisations and host-to-device copies inside `counting()`.

Values equal NumPy's bit for bit. A call counts as one launch, or as many as CuPy's source is known to make; compound
functions make more, so a count is a lower bound. Not modelled: order of sums, atomics, streams, memory, speed.
"""
from __future__ import annotations

import json
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .backend import owner
from .errors import MinigradError, describe

if TYPE_CHECKING:
    from .kernels.signature import Kernel

_TABLE = json.loads(Path(__file__).with_name("strict_api.json").read_text())

# Parameters that the host must know before a launch: CuPy refuses a device array there, or waits for its value.
_HOST = frozenset("shape newshape axis axes axis1 axis2 axisa axisb axisc source destination start stop step num N M k "
                  "n reps repeats indices_or_sections shift pad_width decimals ddof keepdims dtype order".split())
# First parameters of which CuPy calls a method, so that a number or a list fails there.
_DEVICE = frozenset("a ary arr array prototype condition v m x".split())
_ABOUT = frozenset("broadcast_shapes can_cast ndim promote_types result_type shape size".split())  # answers no array
_VIEWS = frozenset("array_split ascontiguousarray astype atleast_1d atleast_2d atleast_3d broadcast_arrays "
                   "broadcast_to diagonal dsplit einsum expand_dims flip fliplr flipud hsplit imag matrix_transpose "
                   "moveaxis permute_dims ravel real reshape split squeeze swapaxes transpose view vsplit".split())
_JOINS = frozenset("column_stack concat concatenate dstack hstack stack vstack".split())
_OURS = ("concatenate", "stack")                             # `minigrad.cuda` joins these without a table
_WAITS = frozenset("argwhere flatnonzero nonzero unique".split())            # the result's shape depends on the values
_LAUNCHES = {"empty": 0, "empty_like": 0, "eye": 2, "identity": 2, "var": 2, "std": 3, "dot": 2}
_CUBLAS = frozenset("einsum inner tensordot vdot ndarray.dot".split())  # CuPy's own products, which cannot be captured
_ATOMIC = {"add": "efdilqILQ", "maximum": "fdilqILQ", "minimum": "fdilqILQ", "subtract": "iI"}   # dtypes of ufunc.at
_INSTEAD = {"random": "draw on the host: xp.asarray(minigrad.backend.generator().random(shape))",
            "errstate": "keep bad values out with xp.where", "scatter_add": "xp.add.at(x, ids, values)"}
_TO_DEVICE = "move it first, and once: xp.asarray(values, dtype=...)"


class StrictError(MinigradError, AssertionError):
    """CuPy would do it, but wrongly or slowly and in silence; or `strict.counting(forbid=...)` forbids it."""


def _refuse(error: type[Exception], what: str, cupy: str, fix: str) -> NoReturn:
    raise error(describe(what, cupy=cupy, fix=fix))


def _missing(where: str, name: str) -> NoReturn:
    if name.startswith("__"):                                # a protocol being probed: nobody reads the text
        raise AttributeError(name)
    _refuse(AttributeError, f"{where} has no attribute {name!r}.", "it lacks it too, or strict_api.json leaves it out",
            _INSTEAD.get(name, "use what NumPy and CuPy share; if both have it, add it to the table"))


# ---------------------------------------------------------------------------------------------- counting

class Counts:
    """What a block asked of the device: `launch`, `sync`, `h2d`; and `calls`, which says who asked for how many."""

    def __init__(self, forbid: frozenset[str]) -> None:
        self.forbid, self.launch, self.sync, self.h2d = forbid, 0, 0, 0
        self.calls: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"Counts(launch={self.launch}, sync={self.sync}, h2d={self.h2d}, calls={dict(self.calls)})"


_active: list[Counts] = []
_FORBIDDEN = {
    "launch": ("a kernel is launched", "move the work out of this block"),
    "sync": ("the host waits until the device has finished", "keep the value on the device; read it after the step"),
    "h2d": ("host memory is copied to the device, at every call", "upload once, before the loop, and keep the array"),
    "float64": ("float64 is half as fast as float32 at best", "name dtype=; math.sqrt(n) instead of np.sqrt(n): a "
                "float64 scalar of NumPy, or 0-d array, widens what it meets"),
}


@contextmanager
def counting(forbid: Iterable[str] = ()) -> Iterator[Counts]:
    """Count what the block asks of the device. What is named in `forbid` raises StrictError where it happens.

        with strict.counting(forbid=("sync", "float64")) as counts:
            step()
        assert counts.launch <= 12, counts

    forbid: any of "launch", "sync", "h2d", "float64".
    """
    kinds = frozenset([forbid] if isinstance(forbid, str) else forbid)
    if not kinds <= _FORBIDDEN.keys():
        raise ValueError(f"counting(forbid=...) knows {', '.join(_FORBIDDEN)}; it got {', '.join(sorted(kinds))}")
    counts = Counts(kinds)
    _active.append(counts)
    try:
        yield counts
    finally:
        _active.remove(counts)


_watch: Any = None                             # a `strict_graph.Recorder`, while `mg.graph` records or looks


def _count(kind: str, who: str, n: int = 1) -> None:
    if _watch is not None and n:
        _watch.asked(kind, who)
    for counts in _active if n else ():
        if kind in counts.forbid:
            _refuse(StrictError, f"{who}: {kind} is forbidden in this block.", *_FORBIDDEN[kind])
        if kind != "float64":
            setattr(counts, kind, getattr(counts, kind) + n)
            counts.calls[f"{kind}: {who}"] += n


# ---------------------------------------------------------------------------------------------- into and out of a call

def _lower(value: Any, who: str, parameter: str, sources: list[ndarray]) -> Any:
    """An argument as NumPy takes it. Notes device arrays in `sources`; refuses host data where CuPy wants its own."""
    if isinstance(value, ndarray):
        if parameter in _HOST:
            _refuse(TypeError, f"{who}: {parameter} is a device array.", "it fails, or the host waits for the value",
                    f"pass a Python number: the host must know {parameter} before the kernel starts")
        sources.append(value)
        return value._host
    if isinstance(value, (list, tuple)) and (_holds_device(value) or parameter in _HOST) and parameter != "scalar":
        return type(value)([_lower(v, who, parameter, sources) for v in value])
    if isinstance(value, (np.ndarray, list, tuple)):
        _refuse(TypeError, f"{who} got a host {type(value).__name__}.", f"Unsupported type {type(value)}", _TO_DEVICE)
    return value


def _holds_device(value: Any) -> bool:
    return isinstance(value, ndarray) or isinstance(value, (list, tuple)) and any(map(_holds_device, value))


def _wrap(value: Any, who: str, sources: list[ndarray]) -> Any:
    """A NumPy result on the device: the very array that a source is, a view of a source, or a new array."""
    if value is None or isinstance(value, (tuple, list)):
        return None if value is None else type(value)([_wrap(v, who, sources) for v in value])
    host = np.asarray(value)
    if host.dtype.kind not in "biufc" or host.dtype.char in "gG":
        _refuse(ValueError, f"{who} makes an array of dtype {host.dtype}.", f"Unsupported dtype {host.dtype}",
                "keep objects, strings and ragged lists on the host")
    _count("float64", who, host.dtype == np.float64)
    for source in sources:
        if host is source._host:
            return source
    base = next((source for source in sources if owner(source._host) is owner(host)), None)
    if base is None and _watch is not None:
        _watch.made(owner(host))
    return ndarray(host, base if base is None or base.base is None else base.base)


def _parameter(words: list[str], position: int, who: str) -> str:
    """CuPy's name for a positional argument. In the table, "*" ends what may be positional, "*name" takes the rest."""
    for i, word in enumerate(words):
        if word == "*":
            break
        if i == position or word.startswith("*"):
            return word.lstrip("*")
    _refuse(TypeError, f"{who} got {position + 1} positional arguments.", f"its parameters are ({', '.join(words)})",
            "pass what stands behind * by keyword; drop what CuPy does not have")


def _call(who: str, compute: Callable, words: list[str], args: tuple, kw: dict, self: ndarray | None = None) -> Any:
    """Check the arguments against CuPy's parameters, compute with NumPy, count, wrap."""
    name, sources, out = who.rpartition(".")[2], [] if self is None else [self], kw.get("out")
    for key in kw.keys() - set(words):
        _refuse(TypeError, f"{who} got the keyword {key!r}.", f"its parameters are ({', '.join(words)})",
                "leave it out, or compute the same with another call")
    names = [_parameter(words, i, who) for i in range(len(args))]
    if name in _ABOUT:
        return compute(*[a._host if isinstance(a, ndarray) else a for a in args], **kw)
    if names and self is None and names[0] in _DEVICE and not isinstance(args[0], (ndarray, np.ndarray)):
        _refuse(TypeError, f"{who} got a {type(args[0]).__name__}.", "it calls its first argument's method", _TO_DEVICE)
    host = [_lower(value, who, parameter, sources) for value, parameter in zip(args, names, strict=True)]
    if isinstance(out, ndarray) and name in ("matmul", "dot") and not out.flags.c_contiguous:
        _refuse(ValueError, f"{who} writes to an out= of strides {out.strides}.", "cuBLAS writes C-contiguous blocks",
                "write to a new array, or to a buffer of the transposed product")
    if name == "put_along_axis":
        _no_race(who, np.take_along_axis(_positions(args[0]), host[1], *host[3:], **kw), args[2])
    host_kw = {key: _lower(value, who, key, sources) for key, value in kw.items()}
    with np.errstate(all="ignore"), _in_range(who):          # CuPy never warns
        result = _wrap(compute(*host, **host_kw), who, sources)
    if _watch is not None:
        if who in _CUBLAS:
            _watch.asked("cublas", who)
        _watch.ran(lambda: compute(*host, **host_kw), result, sources,
                   sources[:1] if result is None else [a for a in sources if a is result])
    _count("sync", who, name in _WAITS or name == "where" and len(args) == 1)
    operands = [source for source in sources if source is not out]
    if name in _JOINS:                  # more than 8 small parts: one kernel, which reads an uploaded table of pointers
        table = len(operands) > 8 and sum(a.nbytes for a in operands) < len(operands) * 2 ** 21 and name not in _OURS
        _count("h2d", who, table)
        _count("launch", who, 1 if table else len(operands))
    elif name in _VIEWS:                                     # a copy only where a view cannot be
        results = result if isinstance(result, (tuple, list)) else [result]
        _count("launch", who, any(a.base is None and not any(a is s for s in sources) for a in results))
    else:
        _count("launch", who, _product(*sources[:2]) if name == "matmul" else _LAUNCHES.get(name, 1))
    return result


def _product(a: ndarray, b: ndarray) -> int:
    """Launches of a @ b by CuPy. Stacks of matrices are copied unless C-contiguous, and take 3 more to broadcast."""
    if max(a.ndim, b.ndim) <= 2:
        return 1
    return 1 + (not a.flags.c_contiguous) + (not b.flags.c_contiguous) + 3 * (a.shape[:-2] != b.shape[:-2])


# ---------------------------------------------------------------------------------------------- indices

def _index(index: Any, who: str) -> tuple[tuple, int]:
    """An index for NumPy, and its launches: 0 without arrays; several arrays take a memset, one each, and the take.

    An ellipsis at the end keeps x[0] of a vector a view.
    """
    parts, arrays = [], 0
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, ndarray):
            arrays += 1
            _count("sync", f"{who} by a mask", part.dtype == bool)
            part = part._host
        elif isinstance(part, (list, tuple, range, np.ndarray, bool, np.bool_)):
            _refuse(StrictError, f"{who} got a host {type(part).__name__} as index.",
                    "it is uploaded at every call, and a graph capture fails", "upload it once: ids = xp.asarray(ids)")
        parts.append(part)
    return tuple(parts if any(part is Ellipsis for part in parts) else [*parts, Ellipsis]), arrays + 2 * (arrays > 1)


@contextmanager
def _in_range(who: str, launches: int = 1) -> Iterator[None]:
    try:
        yield
    except IndexError as error:
        if not launches or isinstance(error, np.exceptions.AxisError) or "out of bounds" not in str(error):
            raise                                            # CuPy raises as well: x[7], a wrong axis, too many indices
        _refuse(IndexError, f"{who}: {error}", "an id outside of its axis wraps around in silence, to another row",
                "check ids against the axis before the lookup")


def _positions(a: ndarray) -> np.ndarray:
    return np.arange(a.size).reshape(a.shape)


def _no_race(who: str, positions: np.ndarray, value: Any) -> None:
    if getattr(value, "size", 1) > 1 and np.unique(positions).size < positions.size:    # one value twice is no race
        _refuse(StrictError, f"{who} writes to one place more than once.", "which value stays differs from run to run",
                "make the ids unique, or add instead: xp.add.at(x, ids, value)")


# ---------------------------------------------------------------------------------------------- the array

class ndarray:                                               # noqa: N801  (the name that array libraries share)
    """An array in pretended device memory: made by the functions of this module, read by `asnumpy`.

    base: the array that owns the memory which this one shows, or None.
    """

    __slots__ = ("_host", "base", "__weakref__")
    __hash__ = None                                          # type: ignore[assignment]  # == is elementwise, as in CuPy

    def __init__(self, host: np.ndarray, base: ndarray | None) -> None:
        self._host, self.base = host, base

    @property
    def flags(self) -> SimpleNamespace:
        """CuPy knows these flags only; `writeable` is not among them."""
        host = self._host.flags
        return SimpleNamespace(c_contiguous=host.c_contiguous, f_contiguous=host.f_contiguous, forc=host.forc,
                               fnc=host.fnc, owndata=self.base is None)

    def __getattr__(self, name: str) -> Any:
        _missing("ndarray", name)

    def __array__(self, *args: Any, **kw: Any) -> NoReturn:
        _refuse(TypeError, "a device array was turned into a NumPy array.", "Implicit conversion is not allowed",
                "xp.asnumpy(x), which waits for the device and copies")

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **kw: Any) -> Any:
        if isinstance(inputs[0], np.generic):                # np.float32(2) * x
            return _function(function.__name__)(*inputs, **kw)
        for value in inputs:
            _lower(value, function.__name__, "scalar", [])   # a NumPy array on either side of an operator
        self.__array_function__(function)

    def __array_function__(self, function: Callable, *args: Any) -> NoReturn:
        _refuse(TypeError, f"np.{function.__name__} was called on a device array.",
                "some NumPy functions dispatch to CuPy, some fail", f"xp.{function.__name__}, xp of the array's device")

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> ndarray:
        host, launches = _index(index, "x[index]")
        with _in_range("x[ids]", launches):
            out = _wrap(self._host[host], "x[index]", [self])
        if _watch is not None:
            _watch.ran(lambda: self._host[host], out, [self])
        _count("launch", "x[ids]", launches)
        return out

    def __setitem__(self, index: Any, value: Any) -> None:
        host, launches = _index(index, "x[index] = value")
        with _in_range("x[ids] = value", launches):
            if launches:
                _no_race("x[ids] = value", _positions(self)[host], value)
                _count("h2d", "x[ids] = number", not isinstance(value, ndarray))
            sources: list[ndarray] = []
            self._host[host] = lowered = _lower(value, "x[index] = value", "scalar", sources)
        if _watch is not None:
            _watch.ran(lambda: self._host.__setitem__(host, lowered), None, sources, [self])
        _count("launch", "x[index] = value", launches or 1)

    def fill(self, value: complex) -> None:
        """One number everywhere."""
        self[...] = value.item() if isinstance(value, ndarray) else value          # CuPy compares it with 0: a sync

    def __deepcopy__(self, memo: dict) -> ndarray:
        return self.copy()

    def __reduce__(self) -> tuple:
        return asarray, (self.get(),)


def _operator(sign: str, function: Callable, reflected: bool = False) -> Callable:
    def method(self: ndarray, *other: Any) -> Any:
        if other and not isinstance(other[0], (ndarray, np.ndarray, np.generic, int, float, complex)):
            return NotImplemented
        sources = [self]
        operands = [self._host, *(_lower(value, sign, "scalar", sources) for value in other)]
        with np.errstate(all="ignore"):
            result = _wrap(function(*operands[::-1] if reflected else operands), sign, sources)
        if _watch is not None:
            if sign == "@":
                _watch.asked("cublas", sign)
            _watch.ran(lambda: function(*operands[::-1] if reflected else operands), result, sources,
                       [self] if sign.endswith("=") else [])
        _count("launch", sign, _product(*sources) if sign == "@" else 1)
        return result
    return method


def _method(name: str, words: list[str]) -> Callable:
    return lambda self, *args, **kw: _call(f"ndarray.{name}", getattr(self._host, name), words, args, kw, self)


def _view(name: str) -> property:
    return property(lambda self: _wrap(getattr(self._host, name), name, [self]))


def _read(name: str, function: Callable) -> Callable:
    def method(self: ndarray, *args: Any) -> Any:
        _count("sync", f"{name}()")
        return function(self._host, *args)
    return method


def _attach() -> None:
    """Give ndarray CuPy's attributes. There is no `@=`, and no `__index__`: range(x) and a_list[x] fail, as in CuPy."""
    for name in "shape ndim size dtype itemsize nbytes strides".split():
        setattr(ndarray, name, property(operator.attrgetter(f"_host.{name}")))
    for name in "T mT real imag".split():
        setattr(ndarray, name, _view(name))
    for name, function in (("get", np.ndarray.copy), ("item", np.ndarray.item), ("tolist", np.ndarray.tolist),
                           ("__bool__", bool), ("__float__", float), ("__int__", int), ("__repr__", repr),
                           ("__str__", str), ("__format__", format)):
        setattr(ndarray, name, _read(name.strip("_"), function))
    for name, sign in zip("add sub mul truediv floordiv mod pow and_ or_ xor lshift rshift matmul".split(),
                          "+ - * / // % ** & | ^ << >> @".split(), strict=True):
        function, plain = getattr(operator, name), name.rstrip("_")
        setattr(ndarray, f"__{plain}__", _operator(sign, function))
        setattr(ndarray, f"__r{plain}__", _operator(sign, function, reflected=True))
        if sign != "@":
            setattr(ndarray, f"__i{plain}__", _operator(f"{sign}=", getattr(operator, f"i{plain}")))
    for name in "lt le eq ne gt ge neg pos abs invert".split():
        setattr(ndarray, f"__{name}__", _operator(name, getattr(operator, name)))
    for name, words in _TABLE["methods"].items():
        setattr(ndarray, name, _method(name, words.split()))


_attach()


# ---------------------------------------------------------------------------------------------- the namespace

class ufunc:                                                 # noqa: N801
    """An elementwise function; `at` is for the dtypes that CuPy has atomics for. No `where=`, `reduce`, `outer`."""

    def __init__(self, name: str) -> None:
        self.__name__, self._numpy = name, getattr(np, name)

    def __call__(self, *args: Any, **kw: Any) -> Any:
        words = [*["scalar"] * self._numpy.nin, *["out"] * self._numpy.nout, "dtype", "casting"]
        return _call(self.__name__, self._numpy, words, args, kw)

    def at(self, a: ndarray, index: Any, values: Any) -> None:
        """a[index] += values, and so on, where an index that occurs twice counts twice."""
        who, dtypes = f"{self.__name__}.at", _ATOMIC.get(self.__name__, "")
        if not isinstance(a, ndarray) or a.dtype.char not in dtypes:
            _refuse(TypeError, f"{who} on {getattr(a, 'dtype', type(a).__name__)}.",
                    f"there are atomics for {', '.join(_ATOMIC)}; {who} takes dtypes {dtypes or 'none'}",
                    "cast first, or write to unique ids: x[ids] = value")
        host, launches = _index(index, who)
        sources = [a]
        with _in_range(who, launches):
            self._numpy.at(a._host, host, lowered := _lower(values, who, "scalar", sources))
        if _watch is not None:
            _watch.ran(lambda: self._numpy.at(a._host, host, lowered), None, sources, [a])
        _count("h2d", who, launches > 0 and not isinstance(values, ndarray))
        _count("launch", who, launches or 1)


@cache
def _function(name: str) -> Callable:
    if name in _TABLE["ufuncs"]:
        return ufunc(name)
    words, numpy = _TABLE["functions"][name].split(), getattr(np, name)

    def poisoned(*args: Any, **kw: Any) -> np.ndarray:
        out = numpy(*args, **kw)
        out.fill(np.nan if out.dtype.kind in "fc" else 77)   # what nobody takes for zeros
        return out
    compute = poisoned if name.startswith("empty") else numpy
    return lambda *args, **kw: _call(name, compute, words, args, kw)


def __getattr__(name: str) -> Any:
    if name in _TABLE["host"]:
        return getattr(np, name)
    if (name in _TABLE["ufuncs"] or name in _TABLE["functions"]) and hasattr(np, name):
        return _function(name)
    _missing("xp", name)


def array(obj: Any, dtype: Any = None, copy: bool | None = True, order: Any = "K") -> ndarray:
    """A new device array: uploaded from the host, copied from a device array, or joined from lists of device arrays."""
    if isinstance(obj, ndarray):
        return obj.astype(obj.dtype if dtype is None else dtype, order=order, copy=bool(copy))
    joined = _holds_device(obj)
    parts: list[ndarray] = []
    lowered = _lower(obj, "array", "obj", parts) if joined else obj
    host = np.array(lowered, dtype=dtype, order=order)
    _count("launch" if joined else "h2d", "array")
    made: ndarray = _wrap(host, "array", [])
    if _watch is not None:
        _watch.ran(lambda: np.array(lowered, dtype=dtype, order=order), made, parts)
    return made


def asarray(a: Any, dtype: Any = None, order: Any = "K", copy: bool | None = None) -> ndarray:
    """A device array of these values; the same array if it is one of that dtype. Host memory is never shared."""
    return array(a, dtype, copy, order)


def matmul(*args: Any, **kw: Any) -> ndarray:
    """a b by the double of minigrad's BLAS, as on "cuda": one launch, and one for each operand that must be copied."""
    from .blas import Blas, OnStrict, takes
    ours = len(args) in (2, 3) and kw.keys() <= {"out"} and all(isinstance(x, ndarray) for x in (*args, *kw.values()))
    if ours and takes(*args, **kw):
        y: ndarray = Blas(OnStrict()).matmul(*args, **kw)
        return y
    y = _function("matmul")(*args, **kw)       # other dtypes and options are CuPy's own
    return y


def product(a: ndarray, b: ndarray, out: ndarray, alpha: float, accumulate: bool) -> None:
    """out = alpha a b, or out += alpha a b: one launch. What `blas.OnStrict` calls once the layouts are right."""
    if np.shares_memory(out._host, a._host) or np.shares_memory(out._host, b._host):
        _refuse(StrictError, "matmul writes to an operand.", "cuBLAS reads what it has overwritten, in silence",
                "let out= be memory of its own")

    def compute() -> None:
        if alpha == 1.0 and not accumulate:
            np.matmul(a._host, b._host, out=out._host)
            return
        y = np.matmul(a._host, b._host)
        y *= y.dtype.type(alpha)
        np.add(out._host, y, out=out._host) if accumulate else np.copyto(out._host, y)
    with np.errstate(all="ignore"):
        compute()
    _count("launch", "matmul")
    if _watch is not None:
        _watch.ran(compute, None, [a, b, *([out] if accumulate else [])], [out])


def asnumpy(a: Any) -> np.ndarray:
    """A NumPy copy of a device array, for which the host waits; host data as a NumPy array."""
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


# ---------------------------------------------------------------------------------------------- kernels

def twin(kernel: Kernel, grid: int, block: int, args: Sequence[Any], shared: int, cluster: int,
         macros: dict[str, int]) -> None:
    """A kernel's work, by the function of its name in the NumPy file beside its source."""
    module = import_module(f"{__package__}.kernels.{kernel.file.stem}")
    getattr(module, kernel.name)(*args, **macros)


SHARED = 227 * 1024                            # bytes a block can have: those of a chip with clusters, compute 9.0
body = twin                                    # the emulator of the tests puts the compiled source in its place


def launch(kernel: Kernel, grid: int, block: int, args: Sequence[Any], shared: int, cluster: int,
           macros: dict[str, int]) -> None:
    """What a `kernels.Launcher` calls on this device: the kernel works on the arrays' memory, and is one launch."""
    host = [a._host if isinstance(a, ndarray) else a for a in args]
    _count("launch", f"kernel {kernel.name}")
    with np.errstate(all="ignore"):
        body(kernel, grid, block, host, shared, cluster, macros)
    if _watch is not None:
        pointers = [(a, p.const) for a, p in zip(args, kernel.parameters, strict=True) if isinstance(a, ndarray)]
        _watch.ran(lambda: body(kernel, grid, block, host, shared, cluster, macros), None, [a for a, _ in pointers],
                   [a for a, const in pointers if not const])
