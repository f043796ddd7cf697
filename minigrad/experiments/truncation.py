"""What truncated BPTT can learn.   Chemnitz, *Truncated BPTT*; Escalera, *Truncated Backpropagation through time*.

The decks: cut the sequence into chunks; the state is carried on for ever, the gradient stays inside a chunk. On an echo
of five steps a chunk of 6 is the shortest whose last answer and its bit lie in one chunk. From a small start shorter
chunks learn nothing (log 2, a guess), longer ones all of it; so does the true truncation, k1 = 1, over k2 = 6 steps.

The state alone can carry the bit too: an orthogonal W_h, never trained, is a reservoir from which a linear reading
learns the echo with any chunk. Trained through chunks of 2 to 5 steps the network unlearns it, and is back at log 2.
"""
from __future__ import annotations

from collections.abc import Callable

from minigrad import nn, no_grad, optim, viz
from minigrad.data.memory_tasks import COIN_BASELINE, echo
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.sequence_reader import SequenceReader
from minigrad.nn import functional as F
from minigrad.tensor import Tensor

LAG, CHUNKS, UPDATES = 5, (1, 2, 3, 4, 5, 6, 7, 8, 10), 1500


def network(hidden: int, start: Callable[[Tensor], object]) -> SequenceReader:
    """A tanh network with its answer at every step; start(W_h) fills W_h."""
    model = SequenceReader(nn.RNN(1, hidden, batch_first=True), every_step=True)
    start(dict(model.layer.named_parameters())["weight_hh_l0"])
    return model


def small() -> SequenceReader:
    """W_h uniform in +-0.1 / sqrt(H): what enters the state is gone after a step or two."""
    return network(16, lambda w: nn.init.uniform_(w, -0.1 / 4, 0.1 / 4))


def orthogonal() -> SequenceReader:
    """W_h orthogonal: it turns the state and shortens nothing, so the last bits all are in it."""
    return network(32, nn.init.orthogonal_)


def reservoir() -> SequenceReader:
    """The same, of which only the linear reading is trained: no gradient goes through time."""
    model = orthogonal()
    model.layer.requires_grad_(False)
    return model


STARTS: dict[str, tuple[str, Callable[[], SequenceReader], float]] = {          # result -> row, model, Adam's rate
    "small": ("small start", small, 5e-3),
    "orthogonal": ("orthogonal start", orthogonal, 5e-3),
    "reservoir": ("orthogonal, only the reading trained", reservoir, 2e-2),
}
truncation = Experiment(
    "truncation", ids="C9 E12 T25", slide="Escalera, *Truncated Backpropagation through time*",
    seconds=18, unit="test loss",
    labels={f"{name}_{k}": f"{row}, chunks of {k}" for name, (row, *_) in STARTS.items() for k in CHUNKS}
    | {"true_6": "small start, k1 = 1, k2 = 6"},
    targets=[*[Target(f"small_{k}", at_least=0.6) for k in CHUNKS if k <= LAG],
             *[Target(f"{name}_{k}", at_most=0.05) for name in ("small", "orthogonal") for k in CHUNKS if k > LAG],
             *[Target(f"reservoir_{k}", at_most=0.05) for k in CHUNKS], Target("true_6", at_most=0.05),
             Target("an orthogonal start is worse off trained through chunks of 2 to 5 than left alone",
                    holds=lambda r: all(r[f"orthogonal_{k}"] > 5 * r[f"reservoir_{k}"] for k in (2, 3, 4, 5)))])


def train(ctx: Context, part: str, make: Callable[[], SequenceReader], rate: float, updates: int, k1: int,
          k2: int | None = None) -> float:
    """The test loss after `updates` parts of k1 steps of one long echo: Adam, batches of 32, gradients clipped to 1."""
    rng = ctx.part(part)
    model = ctx.to_device(make())
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = optim.Adam(parameters, lr=rate)
    x, answers = map(ctx.tensor, echo(rng, 32, updates * k1, LAG))
    for start, h, _ in ctx.progress(nn.truncated(model.layer, x, k1=k1, k2=k2)):
        loss = F.binary_cross_entropy_with_logits(model.read(h), answers[:, start:start + k1])
        adam.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(parameters, 1.0)
        adam.step()
        if start // k1 % 50 == 49:
            ctx.log(start // k1 + 1, training=loss)
    ctx.checkpoint(updates, model=model, optimizer=adam)
    x, answers = map(ctx.tensor, echo(rng, 64, 200, LAG))
    with no_grad():                            # the first answers are bits from before x
        return F.binary_cross_entropy_with_logits(model(x)[:, LAG:], answers[:, LAG:]).item()


@truncation.run
def run(ctx: Context) -> None:
    """Every start with chunks of every length, and true truncation beside them."""
    chunks, updates = ((2, 5, 10), 300) if ctx.quick else (CHUNKS, UPDATES)
    results = {f"{name}_{k}": train(ctx, f"{row}, chunks of {k}", make, rate, updates, k)
               for name, (row, make, rate) in STARTS.items() for k in chunks}
    ctx.result(**results, true_6=train(ctx, "small start, k1 = 1, k2 = 6", *STARTS["small"][1:], updates, 1, LAG + 1))
    ctx.part("test, small start, by length of the chunk")
    for k in chunks:
        ctx.log(k, loss=results[f"small_{k}"])
    shortest = next((k for k in chunks if results[f"small_{k}"] < 0.05), "no")
    lines = {row: (chunks, [results[f"{name}_{k}"] for k in chunks]) for name, (row, *_) in STARTS.items()}
    ctx.figure("loss", viz.curves, {f"echo of {LAG} steps, after {updates} updates": lines},
               xlabel="steps in a chunk", ylabel="test loss", levels={"a guess: log 2": COIN_BASELINE},
               title=f"From a small start chunks of {shortest} steps and more learn the echo, in a reservoir all do")
