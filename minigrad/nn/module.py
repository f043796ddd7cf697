"""What a layer is: an object that holds parameters and other layers, and finds them all by name.

A Module needs no registration and no `super().__init__()`: its parameters, buffers and children are the attributes that
are of those types, in the order in which they were set. Their dotted names (`rnn.weight_ih_l0`) are PyTorch's, so a
state_dict goes there and back.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import create
from .. import tensor as tape
from ..backend import Device
from ..errors import DTypeError, MinigradError, StateError, describe
from ..handle import Handle
from ..tensor import Tensor, touch
from .hooks import Hooks


class Parameter(Tensor):
    """A leaf that requires a gradient and belongs to a Module. data: a Tensor, an array, a number or nested lists."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        given = data if isinstance(data, Tensor) else create.tensor(data)
        super().__init__(given.data, requires_grad, given.device)
        self.version = given.version           # memory is shared, and so is the mutation check

    def __repr__(self) -> str:
        return "Parameter " + super().__repr__()


class LoadResult(NamedTuple):
    """What `load_state_dict(strict=False)` did not use: names without a value, and values without a name."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """The base of layers and models: write `__init__`, which sets attributes, and `forward`, which computes."""

    training = True
    _name = ""                                 # the parent's attribute that holds this module: for the tape's scopes
    _hooks: Hooks | None = None                # made with the first hook: a call without any costs one look

    def forward(self, *args: Any, **kw: Any) -> Any:
        """The computation; call the module itself, not this."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __call__(self, *args: Any, **kw: Any) -> Any:
        """forward(), with this module's dotted name on every node that it records."""
        before = tape._scope                   # `tape.scope`, written out: a cell is called once a time step
        name = self._name or type(self).__name__
        tape._scope = f"{before}.{name}" if before else name
        try:
            return self.forward(*args, **kw) if self._hooks is None else self._hooks.call(self, args, kw)
        finally:
            tape._scope = before

    def register_forward_pre_hook(self, hook: Callable[[Module, tuple], Any]) -> Handle:
        """Call hook(module, args) before forward; what it returns, if anything, replaces the arguments."""
        return self._with_hooks().add("before", hook)

    def register_forward_hook(self, hook: Callable[[Module, tuple, Any], Any]) -> Handle:
        """Call hook(module, args, output) after forward; what it returns, if anything, replaces the output."""
        return self._with_hooks().add("after", hook)

    def register_full_backward_hook(self, hook: Callable[[Module, tuple, tuple], Any]) -> Handle:
        """Call hook(module, grad_input, grad_output) in backward, with one entry for each argument and each output.

        What it returns, if anything, replaces grad_input. An entry is None where there is no gradient, and grad_input
        is all None where the input is data.
        """
        return self._with_hooks().add("backward", hook)

    def _with_hooks(self) -> Hooks:
        if self._hooks is None:
            self._hooks = Hooks()
        return self._hooks

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Module):
            value.__dict__["_name"] = name
        elif isinstance(value, (list, tuple, dict)):
            inside = value.values() if isinstance(value, dict) else value
            if any(isinstance(v, (Module, Parameter)) for v in inside):
                raise MinigradError(describe(
                    f"{type(self).__name__}.{name} hides modules or parameters in a {type(value).__name__}: they would "
                    "not be trained.", fix=f"self.{name} = nn.ModuleList([...]), or one attribute each"))
        object.__setattr__(self, name, value)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """A tensor that moves with the module and is not trained. persistent: does state_dict hold it?"""
        self.__dict__["_buffers"] = {**self.__dict__.get("_buffers", {}), name: persistent}
        setattr(self, name, tensor)

    # ------------------------------------------------------------------------------------------ finding

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that are attributes of this one, each once."""
        return _once(self._children())

    def _children(self) -> Iterator[tuple[str, Module]]:
        """Names and modules; one that is shared comes under each of its names."""
        return ((name, v) for name, v in vars(self).items() if isinstance(v, Module))

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one, without their names."""
        return (m for _, m in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module ("") and all below it, each once, with dotted names."""
        return _once(self._walk(prefix))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (m for _, m in self.named_modules())

    def _walk(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self._children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names; one that is shared is given once."""
        return _once((n, v) for n, v in self._held(prefix, recurse) if isinstance(v, Parameter))

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: what an optimiser takes."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names."""
        return _once((n, v) for n, v in self._held(prefix, recurse) if not isinstance(v, Parameter))

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def _held(self, prefix: str = "", recurse: bool = True, saved: bool = False) -> Iterator[tuple[str, Tensor]]:
        """Names and tensors of parameters and buffers in PyTorch's order: own parameters, own buffers, children.

        A tensor that is shared comes under each of its names. saved: only what a state_dict holds.
        """
        for path, module in self._walk(prefix) if recurse else [(prefix, self)]:
            own, dot = vars(module), path + "." if path else ""
            yield from ((dot + n, v) for n, v in own.items() if isinstance(v, Parameter))
            yield from ((dot + n, own[n]) for n, persistent in own.get("_buffers", {}).items()
                        if own[n] is not None and (persistent or not saved))

    # ------------------------------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Tensor]:
        """Name -> value of all parameters and persistent buffers. The values share memory: training changes them."""
        return {name: t.detach() for name, t in self._held(saved=True)}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> LoadResult:
        """Write values (Tensors, arrays, PyTorch tensors on the host) into parameters and buffers of the same names.

        strict: every name must have a value, every value a name. Values are cast to the dtype that is there.
        Raises StateError that names each key, and both shapes where they differ; then nothing was written.
        """
        mine = dict(self._held(saved=True))
        missing = [k for k in mine if k not in state]
        unexpected = [k for k in state if k not in mine]
        host = {k: _host(state[k]) for k in mine if k in state}
        wrong = [f"{k}: {tuple(v.shape)} in the file, {tuple(mine[k].shape)} in the model"
                 for k, v in host.items() if tuple(v.shape) != tuple(mine[k].shape)]
        if wrong or strict and (missing or unexpected):
            raise StateError(describe(
                f"the state does not fit {type(self).__name__}.", missing=", ".join(missing) if strict else None,
                unexpected=", ".join(unexpected) if strict else None, shapes="; ".join(wrong),
                fix="build the model with the sizes that it was saved with" if wrong else
                    "load_state_dict(state, strict=False) takes what fits"))
        for name, value in host.items():
            _overwrite(mine[name], value)
        return LoadResult(missing, unexpected)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients (or fill them with zeros)."""
        for p in self.parameters():
            if set_to_none or p.grad is None:
                p.grad = None
            else:
                p.grad.zero_()

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Train all parameters below, or freeze them."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def train(self, mode: bool = True) -> Module:
        """Training mode for this module and all below it."""
        for m in self.modules():
            m.training = mode
        return self

    def eval(self) -> Module:
        """Evaluation mode: no dropout."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call fn on every module below, then on this one: `model.apply(nn.init.keras_)`."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self, target: Any) -> Module:
        """Move to a device (`"cuda"`), or cast floats to a dtype (`mg.float64`), in place. Gradients go along."""
        where = tape.destination(target)
        onto, dtype = (where, None) if isinstance(where, Device) else (None, where)
        if dtype is not None and dtype.kind != "f":
            raise DTypeError(f"parameters are floats, and cannot become {dtype}")
        for t in {id(t): t for _, t in self._held()}.values():
            for x in (t, t.grad):
                if x is not None:
                    _convert(x, onto, dtype)
        return self

    # ------------------------------------------------------------------------------------------ showing

    def extra_repr(self) -> str:
        """What stands in the brackets of the printed layer."""
        return ""

    def __repr__(self) -> str:
        return f"{self._tree()}  # {_count(self):,} parameters"

    def _tree(self) -> str:
        lines = [f"  {name}: {child._tree()}  # {_count(child):,}".replace("\n", "\n  ")
                 for name, child in self._children()]
        head = f"{type(self).__name__}({self.extra_repr()}"
        return "\n".join([head, *lines, ")"]) if lines else head + ")"


