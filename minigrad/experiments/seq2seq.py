"""From a sequence to one of another length: a vector between, or attention.   Télécom, *Sequence to Sequence*.

One network reads, one writes (Chemnitz, *Many to Many: seq2seq*; KTH, *RNN Design Patterns: Encoder-Decoder*; Escalera,
*Sequence to Sequence*). The reader's last state is all that the writer gets, as its first state (Sutskever 2014) or at
every step too (Cho 2014); with attention it looks back at every place. Five tasks, all generated: dates in many forms
to one, number words to digits, letters reversed, letters copied (the autoencoder of the Chemnitz deck: only here is the
input its own target), and speech: letters are held for a while amid noise, and one is to be written for each. Sources
that are longer than any of the training are tested apart.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from minigrad.data._distinct import Pair
from minigrad.data.sequence_tasks import copying_text, dates, held_letters, merged, number_words, reversal
from minigrad.experiments import Context, Experiment, Option, Target
from minigrad.experiments._translating import (
    Texts,
    attention_maps,
    by_length,
    exact,
    learn,
    over_length,
    texts_of,
    written,
)
from minigrad.models.bahdanau import Bahdanau
from minigrad.models.seq2seq import Seq2Seq
from minigrad.viz.alignments import alignments

H, E, ROUNDS, TESTS = 64, 32, 8, 400


class Task(NamedTuple):
    """A generator of pairs; the longest source that is trained on; what sources are; what maps of attention show."""

    draw: Callable[..., list[Pair]]
    longest: int
    source: str
    seen: str


TASKS = {
    "dates": Task(dates, 24, "letters of the date", "the year stands last and is written first"),
    "numbers": Task(number_words, 8, "words of the number", "a digit looks at its word, or beside it"),
    "reversal": Task(reversal, 9, "letters to reverse", "the writer goes through the source from its end"),
    "copy": Task(copying_text, 9, "letters to copy", "the writer goes through the source from its beginning"),
    "speech": Task(held_letters, 32, "frames heard", "the look moves on, mostly to where a letter changes")}
MODELS: dict[str, tuple[str, Callable[..., Any]]] = {
    "start": ("one vector at the start", Seq2Seq),
    "every": ("one vector at every step", partial(Seq2Seq, context="every")), "attention": ("attention", Bahdanau)}

seq2seq = Experiment(
    "seq2seq", ids="C34 C42 T11 K23 E8", slide="Télécom, *Sequence to Sequence*", seconds=20, unit="exact match",
    labels={f"{name}_{where}": f"{row}, {what}" for name, (row, _) in MODELS.items()
            for where, what in (("test", "unseen sources"), ("longer", "longer than any trained on"))},
    options=[Option("task", "what is written from what", choices=tuple(TASKS))], targets=[
        Target("attention_test", at_least=0.85),
        Target("attention is right at least as often as one vector",
               holds=lambda r: r["attention_test"] >= max(r["start_test"], r["every_test"])),
        Target("on longer sources too, and by 10 points",
               holds=lambda r: r["attention_longer"] >= max(r["start_longer"], r["every_longer"]) + 0.1)])


def drawn(ctx: Context, task: Task) -> Texts:
    """Pairs to train on, unseen ones as long, and longer ones: no source is in two of them."""
    count, tests = (260, 30) if ctx.quick else (4500, TESTS)
    pairs = task.draw(ctx.part("data"), count)
    short = [pair for pair in pairs if len(pair[0]) <= task.longest]
    return texts_of(short[tests:], short[:tests], [pair for pair in pairs if len(pair[0]) > task.longest][:tests])


@seq2seq.run
def run(ctx: Context) -> None:
    """Train both models on the task, count what they write without a mistake, and show where attention looks."""
    name, task = ctx.options["task"], TASKS[ctx.options["task"]]
    texts = drawn(ctx, task)
    pairs, lines, results = texts.test + texts.longer, dict[str, Any](), dict[str, float]()
    bins = by_length(pairs, max(1, task.longest // 8))
    for key, (row, make) in MODELS.items():
        ctx.part(row)
        model = learn(ctx, make(len(texts.source), len(texts.target), embedding=E, hidden=16 if ctx.quick else H),
                      texts, 2 if ctx.quick else ROUNDS, rate=5e-3)
        answers = written(model, texts, pairs)
        results |= {f"{key}_test": exact(answers[:len(texts.test)], texts.test),
                    f"{key}_longer": exact(answers[len(texts.test):], texts.longer)}
        lines[row] = [list(bins), [exact([answers[k] for k in rows], [pairs[k] for k in rows])
                                   for rows in bins.values()]]
    if name == "speech":
        results["equal_frames_merged"] = exact([merged(source) for source, _ in texts.test], texts.test)
    ctx.result(**results)

    vector = {where: max(results[f"start_{where}"], results[f"every_{where}"]) for where in ("test", "longer")}
    ctx.figure("exact", over_length, lines, task.longest, xlabel=task.source, ylabel="written without a mistake",
               ylim=(-0.03, 1.03), title=f"{name}: of unseen sources attention gets {results['attention_test']:.0%} "
                     f"right, one vector {vector['test']:.0%}; of longer ones {results['attention_longer']:.0%} and "
                     f"{vector['longer']:.0%}")
    shown = [*sorted(texts.test, key=lambda pair: len(pair[0]))[len(texts.test) // 6::len(texts.test) // 3][:3],
             texts.longer[0]]
    names = ["unseen 1", "unseen 2", "unseen 3", "longer than any trained on"]
    ctx.figure("alignments", alignments, dict(zip(names, attention_maps(model, texts, shown), strict=True)),
               label="attention", title=f"{name}: {task.seen} (rows are written, columns read)")
