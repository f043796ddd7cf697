"""Hooks of modules: look at what goes in, what comes out, and the gradients of both, or replace them.

    handle = layer.register_forward_hook(lambda module, args, output: print(output.shape))
    ...
    handle.remove()
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import tensor as tape
from ..handle import Handle
from ..tensor import Tensor, primitive, record


class Hooks:
    """The hooks of one module, by kind, in the order in which they were registered."""

    def __init__(self) -> None:
        self.before: dict[float, Callable] = {}
        self.after: dict[float, Callable] = {}
        self.backward: dict[float, Callable] = {}

    def add(self, kind: str, hook: Callable) -> Handle:
        """Register a hook of a kind: "before", "after" or "backward"."""
        return Handle(getattr(self, kind), hook)

    def call(self, module: Any, args: tuple, kw: dict[str, Any]) -> Any:
        """forward() between its hooks."""
        for hook in list(self.before.values()):
            answer = hook(module, args)
            if answer is not None:
                args = answer if isinstance(answer, tuple) else (answer,)
        watch = _Gradients(module, list(self.backward.values())) if self.backward else None
        if watch is not None:
            args = watch.entering(args)
        output = module.forward(*args, **kw)
        for hook in list(self.after.values()):
            answer = hook(module, args, output)
            output = output if answer is None else answer
        return output if watch is None else watch.leaving(output)


class _Gradients:
    """The gradients of one call's outputs and inputs: a node on each side of it that changes no value."""

    def __init__(self, module: Any, hooks: list[Callable]) -> None:
        self.module, self.hooks = module, hooks
        self.outside: tuple = ()
        self.seen = False

    def entering(self, args: tuple) -> tuple:
        """The arguments, behind a node that calls the hooks with the gradients of both sides."""
        places = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
        self.inside = len(places) > 0
        self.count = len(args)
        if not places:
            return args
        device = args[places[0]].device

        def arrived(gs: Any) -> Any:
            grads: list[Any] = [None] * self.count
            for i, g in zip(places, gs, strict=True):
                grads[i] = _tensor(g, device)
            answer = self._ask(tuple(grads))
            return gs if answer is None else [_like(answer[i], g) for i, g in zip(places, gs, strict=True)]
        passed = list(args)
        for i, x in zip(places, _through([args[i] for i in places], arrived), strict=True):
            passed[i] = x
        return tuple(passed)

    def leaving(self, output: Any) -> Any:
        """The output, behind a node that keeps its gradients until those of the inputs are there."""
        several = isinstance(output, tuple)
        outs = list(output) if several else [output]
        places = [i for i, x in enumerate(outs) if isinstance(x, Tensor) and x.requires_grad]
        if not places:
            return output
        device = outs[places[0]].device

        def arrived(gs: Any) -> Any:
            grads: list[Any] = [None] * len(outs)
            for i, g in zip(places, gs, strict=True):
                grads[i] = _tensor(g, device)
            self.outside = tuple(grads)
            if not self.inside:                # the input is data: the hooks have no gradient of it to wait for
                self._ask((None,) * self.count)
            return gs
        for i, x in zip(places, _through([outs[i] for i in places], arrived), strict=True):
            outs[i] = x
        return tuple(outs) if several else outs[0]

    def _ask(self, grads: tuple) -> tuple | None:
        changed = None
        for hook in self.hooks:
            answer = hook(self.module, grads if changed is None else changed, self.outside)
            if answer is not None:
                changed = answer if isinstance(answer, tuple) else (answer,)
        self.outside = ()
        return changed


@primitive
def _pass(xp: Any, *arrays: Any, arrived: Callable) -> Any:
    """y_i = a_i;  da_i = g_i, or what a hook returns in its place"""
    return tuple([a[...] for a in arrays]), lambda gs: tuple(arrived(gs))


def _through(tensors: list[Tensor], arrived: Callable) -> tuple[Tensor, ...]:
    outs: tuple[Tensor, ...] = record(_pass.op, tensors, {"arrived": arrived})
    return outs


def _tensor(g: Any, device: Any) -> Tensor | None:
    return g if g is None or isinstance(g, Tensor) else tape._wrap(g, device, g.dtype)


def _like(answer: Any, g: Any) -> Any:
    """What a hook returned, as the sweep wants it: an array, or a Tensor under create_graph."""
    return answer if isinstance(g, Tensor) or not isinstance(answer, Tensor) else answer.data
