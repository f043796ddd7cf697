"""What the experiments with taggers share: the models, their training with checkpoints, and the tags that they give."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import optim
from minigrad.data.tag_schemes import SpanCounts, illegal, span_counts, transitions
from minigrad.data.tagged_sentences import Sentence, TagBatch, TagCoder
from minigrad.experiments.harness import Context
from minigrad.models.legal_tags import legal_tags
from minigrad.models.tagger_birnn import BiRNNTagger
from minigrad.models.tagger_charword import CharWordTagger
from minigrad.models.tagger_mlp import WindowTagger
from minigrad.models.tagger_rnn import RNNTagger
from minigrad.models.tagging import Tagger, greedy_tags, log_probabilities, train_epoch


def makers(coder: TagCoder, size: int, layers: int = 1) -> dict[str, Callable[[], Tagger]]:
    """What makes each tagger of the lectures. size: of embeddings and states; layers: of the one with letters."""
    words, letters, tags = len(coder.words), len(coder.letters), len(coder.tags)
    sizes: dict[str, Any] = {"embedding": size, "hidden": size}
    return {"window": lambda: WindowTagger(words, tags, **sizes),
            "rnn": lambda: RNNTagger(words, tags, **sizes),
            "birnn": lambda: BiRNNTagger(words, tags, **sizes),
            "stacked": lambda: BiRNNTagger(words, tags, layers=2, **sizes),
            "letters": lambda: CharWordTagger(words, letters, tags, layers=layers, **sizes)}


def train(ctx: Context, part: str, make: Callable[[], Tagger], data: TagBatch, coder: TagCoder, epochs: int,
          rate: float = 1e-2, hide: bool = True) -> Tagger:
    """A tagger after Adam on the mean cross-entropy of its words, its rate falling to a tenth in the last third.

    hide: rare words are <unk> now and then, so that unknown ones are learned about.
    """
    rng = ctx.part(part)
    model: Tagger = ctx.to_device(make())
    adam = optim.Adam(model.parameters(), lr=rate)
    for epoch in ctx.rounds(3 if ctx.quick else epochs, model=model, optimizer=adam):
        adam.param_groups[0]["lr"] = rate if epoch < 2 * epochs / 3 else rate / 10
        ctx.log(epoch, loss=train_epoch(model, adam, data, rng, words=coder.words if hide else None))
    return model


class Answers:
    """What a model says of some sentences: its best tags, and its best legal ones, by number and by name."""

    def __init__(self, model: Tagger, coder: TagCoder, sentences: Sequence[Sentence]) -> None:
        self.sentences, self.data = sentences, coder(sentences)
        self.log_p = log_probabilities(model, self.data)                       # (N, T, K)
        self.ids = greedy_tags(self.log_p)
        self.greedy = coder.names(self.ids, self.data.lengths)
        self.legal = self.greedy
        if all(tag == "O" or tag[:2] in ("B-", "I-") for tag in coder.tags):
            self.legal = coder.names(legal_tags(self.log_p, self.data.lengths, *transitions(coder.tags)),
                                     self.data.lengths)

    def spans(self, legal: bool = True, kinds: Sequence[str] = ()) -> SpanCounts:
        """Spans as counted against the sentences' own; kinds: of these alone, if given."""
        gold, said = [s.tags for s in self.sentences], self.legal if legal else self.greedy
        return span_counts(*([[t if not kinds or t[2:] in kinds else "O" for t in tags] for tags in side]
                             for side in (gold, said)))

    def illegal_share(self, legal: bool = False) -> float:
        """The share of sentences with a tag that continues nothing."""
        return float(np.mean([bool(illegal(tags)) for tags in (self.legal if legal else self.greedy)]))
