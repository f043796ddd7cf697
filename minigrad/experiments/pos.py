"""Noun or verb, and words never seen: parts of speech.   Riveill, *Named Entity Recognition / Part of Speech Tagging*.

Each test word has an address: what tells its class stands before it, behind it, behind it beyond a window of five
words, in its place among other words, or in its ending alone. So each model fails where it cannot look, and by how much
is known beforehand: one half of the forms that are nouns and verbs alike, one quarter of the words that only their
ending tells (noun, adjective, adverb, verb). Riveill's models in his order: *MLP for NER/POS*, *Recurrent neural
network for NER*, *Stacked Bi-RNN*, *Multi-level encoding*, beside the tag that each word had most often.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import viz
from minigrad.data import word_classes as classes
from minigrad.data.tagged_sentences import Sentence, TagCoder, marked, stems
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._tagging import Answers, makers, train
from minigrad.models.tagging import MajorityTags, accuracy
from minigrad.viz.strips import strips

ROWS = {"majority": "Commonest tag of the word", "window": "Window of 5", "rnn": "RNN", "stacked": "Stacked BiRNN",
        "letters": "The same, words + letters"}
COLUMNS = {classes.PAST: "cue before", classes.FUTURE: "cue behind", classes.FAR: "cue far behind",
           classes.PLACE: "new word, place tells", classes.FORM: "new word, ending tells"}
PAIRS = {classes.PAST: 100, classes.FUTURE: 150, classes.FAR: 400}     # far cues are the hardest to learn
COIN = 0.51                                    # one half, with room for rounding where two tags are as likely

pos = Experiment(
    "pos", ids="R33 R36 R37 R39 R40", slide="Riveill, *Named Entity Recognition / Part of Speech Tagging*", seconds=10,
    unit="accuracy", labels={f"{mark}_{name}": f"{row}: {text}" for name, row in ROWS.items()
                             for mark, text in COLUMNS.items()},
    targets=[*[Target(f"{mark}_majority", at_most=COIN) for mark in PAIRS],
             Target("past_window", at_least=0.98), Target("future_window", at_least=0.98),
             Target("far_window", at_most=COIN), Target("past_rnn", at_least=0.98), Target("future_rnn", at_most=COIN),
             Target("far_rnn", at_most=COIN), *[Target(f"{mark}_stacked", at_least=0.97) for mark in PAIRS],
             Target("place_stacked", at_least=0.9), Target("form_stacked", at_most=0.4),
             *[Target(f"{mark}_letters", at_least=0.95) for mark in classes.MARKS]])


def sentences(ctx: Context) -> tuple[list[Sentence], list[Sentence]]:
    """What to learn from and what to test on; the new words of the tests have stems of their own."""
    rng, tests = ctx.part("data"), 10 if ctx.quick else 60
    known, new = (part.tolist() for part in np.array_split(stems(rng, 60), 2))
    learn, test = [], []
    for mark, pairs in PAIRS.items():
        drawn = classes.ambiguous_sentences(rng, tests + (20 if ctx.quick else pairs), mark)
        test += drawn[:2 * tests]
        learn += drawn[2 * tests:]
    for mark in (classes.PLACE, classes.FORM):
        learn += classes.open_sentences(rng, 40 if ctx.quick else 300, mark, known)
        test += classes.open_sentences(rng, 2 * tests, mark, new)
    return learn, test


@pos.run
def run(ctx: Context) -> None:
    """Train the four taggers; ask each, and the commonest tag, about every kind of word."""
    learn, tests = sentences(ctx)
    coder = TagCoder(learn, classes.TAGS)
    data, asked = coder(learn), coder(tests)
    majority = MajorityTags(data.words, data.tags, len(coder.words), len(coder.tags)).tags(asked.words)
    answers = {"majority": majority}
    begin = {mark: next(k for k, s in enumerate(tests) if mark in s.marks) for mark in COLUMNS}
    shown = {f"{COLUMNS[mark]}: {what}": begin[mark] + k for mark in (classes.FUTURE, classes.FAR)
             for k, what in enumerate(("noun", "verb"))} | {COLUMNS[classes.FORM]: begin[classes.FORM]}
    panels: dict[str, Any] = {title: (tests[k].words, {"the text": tests[k].tags}) for title, k in shown.items()}
    make = makers(coder, 24, layers=2)
    for name in [*ROWS][1:]:
        answers[name] = Answers(train(ctx, name, make[name], data, coder, 10), coder, tests).ids
    for name, ids in answers.items():
        for (words, rows), k in zip(panels.values(), shown.values(), strict=True):
            rows[ROWS[name]] = [coder.tags[i] for i in ids[k, :len(words)]]
    results = {f"{mark}_{name}": accuracy(asked.tags, ids, marked(tests, mark)) for name, ids in answers.items()
               for mark in COLUMNS}
    ctx.result(**results)

    ctx.figure("where", viz.heatmap, np.array([[results[f"{mark}_{name}"] for mark in COLUMNS] for name in ROWS]),
               list(ROWS.values()), list(COLUMNS.values()), label="accuracy", title="Each model fails where it "
               f"cannot look: far behind, the window has {results['far_window']:.0%}, the RNN "
               f"{results['far_rnn']:.0%} and the stacked BiRNN {results['far_stacked']:.0%}")
    ctx.figure("sentences", strips, panels, truth="the text", plain=("PUNCT",), title="The same form is a noun and a "
               "verb, and whoever does not see what tells them apart says the same twice")
