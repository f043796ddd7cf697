"""What all optimisers share: the flat buffer, groups, `state_dict`.

The parameters of one dtype and device lie one after another in one array, and `p.data` is a view into it, so a step is
a dozen array operations instead of a dozen for each parameter. Gradients are gathered in pieces that stay in the cache;
a parameter larger than a piece is not copied at all.

On a device with kernels SGD, Adam and AdamW take one launch for 16 parameters, with the gradients where they are
(`kernels/adam.cu`). All may be captured by `mg.graph`: what changes from step to step, such as the rate and the
corrections for the start, stands on the device then, and comes from the host before each replay.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .. import kernels
from ..capture import Graph, capturing, warming
from ..errors import MinigradError, StateError, describe
from ..tensor import Tensor, touch

_PIECE = 16384                                 # elements: six arrays of 64 kB stay in the second-level cache
_ALIGNED = 64                                  # elements: with kernels a parameter begins at a multiple of 256 bytes
_AT_ONCE, _THREADS = 16, 256                   # parameters of a launch (adam.cu), threads of a block
_AT_LEAST_0 = ("lr", "momentum", "weight_decay", "eps", "alpha", "lr_decay", "initial_accumulator_value")


class _Flat:
    """Parameters of one dtype and device in one array, and the optimiser's state in arrays beside it.

    steps: how often each parameter was updated (one without a gradient is left out of a step).  kernels: the device's
    launcher, or None.  table (parameters, 2): with kernels, where each begins and ends, on the device.
    """

    def __init__(self, params: list[Tensor], state_names: tuple[str, ...], fill: float) -> None:
        self.params, self.device = params, params[0].device
        xp, dtype = self.device.xp, params[0].dtype
        self.kernels, self.bounds, size = kernels.of(xp, dtype), [], 0
        for p in params:
            self.bounds.append((size, size + p.data.size))
            size += p.data.size if self.kernels is None else -(-p.data.size // _ALIGNED) * _ALIGNED
        self.data = xp.zeros(size, dtype=dtype)
        self.state = {name: xp.full(size, fill, dtype=dtype) for name in state_names}
        self.steps = [0] * len(params)
        self.views = self._views(self.data)
        self.piece = _PIECE if xp is np else max(1, size)      # a GPU has no cache to fit, but launches to save
        self.table: Any = None if self.kernels is None else xp.asarray(self.bounds, dtype="int32")
        self.plan = self._plan()
        self.attach()

    @cached_property
    def work(self) -> Any:
        """(2, n): where gradients are gathered, and scratch. A step by kernel needs neither."""
        return self.device.xp.zeros((2, min(self.piece, self.data.size)), dtype=self.data.dtype)

    def _views(self, flat: Any) -> list[Any]:
        return [flat[a:b].reshape(p.shape) for (a, b), p in zip(self.bounds, self.params, strict=True)]

    def _plan(self) -> list[tuple[int, int]]:
        """Runs of parameters i ... j that fit into one piece together; a larger one is a run of its own."""
        runs, i = [], 0
        for j, (_, stop) in enumerate(self.bounds):
            if j > i and stop - self.bounds[i][0] > self.piece:
                runs.append((i, j))
                i = j
        return [*runs, (i, len(self.bounds))]

    def attach(self) -> bool:
        """Make every p.data a view of the buffer again (it is not after `Module.to`); False if it cannot be one."""
        for p, view in zip(self.params, self.views, strict=True):
            if p.data is not view:
                if (graph := capturing()) is not None:
                    graph.refuse(f"a {tuple(p.shape)} parameter was replaced since the last step: each replay would "
                                 "copy the old values back.", parameter=p._made(),
                                 fix="run a step before mg.graph captures one")
                if p.device is not self.device or p.data.dtype != view.dtype or p.data.shape != view.shape:
                    return False
                view[...] = p.data
                p.data = view
                touch(p)
        return True

    def runs(self) -> Iterator[tuple[range, int, int, Any]]:
        """(parameters at the same step, start, stop, gradient as a flat array) of all that has a gradient."""
        for i, j in self.plan:
            grads, step = [p.grad for p in self.params[i:j]], self.steps[i]
            found = [g for g in grads if g is not None]
            if len(found) == j - i == self.steps[i:j].count(step):
                runs = [(i, j, found)]
            else:
                runs = [(k, k + 1, [g]) for k, g in enumerate(grads, i) if g is not None]
            for first, last, parts in runs:
                start, stop = self.bounds[first][0], self.bounds[last - 1][1]
                if len(parts) == 1:
                    g = parts[0].data.reshape(-1)
                elif self.kernels is not None:
                    g = self.work[0]
                    for blocks, threads, *rest in self.launches(range(first, last)):
                        self.kernels("gradient_gather", blocks, threads, g, *rest)
                    g = g[start:stop]
                else:
                    g = self.work[0, :stop - start]
                    self.device.xp.concatenate([x.data.reshape(-1) for x in parts], out=g)
                yield range(first, last), start, stop, g

    def advance(self, members: Sequence[int]) -> int:
        """Count a step of these parameters, which are at the same one; its number."""
        step = self.steps[members[0]] + 1
        for i in members:
            self.steps[i] = step
        return step

    def launches(self, members: Iterable[int]) -> Iterator[tuple[Any, ...]]:
        """(blocks, threads, table, how many rows it has, 16 gradients or None) for launches that reach all members."""
        xp, chosen = self.device.xp, set(members)
        for i in range(0, len(self.params), _AT_ONCE):
            j = min(i + _AT_ONCE, len(self.params))
            found: list[Any] = [None] * _AT_ONCE
            for k in chosen.intersection(range(i, j)):
                g = self.params[k].grad.data           # type: ignore[union-attr]  # members have a gradient
                found[k - i] = g if g.flags.c_contiguous else xp.ascontiguousarray(g)
            if chosen.intersection(range(i, j)):
                length = self.bounds[j - 1][1] - self.bounds[i][0]
                yield (-(-length // _THREADS), _THREADS, self.table[i:j], j - i, *found)

    def export(self, k: int) -> dict[str, Any]:
        """The state of parameter k as PyTorch names it: views."""
        return {"step": self.steps[k], **{n: self._views(a)[k] for n, a in self.state.items()}}

    def restore(self, k: int, state: Mapping[str, Any]) -> None:
        """Overwrite the state of parameter k with host or device arrays."""
        self.steps[k] = int(state["step"])
        for name, flat in self.state.items():
            self._views(flat)[k][...] = self.device.asarray(state[name], dtype=flat.dtype)


class Optimizer:
    """The base: groups of parameters with their settings, flat buffers, state_dict.

    params: Parameters, or dicts {"params": ..., "lr": ...} as in PyTorch; one that needs no gradient is never updated.
    Raises MinigradError for what is no list of leaves, and ValueError for a setting outside of PyTorch's range for it.
    """

    state_names: tuple[str, ...] = ()
    state_fill = 0.0                           # what the state of a parameter is before its first step
    kernel: tuple[str, int] | None = None      # of `_update`: its name, and how many state arrays it takes

    def __init_subclass__(cls) -> None:
        """A subclass with an update rule of its own does not inherit the kernel of another rule."""
        if "_update" in vars(cls) and "kernel" not in vars(cls):
            cls.kernel = None

    def __init__(self, params: Iterable[Any], **defaults: Any) -> None:
        groups = _listed(params)
        groups = groups if groups and isinstance(groups[0], dict) else [{"params": groups}]
        self.param_groups = [{**defaults, **g, "params": _listed(g["params"])} for g in groups]
        everything = [p for g in self.param_groups for p in g["params"]]
        if not everything:
            raise MinigradError("an optimiser needs parameters, and the list is empty")
        for p in everything:
            if not isinstance(p, Tensor):
                raise MinigradError(describe(f"an optimiser trains tensors, and got {type(p).__name__}.",
                                             fix="pass model.parameters()"))
            if not p.is_leaf:
                raise MinigradError(describe(f"an optimiser trains leaves, and this {tuple(p.shape)} was computed.",
                                             made_at=p._made(), fix="pass model.parameters(), or nn.Parameter(...)"))
        for group in self.param_groups:
            _check_settings(group)
        if len({id(p) for p in everything}) < len(everything):
            raise MinigradError("a parameter is listed twice")
        self._flats = [self._lay_out(g["params"]) for g in self.param_groups]

    def _lay_out(self, params: list[Tensor]) -> list[_Flat]:
        """One buffer for each dtype and device."""
        kinds: dict[Any, list[Tensor]] = {}
        for p in params:
            kinds.setdefault((p.device.name, p.dtype), []).append(p)
        return [_Flat(members, self.state_names, self.state_fill) for members in kinds.values()]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters (or fill them with zeros)."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p.grad is None:
                    p.grad = None
                else:
                    p.grad.zero_()

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        for k, group in enumerate(self.param_groups):
            if not all([flat.attach() for flat in self._flats[k]]):
                self._move(k)
            for flat in self._flats[k]:
                if flat.kernels is not None and self.kernel is not None:
                    self._launch(self.kernel, group, flat)
                    continue                   # else: array operations, piece by piece
                for members, start, stop, g in flat.runs():
                    now = {**group, **self._now(group, flat, members)}
                    for i in range(start, stop, flat.piece):
                        j = min(i + flat.piece, stop)
                        self._update(flat.device.xp, now, flat.data[i:j], g[i - start:j - start],
                                     [a[i:j] for a in flat.state.values()], flat.work[1, :j - i])
            touch(*[p for p in group["params"] if p.grad is not None])

    def _launch(self, kernel: tuple[str, int], group: dict[str, Any], flat: _Flat) -> None:
        """`_update` as one kernel: one launch for 16 parameters that are at the same step."""
        name, slots = kernel
        state = [*flat.state.values(), *[None] * (slots - len(flat.state))]
        together: dict[int, list[int]] = {}
        for i, (p, step) in enumerate(zip(flat.params, flat.steps, strict=True)):
            if p.grad is not None:
                together.setdefault(step, []).append(i)
        for members in together.values():
            def numbers(members: list[int] = members) -> list[float]:
                return [*self._numbers(group, flat.advance(members)).values()]
            graph = capturing()
            live = None if graph is None else graph.scalar(np.float32, numbers)
            values = numbers() if live is None else [0.0] * live.size
            for blocks, threads, *rest in flat.launches(members):
                flat.kernels(name, blocks, threads, flat.data, *state, *rest, *values, live)

    def _now(self, group: dict[str, Any], flat: _Flat, members: range) -> dict[str, Any]:
        """The rate and `_numbers` for the next step of these parameters: floats; in a graph, arrays (1,) to be filled.

        The calls before a capture take arrays too: CuPy has kernels of their own for them, and loads those there.
        """
        def numbers() -> dict[str, float]:
            return {"lr": group["lr"], **self._numbers(group, flat.advance(members))}
        if (graph := capturing()) is not None and graph.device is not flat.device:
            graph.refuse(f"{type(self).__name__} of parameters on {flat.device.name!r} in a graph of {graph.device}: "
                         "replays would not train them.", fix="move the model to the graph's device")
        graph = graph or warming()
        if graph is None or graph.device is not flat.device:
            return numbers()
        names = [*{"lr": 0.0, **self._numbers(group, 1)}]
        fixed = {k: v for k, v in group.items() if k != "params" and k not in names}

        def supplied(graph: Graph = graph) -> list[float]:
            for name, value in fixed.items():
                if group[name] != value:
                    graph.refuse(f"{name} of {type(self).__name__} is {group[name]}, and at the capture of this graph "
                                 f"it was {value}.", likely="only the rate may change between replays",
                                 fix="make a new graph: mg.graph(step)")
            return [*numbers().values()]
        live = graph.scalar(flat.data.dtype, supplied)
        return {name: live[i:i + 1] for i, name in enumerate(names)}

    def _numbers(self, group: dict[str, Any], step: int) -> dict[str, float]:
        """What depends on the step, by name: `_update` finds it in the group, in place of settings of the same name.

        A kernel takes exactly these, in this order.
        """
        return {}

    def _update(self, xp: Any, group: dict[str, Any], p: Any, g: Any, state: list[Any], u: Any) -> None:
        """p from its gradient g and the state, in place, on flat arrays of one length; u is scratch, g is read only.

        In a graph group["lr"] and the `_numbers` are arrays (1,): the host may not look at them.
        """
        raise NotImplementedError

    def _move(self, k: int) -> None:
        """Parameters of group k went to another device or dtype: lay them out anew and take their state along."""
        old = {id(p): (flat.device, flat.export(i)) for flat in self._flats[k] for i, p in enumerate(flat.params)}
        self._flats[k] = self._lay_out(self.param_groups[k]["params"])
        for flat in self._flats[k]:
            for i, p in enumerate(flat.params):
                device, state = old[id(p)]
                flat.restore(i, {n: v if n == "step" else device.numpy(v) for n, v in state.items()})

    def state_dict(self) -> dict[str, Any]:
        """{"state": {index: {"step", ...}}, "param_groups": [...]} as in PyTorch, of NumPy arrays that are copies."""
        index = {id(p): i for i, p in enumerate(p for g in self.param_groups for p in g["params"])}
        state = {index[id(p)]: {n: v if n == "step" else np.array(flat.device.numpy(v))
                                for n, v in flat.export(k).items()}
                 for flats in self._flats for flat in flats for k, p in enumerate(flat.params) if flat.steps[k]}
        groups = [{**g, "params": [index[id(p)] for p in g["params"]]} for g in self.param_groups]
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()` (ours, or PyTorch's on the host): settings, steps and moments, bit for bit.

        Raises StateError if the groups, or a moment's shape, are not those of this optimiser.
        """
        groups, everything = state["param_groups"], [p for g in self.param_groups for p in g["params"]]
        theirs, mine = ([len(g["params"]) for g in gs] for gs in (groups, self.param_groups))
        if theirs != mine:
            raise StateError(f"the state is of groups of {theirs} parameters, and this optimiser has {mine}")
        names = ("step", *self.state_names)    # PyTorch's SGD counts no steps, and its buffer may be None
        values: dict[int, Any] = {int(i): {"step": 1, **{n: _host(s[n]) for n in names if s.get(n) is not None}}
                                  for i, s in state["state"].items() if s}
        order = [i for g in groups for i in g["params"]]       # their index of my k-th parameter
        place = {id(p): i for p, i in zip(everything, order, strict=True)}
        for p in everything:
            for n in self.state_names:
                s = values.get(place[id(p)], {})
                if s and (n not in s or s[n].shape != p.shape):
                    raise StateError(f"{n} of parameter {place[id(p)]} is {s[n].shape if n in s else 'missing'}, and "
                                     f"the parameter {p.shape}")
        for group, theirs in zip(self.param_groups, groups, strict=True):
            group.update({n: tuple(v) if isinstance(v, list) else v for n, v in theirs.items()
                          if n in group and n != "params"})
        for flats in self._flats:
            for flat in flats:
                for k, p in enumerate(flat.params):
                    fresh = {"step": 0, **{n: np.full(p.shape, self.state_fill) for n in self.state_names}}
                    flat.restore(k, {**fresh, **values.get(place[id(p)], {})})

    def __repr__(self) -> str:
        sizes = [sum(p.data.size for p in g["params"]) for g in self.param_groups]
        options = [", ".join(f"{n}={v}" for n, v in g.items() if n != "params") for g in self.param_groups]
        return "\n".join(f"{type(self).__name__}({o})  # {n:,} parameters" for o, n in zip(options, sizes, strict=True))


