"""Learning rates over time, under PyTorch's names: call `schedule.step()` after `optimizer.step()`.

A schedule is a closed form: from the step t and the rates that the groups had when it was made, never from the rate of
the step before. So a resumed run has the same rates to the last bit, and setting t twice is setting it once.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .base import Optimizer


class Schedule:
    """The base: `factor(t)` times the rates that the groups had when the schedule was made (or `rate(t, base)`).

    last_epoch: t, the number of step() calls so far.
    """

    saved: tuple[str, ...] = ("last_epoch", "base_lrs")

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lrs = [g["lr"] for g in optimizer.param_groups]
        self.last_epoch = 0
        self._apply()

    def factor(self, t: int) -> float:
        """What the base rates are multiplied by at step t."""
        raise NotImplementedError

    def rate(self, t: int, base: float, group: int) -> float:
        """The rate of a group at step t."""
        return base * self.factor(t)

    def step(self) -> None:
        """One step further."""
        self.last_epoch += 1
        self._apply()

    def _apply(self) -> None:
        for i, (group, base) in enumerate(zip(self.optimizer.param_groups, self.base_lrs, strict=True)):
            group["lr"] = self.rate(self.last_epoch, base, i)

    def get_last_lr(self) -> list[float]:
        """The rates that are set now, one a group."""
        return [g["lr"] for g in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands. Functions (LambdaLR) are not in it: make the schedule with the same ones."""
        return {name: list(v) if isinstance(v := getattr(self, name), list) else v for name in self.saved}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there. The optimiser's rates are set as well, so it does not matter which of both loads first."""
        for name in self.saved:
            setattr(self, name, list(v) if isinstance(v := state[name], (list, tuple)) else v)
        self._apply()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(step {self.last_epoch}, lr {', '.join(f'{r:g}' for r in self.get_last_lr())})"


class StepLR(Schedule):
    """lr gamma^floor(t / step_size).  The decks' "divide the rate by ten every so often"."""

    saved = (*Schedule.saved, "step_size", "gamma")

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ValueError(f"step_size is at least 1, not {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """gamma^floor(t / step_size)"""
        return float(self.gamma ** (t // self.step_size))


class ExponentialLR(StepLR):
    """lr gamma^t."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, 1, gamma)


class CosineAnnealingLR(Schedule):
    """eta_min + (lr - eta_min) (1 + cos(pi t / T_max)) / 2  (Loshchilov and Hutter 2017): down in T_max steps."""

    saved = (*Schedule.saved, "T_max", "eta_min")

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        if T_max < 1:
            raise ValueError(f"T_max is at least 1, not {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, t: int, base: float, group: int) -> float:
        """Half a cosine; like PyTorch's, it rises again after T_max."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class LinearLR(Schedule):
    """A warm-up: lr times a factor that goes from start_factor to end_factor in total_iters steps, and stays."""

    saved = (*Schedule.saved, "start_factor", "end_factor", "total_iters")

    def __init__(self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0,
                 total_iters: int = 5) -> None:
        if not 0 < start_factor <= 1 or total_iters < 1:
            raise ValueError(f"start_factor is in (0, 1] and total_iters at least 1: {start_factor}, {total_iters}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """start + (end - start) min(t / total, 1)"""
        return self.start_factor + (self.end_factor - self.start_factor) * min(t / self.total_iters, 1.0)


class LambdaLR(Schedule):
    """lr times a function of t, one for all groups or a list with one for each.

    The Transformer's schedule (Vaswani 2017), with lr=1:

        lambda t: d ** -0.5 * min((t + 1) ** -0.5, (t + 1) / warmup ** 1.5)
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]]
                 ) -> None:
        groups = len(optimizer.param_groups)
        one = callable(lr_lambda)
        self.lr_lambdas: list[Any] = [lr_lambda] * groups if one else list(lr_lambda)      # type: ignore[arg-type]
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"{len(self.lr_lambdas)} functions for {groups} groups of parameters")
        super().__init__(optimizer)

    def rate(self, t: int, base: float, group: int) -> float:
        """base f(t)"""
        return base * float(self.lr_lambdas[group](t))


class ReduceLROnPlateau:
    """lr times factor when a number has not improved for more than `patience` calls: `schedule.step(validation_loss)`.

    mode: "min" (a loss) or "max" (an accuracy).  threshold: what counts as better, relative to the best so far
    (threshold_mode="rel") or in its unit ("abs").  cooldown: calls after a cut that are not counted.  min_lr: a number,
    or one for each group.
    """

    saved = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch", "mode", "factor", "patience", "threshold",
             "threshold_mode", "cooldown", "min_lrs", "eps")

    def __init__(self, optimizer: Optimizer, mode: str = "min", factor: float = 0.1, patience: int = 10,
                 threshold: float = 1e-4, threshold_mode: str = "rel", cooldown: int = 0,
                 min_lr: float | Sequence[float] = 0.0, eps: float = 1e-8) -> None:
        if factor >= 1:
            raise ValueError(f"factor is below 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(f"mode is 'min' or 'max', threshold_mode 'rel' or 'abs': {mode!r}, {threshold_mode!r}")
        groups = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(f"{len(self.min_lrs)} values of min_lr for {groups} groups of parameters")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def step(self, metrics: Any) -> None:
        """Take the number of this epoch (a float, or a tensor: that waits for its device)."""
        value = float(metrics)
        self.last_epoch += 1
        if self._better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lower = max(group["lr"] * self.factor, least)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _better(self, value: float) -> bool:
        """NaN is never better."""
        down = self.mode == "min"
        if self.threshold_mode == "rel":
            return value < self.best * (1 - self.threshold) if down else value > self.best * (1 + self.threshold)
        return value < self.best - self.threshold if down else value > self.best + self.threshold

    def get_last_lr(self) -> list[float]:
        """The rates that are set now, one a group."""
        return [g["lr"] for g in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """The best value, the counters, the settings, and the rates."""
        return {"lrs": self.get_last_lr(),
                **{name: list(v) if isinstance(v := getattr(self, name), list) else v for name in self.saved}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; the optimiser's rates are set as well."""
        for name in self.saved:
            setattr(self, name, list(v) if isinstance(v := state[name], (list, tuple)) else v)
        for group, rate in zip(self.optimizer.param_groups, state["lrs"], strict=True):
            group["lr"] = rate
