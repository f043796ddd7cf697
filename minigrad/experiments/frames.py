"""Films: one label a film, one a frame, the next frame.   Escalera, *Recurrent Neural Networks: Process Sequences*.

The deck's drawings of many to one and of many to many frame by frame, Chemnitz's table of LSTM architectures, and the
convolutional weights it names once (*LSTM networks*). Each task is built so that frames alone are not enough. A film
and the same film backwards have the same frames: whatever reads them one by one and takes the mean is right for exactly
one of the two. A ball that rests came from the left or from the right, which two frames do not show once it has rested
for two. The next frame is one of four for who sees one frame; copying the last one is never right. The ConvLSTM learns
it on 8 x 8 pixels and is tested on 12 x 12, for its weights belong to no place.
"""
from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad import nn, no_grad, optim
from minigrad.data.films import Films, bouncing_films, drifting_films, walking_films
from minigrad.experiments import Context, Experiment, Target
from minigrad.models.video import FilmReader, FramesAlone, NextFrame
from minigrad.nn import functional as F

from ._films_shown import following, pair, walk

SIZE, LARGE = 8, 12
Network = tuple[str, Callable[[], nn.Module], int, float]      # row, model, epochs, Adam's rate
FILM: dict[str, Network] = {
    "film": ("GRU over the frames", lambda: FilmReader(SIZE, 2), 10, 5e-3),
    "film_alone": ("Mean of what each frame says", lambda: FramesAlone(SIZE, 2), 6, 5e-3)}
FRAME: dict[str, Network] = {
    "frame": ("GRU over the frames", lambda: FilmReader(SIZE, 4, every_frame=True), 16, 5e-3),
    "frame_one": ("One frame", lambda: FramesAlone(SIZE, 4, every_frame=True), 6, 5e-3),
    "frame_two": ("Two frames", lambda: FramesAlone(SIZE, 4, every_frame=True, back=2), 12, 5e-3)}
NEXT: dict[str, Network] = {
    "next": ("ConvLSTM", NextFrame, 16, 1e-2),
    "next_alone": ("ConvLSTM, state emptied each frame", lambda: NextFrame(memory=False), 8, 1e-2)}
TASKS = {"film": ("direction of a film", FILM), "frame": ("label of each frame", FRAME), "next": ("next frame", NEXT)}
LABELS = {name: f"{row}: {words}" for words, networks in TASKS.values() for name, (row, *_) in networks.items()}
LABELS["next_copy"] = "Copy of the last frame: next frame"

frames = Experiment(
    "frames", ids="C25 C34 E1 T9", slide="Escalera, *Recurrent Neural Networks: Process Sequences*",
    seconds=15, unit="share right", labels=LABELS, targets=[
        Target("film", at_least=0.97), Target("frame", at_least=0.97), Target("next", at_least=0.97),
        Target("the mean of what each frame says: exactly one half, within 0.001",
               holds=lambda r: abs(r["film_alone"] - 0.5) < 1e-3),
        Target("frame_one", at_most=0.33), Target("frame_two", at_most=0.85),
        Target("next_alone", at_most=0.4), Target("next_copy", at_most=0.0)])


def train(ctx: Context, part: str, make: Callable[[], nn.Module], x: np.ndarray, y: np.ndarray, epochs: int,
          rate: float) -> nn.Module:
    """A network after Adam on the cross-entropy of its answers, 20 films a batch.  y (N,), or (N, T) with -100."""
    ctx.part(part)
    model = ctx.to_device(make())
    adam = optim.Adam(model.parameters(), lr=rate)
    for epoch in ctx.rounds(8 if ctx.quick else epochs, model=model, optimizer=adam):
        losses = []
        for rows in np.array_split(ctx.rng.permutation(len(x)), -(-len(x) // 20)):
            scores = model(ctx.tensor(x[rows])).reshape(y[rows].size, -1)      # classes, or the pixels of a frame
            loss = F.cross_entropy(scores, ctx.tensor(y[rows].ravel()))
            adam.zero_grad()
            loss.backward()
            optim.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            losses.append(loss.item())
        ctx.log(epoch, loss=np.mean(losses))
    return model


def scores(ctx: Context, model: nn.Module, x: np.ndarray) -> np.ndarray:
    """What the model says of each film."""
    with no_grad():
        return model(ctx.tensor(x)).cpu().numpy()


def brightest(x: np.ndarray) -> np.ndarray:
    """Which pixel: (N, T, size, size) -> (N, T)"""
    return x.reshape(*x.shape[:2], -1).argmax(-1)


@frames.run
def run(ctx: Context) -> None:
    """Train every network on its task, ask it about films it has not seen, and show a film of each kind."""
    rng, few, many = ctx.part("films"), 10 if ctx.quick else 200, 10 if ctx.quick else 400
    results, answers, shown = dict[str, float](), dict[str, np.ndarray](), dict[str, Films]()
    for task, make_films in {"film": drifting_films, "frame": walking_films}.items():
        (x, y), tests = make_films(rng, many), make_films(rng, few)
        shown[task], networks = tests, TASKS[task][1]
        for name, (_, make, epochs, rate) in networks.items():
            model = train(ctx, LABELS[name], make, x, y, epochs, rate)
            answers[name] = scores(ctx, model, tests.x).argmax(-1)
            results[name] = (answers[name] == tests.y)[tests.y >= 0].mean()
    x, large = bouncing_films(rng, few), bouncing_films(rng, few, size=LARGE)
    truth = brightest(large)[:, 2:]            # two frames have been seen before these
    results["next_copy"] = (brightest(large)[:, 1:-1] == truth).mean()
    for name, (_, make, epochs, rate) in NEXT.items():
        model = train(ctx, LABELS[name], make, x[:, :-1], brightest(x[:, 1:]), epochs, rate)
        answers[name] = scores(ctx, model, large[:, :-1])
        results[name] = (brightest(answers[name])[:, 1:] == truth).mean()
    ctx.result(**results)

    ctx.figure("pair", pair, shown["film"], {"GRU": answers["film"], "mean": answers["film_alone"]},
               f"Backwards, a film has the same frames: their mean is right {results['film_alone']:.0%} of the time, a "
               f"GRU over them {results['film']:.0%}")
    ctx.figure("labels", walk, shown["frame"], {row: answers[name] for name, (row, *_) in FRAME.items()},
               f"What came before a rest: a GRU has {results['frame']:.0%} of all frames right, two frames "
               f"{results['frame_two']:.0%}, one frame {results['frame_one']:.0%}")
    ctx.figure("next", following, large[0], {row: answers[name][0] for name, (row, *_) in NEXT.items()},
               f"Learned on films of {SIZE} pixels a side, the ConvLSTM has {results['next']:.0%} of the next frames "
               f"right on {LARGE}; from one frame alone, {results['next_alone']:.0%}")