def _listed(params: Any) -> list[Any]:
    """What was passed as parameters, as a list: one tensor would be taken apart into its rows."""
    if isinstance(params, Tensor):
        raise MinigradError(describe("an optimiser takes a list of parameters, and got one tensor.", fix="pass [p]"))
    if not isinstance(params, Iterable):
        raise MinigradError(describe(f"an optimiser takes a list of parameters, and got {type(params).__name__}.",
                                     fix="pass model.parameters()"))
    return list(params)


def _check_settings(group: Mapping[str, Any]) -> None:
    """Raises ValueError for what would climb the loss, or divide by zero, in silence. NaN is outside of every range."""
    for name in _AT_LEAST_0:
        if name in group and not group[name] >= 0:
            raise ValueError(f"{name} is at least 0, not {group[name]}")
    if "rho" in group and not 0 <= group["rho"] <= 1:
        raise ValueError(f"rho is in [0, 1], not {group['rho']}")
    if "betas" in group and not (len(group["betas"]) == 2 and all(0 <= b < 1 for b in group["betas"])):
        raise ValueError(f"betas are two numbers in [0, 1), not {group['betas']}")


def _host(value: Any) -> np.ndarray:
    return value.device.numpy(value.data) if isinstance(value, Tensor) else np.asarray(value)
