"""The optimisers: each is its update rule, in PyTorch's order of operations, on flat arrays.

`_update` gets a piece of the parameters p, of the gradient g, of each state array, and a scratch array u, all of one
length. It writes p and the state in place and leaves g as it is. g is the gradient; products are elementwise.
`_numbers` adds to the settings what depends on the step. `kernel` names the same update in `kernels/adam.cu`, which
takes these numbers.
"""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .base import Optimizer


class SGD(Optimizer):
    """Gradient descent, with momentum:  b = mu b + (1 - dampening) g;  p = p - lr b  (nesterov: p - lr (g + mu b)).

    The first step sets b = g. weight_decay adds weight_decay * p to the gradient.
    """

    kernel = "sgd", 1

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.0, dampening: float = 0.0,
                 weight_decay: float = 0.0, nesterov: bool = False) -> None:
        if nesterov and (not momentum or dampening):
            raise ValueError("nesterov needs a momentum above 0 and no dampening")
        self.state_names = ("momentum_buffer",) if momentum else ()
        super().__init__(params, lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
                         nesterov=nesterov)

    def _numbers(self, group: dict[str, Any], step: int) -> dict[str, float]:
        """b = keep b + take g"""
        mu = group["momentum"]
        keep, take = (0.0, 1.0) if step == 1 else (mu, 1 - group["dampening"])
        return {"lr": group["lr"], "keep": keep, "take": take, "ahead": mu if group["nesterov"] else 0.0,
                "decay": group["weight_decay"]}

    def _update(self, xp: Any, group: dict[str, Any], p: Any, g: Any, state: list[Any], u: Any) -> None:
        g = decayed(group, p, g)
        if group["momentum"]:
            b, = state
            b *= group["keep"]
            b += g * group["take"] if group["dampening"] else g
            g = g + group["momentum"] * b if group["nesterov"] else b
        xp.multiply(g, group["lr"], out=u)
        p -= u


class Adagrad(Optimizer):
    """Duchi et al. 2011:  s = s + g^2;  p -= lr / (1 + (t - 1) lr_decay) g / (sqrt s + eps)."""

    state_names = ("sum",)

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, lr_decay: float = 0.0, weight_decay: float = 0.0,
                 initial_accumulator_value: float = 0.0, eps: float = 1e-10) -> None:
        self.state_fill = initial_accumulator_value
        super().__init__(params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay,
                         initial_accumulator_value=initial_accumulator_value, eps=eps)

    def _numbers(self, group: dict[str, Any], step: int) -> dict[str, float]:
        """The rate falls by itself."""
        return {"lr": group["lr"] / (1 + (step - 1) * group["lr_decay"])}

    def _update(self, xp: Any, group: dict[str, Any], p: Any, g: Any, state: list[Any], u: Any) -> None:
        s, = state
        g = decayed(group, p, g)
        xp.multiply(g, g, out=u)
        s += u
        xp.sqrt(s, out=u)
        u += group["eps"]
        xp.divide(g, u, out=u)
        u *= group["lr"]
        p -= u


