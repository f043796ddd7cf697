"""Who, where, when, how much: named entities.   Télécom, *Many-to-Many : T_x = T_y*; Riveill, *Multi-level encoding*.

Two sets, and in both the deck's point is built in. "Apple": half of the sentences say before the word whether it is a
name, half only behind it, so a network that reads from left to right has 3/4 right (*RNN (1)*, *RNN (2)*), and one that
reads both ways all (*Bi-directional RNN*). Names: the kind is in the ending of the last word, and the words around tell
nothing. New names are <unk> to all models that look words up: one third by guessing. The one that reads letters too
knows most of them.

Tags are BIO, and of the sequences those that mean something: the best legal one instead of the best tag of each word.
For whoever reads both ways that changes little. The RNN gains most: it cannot know of "Stimel Koratech" that Stimel
begins the name of a firm, but it knows it of Koratech, and I-ORG is legal behind B-ORG alone: the future comes in with
the decoder. Where no word is known, legal tags are mostly wrong tags that fit together.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import viz
from minigrad.data import named_entities as names
from minigrad.data.apple import FUTURE, NAME, OTHER, PAST, apple_sentences
from minigrad.data.tagged_sentences import TagCoder, marked, stems
from minigrad.experiments import Context, Experiment, Target
from minigrad.experiments._tagging import Answers, makers, train
from minigrad.models.tagging import accuracy
from minigrad.viz.strips import strips

ROWS = {"window": "Window of 5", "rnn": "RNN", "birnn": "BiRNN", "letters": "BiRNN, words + letters"}
APPLE = ("rnn", "birnn")
COLUMNS = {"greedy": "known names, tag by tag", "known": "known names, legal", "new": "new names, legal"}

LABELS = {f"apple_{name}{half}": f"Apple, {ROWS[name]}: {text}" for name in APPLE
          for half, text in (("_past", "past cues"), ("_future", "future cues"), ("", "all"))}
LABELS |= {f"{column}_{name}": f"{row}: F1 of {text}" for column, text in COLUMNS.items() for name, row in ROWS.items()}
LABELS |= {f"illegal_{name}": f"{row}: sentences with illegal tags" for name, row in ROWS.items()}
LABELS |= {"illegal_after": "All: the same after legal decoding",
           "macron": "Words + letters: the slide's 7 words, name or not"}

ner = Experiment(
    "ner", ids="T4 T5 T8 T12 T13 T14 R33 R35 R37 R40", slide="Télécom, *Many-to-Many : T_x = T_y*", seconds=12,
    unit="share", labels=LABELS, targets=[
        Target("apple_rnn_past", at_least=0.99, slide="we can predict"),
        Target("apple_rnn_future", at_most=0.51, slide="we cannot predict"),
        Target("apple_rnn", at_most=0.76), Target("apple_birnn", at_least=0.99), Target("known_birnn", at_least=0.97),
        Target("known_letters", at_least=0.97), Target("greedy_rnn", at_most=0.8), Target("known_rnn", at_least=0.95),
        Target("new_birnn", at_most=0.4), Target("new_letters", at_least=0.85), Target("illegal_after", at_most=0.0),
        Target("macron", at_least=1.0, slide="1 1 0 0 0 0 1")])


def apples(ctx: Context) -> tuple[dict[str, float], dict[str, Any]]:
    """Both networks on the Apple sentences: their accuracy at the word "apple", and P(name) along two pairs."""
    drawn = apple_sentences(ctx.part("apple data"), 40 if ctx.quick else 650)
    tests = drawn[:20 if ctx.quick else 300]
    learn = (coder := TagCoder(drawn[len(tests):], (OTHER, NAME)))(drawn[len(tests):])
    results, panels = dict[str, float](), {" ".join(s.words): (s.words, dict[str, Any]()) for s in tests[:4]}
    make = makers(coder, 16)
    for name in APPLE:
        said = Answers(train(ctx, f"apple {name}", make[name], learn, coder, 24, hide=False), coder, tests)
        halves = {f"_{mark}": marked(tests, mark) for mark in (PAST, FUTURE)}
        for half, where in (halves | {"": halves["_past"] | halves["_future"]}).items():
            results[f"apple_{name}{half}"] = accuracy(said.data.tags, said.ids, where)
        for (words, rows), log_p in zip(panels.values(), said.log_p, strict=False):
            rows[ROWS[name]] = np.exp(log_p[:len(words), 1])
    return results, {f"{kind} cue: apple is a {what}": panel for (kind, what), panel in zip(
        [(PAST, "name"), (PAST, "fruit"), (FUTURE, "name"), (FUTURE, "fruit")], panels.values(), strict=True)}


@ner.run
def run(ctx: Context) -> None:
    """Train the taggers on both sets; count spans of known and of new names, tag by tag and under legal decoding."""
    results, shown = apples(ctx)
    rng, count = ctx.part("data"), 60 if ctx.quick else 300
    known, new = np.array_split(stems(rng, 80), 2)
    drawn = names.entity_sentences(rng, 150 if ctx.quick else 2300, known.tolist())
    tests, learn, fresh = drawn[:count], drawn[count:], names.entity_sentences(rng, count, new.tolist())
    pictures = {"the slide": names.MACRON, "known names": next(s for s in tests if s.tags.count("I-ORG") > 1),
                "new names": next(s for s in fresh if s.tags.count("I-PER") > 1)}
    panels: dict[str, Any] = {title: (s.words, {"the text": s.tags}) for title, s in pictures.items()}
    data = (coder := TagCoder(learn, names.TAGS))(learn)
    make = makers(coder, 32)
    for name in ROWS:
        model = train(ctx, name, make[name], data, coder, 10)
        seen, unseen, few = (Answers(model, coder, part) for part in (tests, fresh, list(pictures.values())))
        kinds = tuple(names.NAMES)
        results |= {f"greedy_{name}": seen.spans(False, kinds).f1, f"known_{name}": seen.spans(True, kinds).f1,
                    f"new_{name}": unseen.spans(True, kinds).f1, f"illegal_{name}": seen.illegal_share()}
        results["illegal_after"] = max(results.get("illegal_after", 0.0), *(
            part.illegal_share(legal=True) for part in (seen, unseen)))
        for title, alone, tags in zip(panels, few.greedy, few.legal, strict=True):
            panels[title][1].update({f"{ROWS[name]}, tag by tag": alone} if name == "rnn" else {})
            panels[title][1][ROWS[name]] = tags
    results["macron"] = float(names.binary(few.legal[0]) == names.binary(names.MACRON.tags))   # of the last: letters
    ctx.result(**results)

    ctx.figure("apple", strips, shown, title=f"P(a name), word by word: at a future cue the RNN is right in "
               f"{results['apple_rnn_future']:.0%}, the BiRNN in {results['apple_birnn_future']:.0%}")
    ctx.figure("scores", viz.heatmap, np.array([[results[f"{c}_{n}"] for c in COLUMNS] for n in ROWS]),
               list(ROWS.values()), list(COLUMNS.values()), label="F1 of names", title="Legal tags bring the future to "
               f"the RNN ({results['greedy_rnn']:.2f} to {results['known_rnn']:.2f}); letters know new names "
               f"({results['new_birnn']:.2f} to {results['new_letters']:.2f})")
    ctx.figure("names", strips, panels, truth="the text", title="A firm's first word is a guess to the RNN, until "
               "legal tags fit it to the last; of new names only letters tell the kind")