class ModuleList(Module):
    """Modules in a list whose parameters are found; names are "0", "1", ..."""

    def __init__(self, modules: Any = ()) -> None:
        for m in modules:
            self.append(m)

    def append(self, module: Module) -> ModuleList:
        """One module more at the end."""
        setattr(self, str(len(self)), _module(self, module))
        return self

    def extend(self, modules: Any) -> ModuleList:
        """Several modules more at the end."""
        for m in modules:
            self.append(m)
        return self

    def __setitem__(self, index: int, module: Module) -> None:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"module {index} of {n}")
        setattr(self, str(index % n), _module(self, module))

    def __len__(self) -> int:
        return sum(1 for _ in self._children())

    def __iter__(self) -> Iterator[Module]:
        return (m for _, m in self._children())

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self)[index]
        return found if isinstance(found, Module) else type(self)(found)


class ModuleDict(Module):
    """Modules by name: `layers["query"]`; their parameters are found, under those names."""

    def __init__(self, modules: Any = ()) -> None:
        self.update(modules)

    def update(self, modules: Any) -> None:
        """Add the modules of a dict, or of pairs."""
        for name, module in modules.items() if hasattr(modules, "items") else modules:
            self[name] = module

    def __setitem__(self, name: str, module: Module) -> None:
        if not isinstance(name, str) or not name or "." in name or hasattr(type(self), name):
            raise MinigradError(f"{name!r} cannot name a module: not text, empty, dotted, or a method's name")
        setattr(self, name, _module(self, module))

    def __getitem__(self, name: str) -> Module:
        return dict(self._children())[name]

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in dict(self._children())

    def __len__(self) -> int:
        return sum(1 for _ in self._children())

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._children())

    def keys(self) -> Iterator[str]:
        """The names, in the order in which they were set."""
        return iter(self)

    def values(self) -> Iterator[Module]:
        """The modules."""
        return (m for _, m in self._children())

    def items(self) -> Iterator[tuple[str, Module]]:
        """Names and modules."""
        return self._children()