class RMSprop(Optimizer):
    """Hinton's lecture 6e:  v = a v + (1 - a) g^2;  d = g / (sqrt v + eps);  b = mu b + d;  p -= lr b.

    centered: v minus the square of the mean gradient m = a m + (1 - a) g, an estimate of the variance.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
                 weight_decay: float = 0.0, momentum: float = 0.0, centered: bool = False) -> None:
        self.state_names = ("square_avg", *(("grad_avg",) if centered else ()),
                            *(("momentum_buffer",) if momentum else ()))
        super().__init__(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                         centered=centered)

    def _update(self, xp: Any, group: dict[str, Any], p: Any, g: Any, state: list[Any], u: Any) -> None:
        a, mu, v = group["alpha"], group["momentum"], state[0]
        g = decayed(group, p, g)
        running_mean_of_square(xp, v, g, a, u)
        if group["centered"]:
            m = state[1]
            xp.subtract(g, m, out=u)
            u *= 1 - a
            m += u
            xp.multiply(m, m, out=u)
            xp.subtract(v, u, out=u)
            xp.sqrt(u, out=u)
        else:
            xp.sqrt(v, out=u)
        u += group["eps"]
        xp.divide(g, u, out=u)
        if mu:
            b = state[-1]
            b *= mu
            b += u
            xp.multiply(b, group["lr"], out=u)
        else:
            u *= group["lr"]
        p -= u


class Adadelta(Optimizer):
    """Zeiler 2012:  v = rho v + (1 - rho) g^2;  d = g sqrt(e + eps) / sqrt(v + eps);  e = rho e + (1 - rho) d^2;
    p -= lr d: a step has the unit of p, whatever the unit of the loss."""

    state_names = ("square_avg", "acc_delta")

    def __init__(self, params: Iterable[Any], lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6,
                 weight_decay: float = 0.0) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)

    def _update(self, xp: Any, group: dict[str, Any], p: Any, g: Any, state: list[Any], u: Any) -> None:
        (v, e), rho, eps = state, group["rho"], group["eps"]
        g = decayed(group, p, g)
        running_mean_of_square(xp, v, g, rho, u)
        d = xp.sqrt(e + eps)
        d /= xp.sqrt(v + eps)
        d *= g
        running_mean_of_square(xp, e, d, rho, u)
        d *= group["lr"]
        p -= d


class Adam(Optimizer):
    """Kingma and Ba 2015:  p -= lr m / (sqrt v + eps), with m, v running means of g and g^2, corrected for the start.

    weight_decay adds weight_decay * p to the gradient. PyTorch's order of operations, so float64 agrees to 1e-15.
    """

    state_names, kernel = ("exp_avg", "exp_avg_sq"), ("adam", 2)
    numbers = ("c1", "b2", "c2", "decay", "shrink", "eps", "rate")
    apart = False                              # is the decay apart from the gradient?

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)

    def _update(self, xp: Any, group: dict[str, Any], p: Any, g: Any, state: list[Any], u: Any) -> None:
        (m, v), multiply, add = state, xp.multiply, xp.add
        c1, b2, c2, decay, shrink, eps, rate = [group[name] for name in self.numbers]
        if group["weight_decay"] and self.apart:
            multiply(p, shrink, out=p)
        elif group["weight_decay"]:
            g = g + decay * p
        xp.subtract(g, m, out=u)               # m += (1 - b1) (g - m)
        multiply(u, c1, out=u)
        add(m, u, out=m)
        multiply(g, g, out=u)                  # v = b2 v + (1 - b2) g^2
        multiply(u, c2, out=u)
        multiply(v, b2, out=v)
        add(v, u, out=v)
        xp.sqrt(v, out=u)
        add(u, eps, out=u)
        xp.divide(m, u, out=u)
        multiply(u, rate, out=u)
        xp.subtract(p, u, out=p)

    def _numbers(self, group: dict[str, Any], step: int) -> dict[str, float]:
        """1 - b1, b2, 1 - b2, decay, shrink, eps, rate: both corrections join the last two, which saves two passes."""
        (b1, b2), lr, weight_decay = group["betas"], group["lr"], group["weight_decay"]
        decay, shrink = (0.0, 1 - lr * weight_decay) if self.apart else (weight_decay, 1.0)
        root = math.sqrt(1 - b2 ** step)
        return dict(zip(self.numbers, (1 - b1, b2, 1 - b2, decay, shrink, group["eps"] * root,
                                       lr * root / (1 - b1 ** step)), strict=True))


class AdamW(Adam):
    """Loshchilov and Hutter 2019: Adam whose decay is apart from the gradient,  p = (1 - lr weight_decay) p  first."""

    apart = True

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 1e-2) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


def decayed(group: dict[str, Any], p: Any, g: Any) -> Any:
    """g + weight_decay p: the gradient of the loss plus weight_decay / 2 |p|^2."""
    return g + group["weight_decay"] * p if group["weight_decay"] else g


def running_mean_of_square(xp: Any, v: Any, g: Any, a: float, u: Any) -> None:
    """v = a v + (1 - a) g^2, in place; u is scratch."""
    xp.multiply(g, g, out=u)
    u *= 1 - a
    v *= a
    v += u
