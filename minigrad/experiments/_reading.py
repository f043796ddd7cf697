"""Learning a text character by character, in rounds between which a run can be stopped and resumed."""
from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from minigrad import optim
from minigrad.data.melodies import melodies, melody_entropy
from minigrad.data.streams import streams
from minigrad.data.topics import split_text, topics_text
from minigrad.errors import StateError
from minigrad.experiments.harness import Context, ExperimentError
from minigrad.models.rnn_lm import train_chunk
from minigrad.models.text_model import TextModel

MOST = 10_000_000                              # characters of a file: far more than a run reads


def read_corpus(ctx: Context) -> tuple[tuple[str, ...], float | None]:
    """The parts to train on, to hold out and to test, and the entropy in nats a character where it is known.

    By the options `text` and `corpus`; with quick a small piece. Raises ExperimentError for a file that holds no text,
    or too little of it; FileNotFoundError.
    """
    rng, name, entropy = ctx.part("text"), ctx.options["text"], None
    if name is None and ctx.options["corpus"] == "notes":
        text, entropy = melodies(rng, 400 if ctx.quick else 4000), melody_entropy()
    elif name is None:
        text = topics_text()
    try:
        if name is not None:
            text = Path(name).read_text(encoding="utf-8")
        parts = split_text(text[:40_000 if ctx.quick else MOST], rng)
    except ValueError as error:                # undecodable, or too short to be split
        raise ExperimentError(f"{name}: {error}") from None
    if len(text) > MOST:
        ctx.say(f"{name}: the first {MOST:,} of {len(text):,} characters")
    return parts, entropy


class Reading:
    """A run's progress beside weights and Adam: the state after the last chunk, the best bits so far, the samples.

    text: of which a checkpoint can only be resumed with the same.
    """

    def __init__(self, ctx: Context, text: str) -> None:
        self.device, self.text = ctx.device, crc32(text.encode())
        self.state: Any = None
        self.best, self.samples = float("inf"), ""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"text": self.text, "state": self.state, "best": self.best, "samples": self.samples}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on from there. Raises StateError for a checkpoint of another text."""
        if saved["text"] != self.text:
            raise StateError("the checkpoint is that of another text: run without --resume")
        self.state = saved["state"] and tuple([s.to(self.device) for s in saved["state"]])
        self.best, self.samples = saved["best"], saved["samples"]


def read(ctx: Context, writer: TextModel, train: str, held_out: str, *, rounds: int, updates: int, steps: int,
         batch: int, rate: float) -> TextModel:
    """Truncated BPTT through the text: `rounds` times `updates` chunks of `steps` characters in `batch` streams.

    After each round: bits per character held out, a sample of 200 characters, which is said and kept in samples.txt,
    and model.npz, if the bits are the best so far. Returns the model that is there at the end.
    The rate falls to 0 as a cosine. A run that was stopped and resumed ends with the same bits: the state of the
    streams is in the checkpoint, and samples draw from generators of their own.
    """
    ids, valid = writer.encode(train), writer.encode(held_out)
    model, reading = ctx.to_device(writer.model), Reading(ctx, train)
    adam = optim.Adam(model.parameters(), lr=rate)
    batch = max(1, min(batch, len(ids) // (4 * steps)))        # a short text has room for few streams
    chunks = None
    for k in ctx.rounds(rounds, model=model, optimizer=adam, reading=reading):
        chunks = chunks or islice(streams(ids, batch, steps, passes=None), k * updates, None)
        losses = []
        for i, (x, y, fresh) in enumerate(islice(chunks, updates), k * updates):
            adam.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * i / (rounds * updates))) / 2
            state = None if fresh else reading.state
            loss, reading.state = train_chunk(model, adam, ctx.tensor(x), ctx.tensor(y), state)
            losses.append(loss)
        bits = model.bits(valid, batch=min(16, len(valid) // 2))
        ctx.log((k + 1) * updates, loss=np.mean(losses), bits=np.mean(losses) / math.log(2), held_out=bits)
        sample = writer.write(np.random.default_rng((ctx.seed, k)), 200, temperature=0.8)
        reading.samples += f"--- {(k + 1) * updates} updates, {bits:.3f} bits per character\n{sample}\n\n"
        ctx.say(reading.samples[reading.samples.rindex("---"):])
        (ctx.folder / "samples.txt").write_text(reading.samples, encoding="utf-8")
        if bits < reading.best:
            reading.best = bits
            writer.save(ctx.folder / "model.npz")
    best = TextModel.load(ctx.folder / "model.npz")
    ctx.to_device(best.model)
    return best