def _module(holder: Module, value: Any) -> Module:
    """A module, as it is.  Raises TypeError for another value, which would be neither called nor trained."""
    if isinstance(value, Module):
        return value
    what = getattr(value, "__name__", type(value).__name__)
    made = isinstance(value, type) and issubclass(value, Module)
    raise TypeError(describe(f"{type(holder).__name__} holds modules, and {what} is none.",
                             fix=f"nn.{what}(), an object of the class" if made else
                                 "a layer (nn.Tanh() for tanh), or a Module whose forward calls it"))


def _once(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Pairs whose object was not yielded before."""
    seen: set[int] = set()
    for name, value in pairs:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _count(module: Module) -> int:
    return sum(p.data.size for p in module.parameters())


def _host(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        return value.device.numpy(value.data)
    return np.asarray(value.detach() if hasattr(value, "detach") else value)           # a parameter of PyTorch


def _overwrite(tensor: Tensor, host: np.ndarray) -> None:
    """Write host values into a tensor's memory, recorded or not; an older graph that needs it is then refused."""
    touch(tensor)
    tensor.data[...] = tensor.device.asarray(host.astype(tensor.dtype))


def _convert(tensor: Tensor, onto: Device | None, dtype: Any) -> None:
    """Give a tensor new memory on a device, or of a dtype; graphs that saved the old memory keep it."""
    if onto is not None and onto is not tensor.device:
        tensor.data, tensor.device = onto.asarray(tensor.device.numpy(tensor.data)), onto
    elif dtype is not None and tensor.dtype.kind == "f" and tensor.dtype != dtype:
        tensor.data = tensor.data.astype(dtype)
    else:
        return
    tensor.version = [0, 0, None]
