"""Which cell learns which lag.   Chemnitz, *Temporal dependencies (1)*, *(2)*; KTH, *LSTM*.

The decks: a recurrent network learns short dependencies and fails on long ones, an LSTM keeps what it needs. Here are
four cells on five tasks whose best memoryless answer is known, at 10, 25, 50 and 100 steps. A length is learned when
the mean loss of ten updates falls under a tenth of that answer's; the next length is tried only then.

The decks' order holds, and not alone: on the tasks with a lag tanh is behind the LSTM, and the LSTM behind the GRU
at this budget; a relu network that starts as the identity (Le 2015) adds as far as the GRU, and copies nothing. No cell
learns the parity of 25 bits that is asked for at the end; told at every step, where there is no lag, gates learn 100.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minigrad import nn, viz
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._memory_rows import TASKS
from minigrad.experiments._until_solved import Outcome, until_solved
from minigrad.models.sequence_reader import SequenceReader, identity_relu
from minigrad.nn.recurrent import Recurrent

H, LENGTHS, UPDATES, RATE, SHARE = 32, (10, 25, 50, 100), 1000, 1e-2, 0.1
CELLS: dict[str, tuple[str, Callable[[int], Recurrent]]] = {
    "tanh": ("RNN tanh", lambda inputs: nn.RNN(inputs, H, batch_first=True)),
    "relu": ("RNN relu, identity start", lambda inputs: identity_relu(inputs, H)),
    "lstm": ("LSTM, b_f = 1", lambda inputs: nn.LSTM(inputs, H, batch_first=True, forget_bias=1.0)),
    "gru": ("GRU", lambda inputs: nn.GRU(inputs, H, batch_first=True)),
}
LAGS = ("adding", "order", "copying")          # told at every step, parity has none; asked at the end, nobody learns it
AT_LEAST = {"adding_relu": 50, "adding_lstm": 25, "adding_gru": 50, "order_relu": 25, "order_lstm": 25, "order_gru": 25,
            "copying_lstm": 10, "copying_gru": 25, "parity_told_lstm": 50, "parity_told_gru": 50}
AT_MOST = {"adding_tanh": 25, "order_tanh": 50, "copying_tanh": 10, "copying_relu": 10,
           **{f"parity_{cell}": 10 for cell in CELLS}}


def total(results: Mapping[str, float], cell: str) -> float:
    """The sum of a cell's longest lengths on the tasks with a lag."""
    return sum(results[f"{task}_{cell}"] for task in LAGS)


memory = Experiment(
    "memory", ids="C10 C11 C23 K41 R9", slide="Chemnitz, *Temporal dependencies*",
    seconds=50, unit="longest length learned",
    labels={f"{task}_{cell}": f"{row.label}: {name}" for task, row in TASKS.items()
            for cell, (name, _) in CELLS.items()},
    targets=[*[Target(name, at_least=bar) for name, bar in AT_LEAST.items()],
             *[Target(name, at_most=bar) for name, bar in AT_MOST.items()],
             Target("over the tasks with a lag: tanh < LSTM < GRU",
                    holds=lambda r: total(r, "tanh") < total(r, "lstm") < total(r, "gru"))])


def climb(ctx: Context, task: str, cell: str) -> list[tuple[int, Outcome]]:
    """Lengths from the shortest up to the first that is not learned, each with a network and batches of its own."""
    row, (name, layer) = TASKS[task], CELLS[cell]

    def learn(steps: int) -> Outcome:
        return until_solved(ctx, f"{row.label}, {steps} steps, {name}",
                            lambda: SequenceReader(layer(row.inputs), row.outputs, row.every_step),
                            lambda rng: row.draw(rng, 32, steps), row.loss, bar=SHARE * row.baseline,
                            updates=100 if ctx.quick else UPDATES, rate=RATE)
    tried: list[tuple[int, Outcome]] = []
    for steps in (row.shortest,) if ctx.quick else LENGTHS:
        tried.append((steps, learn(steps)))
        if not tried[-1][1].solved:
            break
    return tried


@memory.run
def run(ctx: Context) -> None:
    """Every cell on every task, at growing lengths."""
    tried = {cell: {task: climb(ctx, task, cell) for task in TASKS} for cell in CELLS}
    grid = {cell: {task: max((n for n, o in steps if o.solved), default=0) for task, steps in row.items()}
            for cell, row in tried.items()}
    ctx.result(**{f"{task}_{cell}": grid[cell][task] for task in TASKS for cell in CELLS})
    names, tasks = [name for name, _ in CELLS.values()], [row.label for row in TASKS.values()]
    ctx.table("Longest length learned; what is left of a guess's loss at the first one not learned", ["", *tasks], [
        [name, *[f"{grid[cell][task]}" + "".join(f"; {o.loss / TASKS[task].baseline:.2f} at {n}" for n, o in steps
                                                 if not o.solved) for task, steps in tried[cell].items()]]
        for cell, name in zip(CELLS, names, strict=True)])
    furthest = CELLS[max(CELLS, key=lambda cell: total(ctx.results, cell))][0]
    parity = max(row["parity"] for row in grid.values())
    ctx.figure("lengths", viz.heatmap, np.array([list(row.values()) for row in grid.values()]), names, tasks,
               label="steps", title=f"{furthest} comes furthest where there is a lag; parity that is asked at the end "
                                    f"is learned {f'up to {parity} steps' if parity else 'by none'}")
