"""Training steps of Bahdanau's decoder, ours beside PyTorch's: the same weights, sizes, work and words."""
from __future__ import annotations

from typing import Any

import numpy as np

from .steps import Step

Arrays = dict[str, np.ndarray]


def _drawn(batch: int, places: int, steps: int, hidden: int) -> tuple[Arrays, Arrays]:
    """Inputs: words (B, T, E), annotations (B, S, 2 H), the first state (B, H), and the gradients of states and
    contexts. Parameters: of the score and of the cell."""
    rng, h = np.random.default_rng(0), hidden
    inputs = {"y": (batch, steps, h), "annotations": (batch, places, 2 * h), "s": (batch, h),
              "on_states": (batch, steps, h), "on_contexts": (batch, steps, 2 * h)}
    weights = {"w_s": (h, h), "w_a": (h, 2 * h), "v": (h,), "weight_ih": (3 * h, 3 * h), "weight_hh": (3 * h, h),
               "bias_ih": (3 * h,), "bias_hh": (3 * h,)}
    return ({k: rng.standard_normal(shape).astype(np.float32) for k, shape in inputs.items()},
            {k: rng.uniform(-h ** -0.5, h ** -0.5, shape).astype(np.float32) for k, shape in weights.items()})


def decoder(batch: int, places: int, steps: int, hidden: int) -> Step:
    """A step of the decoder of models.Bahdanau, with the gradients of words, annotations and first state."""
    import minigrad as mg
    from minigrad import optim
    from minigrad.models.bahdanau import Bahdanau, Memory
    inputs, weights = _drawn(batch, places, steps, hidden)
    y, annotations, s = leaves = [mg.tensor(inputs[k], requires_grad=True) for k in ("y", "annotations", "s")]
    on_states, on_contexts = mg.tensor(inputs["on_states"]), mg.tensor(inputs["on_contexts"])
    model = Bahdanau(8, 8, embedding=hidden, hidden=hidden)
    for part in (model.score, model.cell):
        part.load_state_dict({k: weights[k] for k in part.state_dict()})
    adam = optim.Adam([*model.score.parameters(), *model.cell.parameters()])

    def step() -> Any:
        adam.zero_grad()
        for leaf in leaves:
            leaf.grad = None
        states, contexts, _ = model.decode(y, Memory(s, annotations, model.score.project(annotations), None))
        loss = (states * on_states).sum() + (contexts * on_contexts).sum()
        loss.backward()
        adam.step()
        return loss
    return step


def torch_decoder(batch: int, places: int, steps: int, hidden: int) -> Step:
    """The same in PyTorch: a loop over `nn.GRUCell`, with its fused Adam."""
    import torch
    from torch import nn
    inputs, weights = _drawn(batch, places, steps, hidden)
    y, annotations, first = leaves = [torch.from_numpy(inputs[k]).requires_grad_() for k in ("y", "annotations", "s")]
    on_states, on_contexts = torch.from_numpy(inputs["on_states"]), torch.from_numpy(inputs["on_contexts"])
    w_s, w_a, v = (nn.Linear(n, m, bias=False) for n, m in ((hidden, hidden), (2 * hidden, hidden), (hidden, 1)))
    cell = nn.GRUCell(3 * hidden, hidden)
    for name, layer in (("w_s", w_s), ("w_a", w_a), ("v", v)):
        layer.weight.data.copy_(torch.from_numpy(weights[name]))
    cell.load_state_dict({k: torch.from_numpy(weights[k]) for k in cell.state_dict()})
    adam = torch.optim.Adam([p for m in (w_s, w_a, v, cell) for p in m.parameters()], fused=True)

    def step() -> Any:
        adam.zero_grad()
        for leaf in leaves:
            leaf.grad = None
        keys, s, states, contexts = w_a(annotations), first, [], []
        for word in y.unbind(1):
            alpha = torch.softmax(v(torch.tanh(keys + w_s(s)[:, None]))[..., 0], -1)
            c = torch.bmm(alpha[:, None], annotations)[:, 0]
            s = cell(torch.cat([word, c], -1), s)
            states.append(s)
            contexts.append(c)
        loss = (torch.stack(states, 1) * on_states).sum() + (torch.stack(contexts, 1) * on_contexts).sum()
        loss.backward()
        adam.step()
        return loss
    return step
