"""What all recurrent layers share: parameters, layers, directions, lengths, checkpoints, shapes.

A layer computes a sequence in one of two ways that tests hold equal: **readable**, a loop over its step, and **fused**,
one node for the whole sequence (`nn/fused/` on device cpu, `nn/gpu/` where the device has kernels). `fused=False`
chooses the loop.
"""
from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import cpu
from ..create import zeros
from ..errors import DeviceError, DTypeError, ShapeError, describe
from ..kernels import of
from ..memory import checkpoint as recomputed
from ..ops import concatenate, squeeze, stack, swapaxes, unsqueeze, where
from ..ops_select import split
from ..tensor import Tensor
from . import functional as F
from .forms import KINDS, Form, State, Weights, check_bias, given_state
from .utils.rnn import PackedSequence, pack_like, pad_packed_sequence

Sequence = tuple[Tensor, State]                # h of all steps (T, B, H), and the state after the last
MERGES = ("concat", "sum", "mean", "mul")


class Recurrent(Form):
    """The base of RNN, LSTM and GRU.

    x: (T, B, D), (B, T, D) with batch_first, or (T, D) unbatched; or a PackedSequence.  State: (layers * directions, B,
    H), or (layers * directions, H) unbatched; zeros if not given.  Output: (T, B, directions * H), and the final state.
    """

    def _make(self, input_size: int, hidden_size: int, num_layers: int, bias: bool | str, batch_first: bool,
              dropout: float, bidirectional: bool, merge: str, fused: bool, checkpoint: int) -> None:
        """Check the options that all layers have, and make the parameters. The form's own were chosen before."""
        if min(input_size, hidden_size, num_layers) < 1:
            raise ShapeError(f"sizes of {type(self).__name__} are at least 1: input_size={input_size}, "
                             f"hidden_size={hidden_size}, num_layers={num_layers}")
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout is a probability in [0, 1], not {dropout!r}")
        if dropout and num_layers == 1:
            warnings.warn(f"dropout={dropout} lies between layers, and this {type(self).__name__} has one: it does "
                          "nothing", stacklevel=3)
        if merge not in MERGES:
            raise ValueError(f"merge is one of {', '.join(MERGES)}, not {merge!r}")
        if merge != "concat" and not bidirectional:
            raise ValueError(f"merge={merge!r} joins two directions: pass bidirectional=True")
        if checkpoint < 0:
            raise ValueError(f"checkpoint is how many steps a chunk has, or 0 for none: not {checkpoint!r}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = check_bias(bias), batch_first, dropout
        self.bidirectional, self.merge, self.fused, self.checkpoint = bidirectional, merge, fused, checkpoint
        ways = ("", "_reverse") if bidirectional else ("",)
        suffixes = [f"_l{layer}{way}" for layer in range(num_layers) for way in ways]
        self._names = tuple([tuple([kind + suffix for kind in KINDS]) for suffix in suffixes])
        above = self.output_size * (len(ways) if merge == "concat" else 1)
        for k, suffix in enumerate(suffixes):
            self._add_parameters(input_size if k < len(ways) else above, suffix)

    # ------------------------------------------------------------------------------------------ one layer, one way

    def sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: Any) -> Sequence:
        """One layer in one direction: the fused node where there is one and it is chosen, else the loop.

        x (T, B, D), 0 where alive (T, B) is False; state or None for zeros -> h of all steps (T, B, H), last state.
        alive: bool, an array of x's device, or None where all is True.
        """
        run = self.loop
        if self.fused and x.device is cpu:
            run = self.fused_sequence
        elif self.fused and of(x.device.xp, x.dtype) is not None:
            run = self.kernel_sequence
        if self.checkpoint:
            return self._in_chunks(run, x, state, w, reverse, alive)
        return run(x, state, w, reverse, alive)

    def fused_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: np.ndarray | None
                       ) -> Sequence:
        """The whole sequence as one node; `sequence` says what of what."""
        raise NotImplementedError

    def kernel_sequence(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: Any) -> Sequence:
        """The whole sequence as one node of GPU kernels, in float32; the loop where a form has none."""
        return self.loop(x, state, w, reverse, alive)

    def loop(self, x: Tensor, state: State | None, w: Weights, reverse: bool, alive: Any) -> Sequence:
        """The whole sequence as a loop over `step`. Where an example has ended its state stays, and its output is 0."""
        state = self._full(x, state)
        steps, outputs = x.unbind(0), []
        masks = None if alive is None else Tensor(alive[..., None], False, x.device).unbind(0)
        for t in range(len(steps))[::-1 if reverse else 1]:
            new = self.step(steps[t], state, w)
            if masks is None:
                state = new
                outputs.append(new[0])
            else:                              # (B, 1)
                state = tuple([where(masks[t], a, b) for a, b in zip(new, state, strict=True)])
                outputs.append(where(masks[t], new[0], 0.0))
        return stack(outputs[::-1] if reverse else outputs), state

    def _full(self, x: Tensor, state: State | None) -> State:
        """The state that the loop carries, with zeros for what was not given."""
        given = state or ()
        return (*given, *[zeros(x.shape[1], size, dtype=x.dtype, device=x.device)
                          for size in self.state_sizes[len(given):]])

    def _in_chunks(self, run: Callable[..., Sequence], x: Tensor, state: State | None, w: Weights, reverse: bool,
                   alive: Any) -> Sequence:
        """The sequence in pieces that are computed again in backward: kept are outputs, and the states between pieces.

        Chen et al. 2016: for T steps in pieces of about sqrt(T) both parts are small.
        """
        pieces, outputs = split(x, self.checkpoint), []
        for i in range(len(pieces))[::-1 if reverse else 1]:
            part = slice(i * self.checkpoint, (i + 1) * self.checkpoint)
            y, *last = recomputed(_piece, pieces[i], state, w, run, reverse, None if alive is None else alive[part])
            state = tuple(last)
            outputs.append(y)
        assert state is not None
        return concatenate(outputs[::-1] if reverse else outputs), state

    # ------------------------------------------------------------------------------------------ all of them

    def forward(self, x: Tensor | PackedSequence, hx: Any = None, lengths: Any = None) -> tuple[Any, Any]:
        """x (T, B, D), hx (layers * directions, B, H) -> output (T, B, directions * H), final state like hx.

        x may be a PackedSequence: then the output is one, packed alike, and states stand in the order before packing.

        lengths: how many steps each example has, B integers in any order, each from 1 to T. After its end an example's
        state stays as it is, so the final state is that of its last step; outputs there are 0; what stands in x there
        (even NaN) changes nothing. The reverse direction starts at each example's own end. Lengths that lie on a device
        are not checked, for to look at them would wait for it: more than T counts as T, less than 1 as no step.
        Raises ShapeError, DTypeError, DeviceError, TypeError (x or hx is no Tensor).
        """
        if isinstance(x, PackedSequence):
            return self._packed(x, hx, lengths)
        return self._padded(x, hx, lengths)

    def _padded(self, x: Tensor, hx: Any, lengths: Any) -> tuple[Tensor, Any]:
        given = given_state(self, x, hx, len(self.state_sizes))
        single = x.ndim == 2
        self._check(x, given)
        if single:
            x, given = unsqueeze(x, 1), given and tuple([unsqueeze(s, 1) for s in given])
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        alive = None if lengths is None else self._alive(x, lengths, single)
        if alive is not None:
            alive = x.device.asarray(alive)    # once for all layers
            x = where(Tensor(alive[..., None], False, x.device), x, 0.0)
        starts = [None] * len(self._names) if given is None else _apart(given)
        finals, own, ways, parts = [], vars(self), 1 + self.bidirectional, len(self.state_sizes)
        for k in range(0, len(starts), ways):
            if k and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for i in range(k, k + ways):
                w = Weights._make([own.get(name) for name in self._names[i]])
                y, final = self.sequence(x, starts[i], w, i > k, alive)
                outputs.append(y)
                finals.append(final[:parts])
            x = self._merged(*outputs) if ways > 1 else y
        last = _together(finals)
        if single:
            x, last = squeeze(x, 1), tuple([squeeze(s, 1) for s in last])
        elif self.batch_first:
            x = swapaxes(x, 0, 1)
        return x, last if parts > 1 else last[0]

    def _packed(self, x: PackedSequence, hx: Any, lengths: Any) -> tuple[PackedSequence, Any]:
        if lengths is not None:
            raise ValueError("a PackedSequence has its lengths: leave lengths=None")
        padded, lengths = pad_packed_sequence(x, self.batch_first)
        y, last = self._padded(padded, hx, lengths)
        return pack_like(y, x, self.batch_first), last

    def _merged(self, there: Tensor, back: Tensor) -> Tensor:
        """The outputs of two directions as one: (T, B, 2 H) under "concat", else (T, B, H)."""
        if self.merge == "concat":
            return concatenate([there, back], -1)
        if self.merge == "mul":
            return there * back
        return there + back if self.merge == "sum" else (there + back) * 0.5

    # ------------------------------------------------------------------------------------------ checks

    def _alive(self, x: Tensor, lengths: Any, single: bool) -> np.ndarray | None:
        """Which example (of B) has which step (of T): (T, B), or None where all have all."""
        (T, B), name = x.shape[:2], type(self).__name__
        if (isinstance(lengths, Tensor) and lengths.device is x.device is not cpu and lengths.dtype.kind in "iu"
                and lengths.shape == (B,) and not single):     # nobody looks at them: that would wait for the device
            return x.device.xp.arange(T)[:, None] < lengths.data
        n = lengths.device.numpy(lengths.data) if isinstance(lengths, Tensor) else np.asarray(lengths)
        if n.dtype.kind not in "iu":
            raise DTypeError(f"lengths of {name} are integers, and these are {n.dtype}")
        if single or n.shape != (B,):
            raise ShapeError(describe(f"lengths of {name} are {n.shape}, and " + (
                "x is one sequence without a batch." if single else f"x has a batch of {B}."), x=x._made(),
                fix="cut x to its length" if single else f"({B},): one length for each example"))
        if n.min() < 1 or n.max() > T:
            worst = int(np.argmax((n < 1) | (n > T)))
            raise ShapeError(describe(f"lengths of {name} are from 1 to T = {T}, and example {worst} has {n[worst]}.",
                                      x=x._made(), fix="leave empty sequences out of the batch" if n[worst] < 1 else
                                      "pad x to the longest, or pass the lengths before padding"))
        return None if n.min() == T else np.arange(T)[:, None] < n

    def _check(self, x: Tensor, given: State | None) -> None:
        """Raise ShapeError, DeviceError or DTypeError with this layer's name and sizes."""
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(describe(f"{self._tree()} cannot take {tuple(x.shape)}.", x=x._made(), fix="x is " + (
                f"(B, T, {self.input_size})" if self.batch_first else f"(T, B, {self.input_size})")
                + f", or (T, {self.input_size}) unbatched"))
        if 0 in x.shape[:-1]:
            raise ShapeError(describe(f"{self._tree()} needs at least one step and one example: x is "
                                      f"{tuple(x.shape)}.", x=x._made()))
        weight = vars(self)[self._names[0][0]]
        for what, t in (("x", x), *[("its state", s) for s in given or ()]):
            if t.device is not weight.device:
                raise DeviceError(describe(f"{self._tree()} lies on {weight.device.name!r}, and {what} on "
                                           f"{t.device.name!r}.", made_at=t._made(),
                                           fix=f"model.to({t.device.name!r}), or {what.split()[-1]}.to(...)"))
            if t.dtype.kind == "f" and t.dtype != weight.dtype:
                raise DTypeError(describe(f"{self._tree()} is of {weight.dtype}, and {what} of {t.dtype}.",
                                          made_at=t._made(), fix=f"{what.split()[-1]}.to(mg.{weight.dtype}), or "
                                                                 f"model.to(mg.{t.dtype})"))
        if given is None:
            return
        batch = () if x.ndim == 2 else (x.shape[0 if self.batch_first else 1],)
        for s, size in zip(given, self.state_sizes, strict=True):
            shape = (len(self._names), *batch, size)
            if s.shape != shape:
                raise ShapeError(describe(f"the state of {self._tree()} is {tuple(s.shape)}, and x {tuple(x.shape)} "
                                          f"needs {shape}.", state=s._made(), fix="(layers * directions, B, H)"))


def _piece(x: Tensor, state: State | None, w: Weights, run: Callable[..., Sequence], reverse: bool, alive: Any
           ) -> tuple[Tensor, ...]:
    """A piece of a sequence, flat: what `mg.checkpoint` calls now and once more in backward."""
    y, state = run(x, state, w, reverse, alive)
    return (y, *state)


def _apart(given: State) -> list[Any]:
    """(layers * directions, B, H) each -> the state (B, H) of each layer and direction."""
    if len(given[0]) == 1:                     # a view: one node, and no copy in backward
        return [tuple([squeeze(s, 0) for s in given])]
    return list(zip(*[s.unbind(0) for s in given], strict=True))


def _together(finals: list[State]) -> State:
    """The reverse of `_apart`."""
    if len(finals) == 1:
        return tuple([unsqueeze(s, 0) for s in finals[0]])
    return tuple([stack(parts) for parts in zip(*finals, strict=True)])
