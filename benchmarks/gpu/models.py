"""Every model with a batch and its own loss: for parity, curves, graphs, and budgets, as in `layers`.

A test holds that none is missing.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import models, nn, optim
from minigrad.data.agreement import ANSWERS, WORDS
from minigrad.models.image_encoder import Names
from minigrad.models.multi_step import dense
from minigrad.models.tagging import Letters
from minigrad.models.word_outputs import NegativeSampling
from minigrad.nn import functional as F

from .layers import LAYERS, Host, Training, floats, ids, lengths, probabilities

B, T, S, V, K, H = 3, 9, 10, 13, 4, 8          # examples, steps, steps of a source, words, classes, hidden
COUNTS = np.arange(V, 0, -1) * 3
WORDS_IN, TAGS, CLASSES = ids(V, B, T, low=1), ids(K, B, T), ids(K, B)
SOURCE, TARGET, NEXT = ids(V, B, S, low=4), ids(V, B, T, low=2), ids(V, B, T, low=2)
SERIES, ONE = floats(B, 10, 1), floats(B, 1)
PICTURES, FILM = probabilities(2, 3, 24, 24), probabilities(2, T, 6, 6)


def loss_of(scores: Any, targets: Any) -> Any:
    """Cross-entropy of scores (..., K) at ids (...)."""
    return F.cross_entropy(scores.reshape(-1, scores.shape[-1]), targets.reshape(-1))


def forecast(make: Any) -> Training:
    """A model of series (B, 10, 1) -> (B, 1) with the mean squared error."""
    return Training(make, [SERIES, ONE], lambda m, x, y: F.mse_loss(m(x), y))


def ahead(make: Any) -> Training:
    """A model that forecasts several steps, by its own loss."""
    return Training(make, [SERIES], lambda m, x: m.loss(x))


def of_text(make: Any) -> Training:
    """A model of ids (B, T) and their lengths -> scores of classes."""
    return Training(make, [WORDS_IN, lengths(B, T), CLASSES], lambda m, x, n, y: loss_of(m(x, n), y))


def of_tags(make: Any) -> Training:
    """A model of ids (B, T) and their lengths -> scores of tags at every word."""
    return Training(make, [WORDS_IN, lengths(B, T), TAGS], lambda m, x, n, y: loss_of(m(x, n), y))


def of_film(make: Any, every: bool = False) -> Training:
    """A model of films (B, T, 6, 6) -> scores of classes, of every frame or of the film."""
    return Training(make, [FILM, ids(K, 2, T) if every else ids(K, 2)], lambda m, x, y: loss_of(m(x), y))


def translation(make: Any) -> Training:
    """A translator of sources with lengths into targets."""
    return Training(make, [SOURCE, lengths(B, S), TARGET, NEXT], lambda m, x, n, y, z: loss_of(m(x, n, y), z))


def language(make: Any) -> Training:
    """A language model of ids (T, B), by its own loss."""
    return Training(make, [ids(V, T, B), ids(V, T, B)], lambda m, x, y: m.loss(x, y)[0])


def caption(make: Any) -> Training:
    """A captioner of two pictures with two captions each."""
    return Training(make, [PICTURES, ids(V, 4, T, low=2), ids(V, 4, T, low=2)],
                    lambda m, p, y, z: loss_of(m(p, None, y), z))


def question(make: Any) -> Training:
    """A model that answers a question about each of two pictures."""
    return Training(make, [PICTURES, ids(V, 2, T), lengths(2, T), ids(K, 2)],
                    lambda m, p, q, n, y: loss_of(m(p, q, n), y))


def _spelled(model: Any, words: Any, n: Any, letters: Any, spelled: Any, forms: Any, tags: Any) -> Any:
    return loss_of(model(words, n, Letters(letters, spelled, forms)), tags)


def _noise(model: Any, centre: Any, context: Any, noise: np.ndarray) -> Any:
    return model(centre, context, noise)


def _masked(model: Any, x: Any, n: np.ndarray, targets: np.ndarray) -> Any:
    return model.masked_loss(x, n, targets)


def here(rng: np.random.Generator) -> np.ndarray:
    """Which of the words (20, 4) around another one are within the text: the first, and some."""
    return (rng.random((20, 4)) < 0.7).astype(np.int64) | (np.arange(4) == 0)


def _around(model: Any, words: Any, there: Any, *rest: Any) -> Any:
    return model(words, there.to(model.embedding.weight.dtype), *rest)


def _picture() -> Any:
    return models.ImageVector(models.Places(6), 8)


PAIRS = [ids(V, 40), ids(V, 40)]
NOISE = Host(lambda rng: rng.integers(0, V, (40, 5)))
HIDDEN_WORDS = Host(lambda rng: np.where(np.arange(T) == rng.integers(0, T, (B, 1)), 7, -100))

MODELS: dict[str, Training] = {
    "AgreementReader": Training(
        lambda: models.AgreementReader(nn.LSTM(5, H, batch_first=True)),
        [ids(len(WORDS), B, T), ids(len(ANSWERS), B, T)], lambda m, x, y: loss_of(m(x), y)),
    "AllAtOnce": ahead(lambda: dense(7, 3, 7)),
    "OneByOne": ahead(lambda: models.OneByOne(nn.GRU(1, H, batch_first=True), 3)),
    "EveryStep": ahead(lambda: models.EveryStep(nn.LSTM(1, H, batch_first=True), 3)),
    "AttentionReader": of_text(lambda: models.AttentionReader(V, K, d_model=8, heads=2, layers=1)),
    "AttentionReader, at a word": Training(
        lambda: models.AttentionReader(V, K, d_model=8, heads=2, layers=1),
        [WORDS_IN, Host(lambda rng: np.full(B, T)), Host(lambda rng: rng.integers(0, T, B)), CLASSES],
        lambda m, x, n, at, y: loss_of(m(x, n, at), y)),
    "BagOfWords": of_text(lambda: models.BagOfWords(V, K, 8, 10)),
    "BERT": of_text(lambda: models.BERT(V, classes=K, d_model=8, heads=2, layers=1)),
    "BERT, hidden words": Training(lambda: models.BERT(V, d_model=8, heads=2, layers=1),
                                   [WORDS_IN, lengths(B, T), HIDDEN_WORDS], _masked),
    "GPT": Training(lambda: models.GPT(V, d_model=8, heads=2, layers=2, context=T), [ids(V, B, T), ids(V, B, T)],
                    lambda m, x, y: m.loss(x, y)),
    "GPT, dropout": Training(lambda: models.GPT(V, d_model=8, heads=2, layers=1, context=T, dropout=0.2),
                             [ids(V, B, T), ids(V, B, T)], lambda m, x, y: m.loss(x, y)),
    "WordEncoder": Training(lambda: models.WordEncoder(V, d_model=8, heads=2, layers=1), [WORDS_IN, lengths(B, T)]),
    "TransformerTranslator": translation(
        lambda: models.TransformerTranslator(V, V, d_model=8, heads=2, layers=1, feedforward=12)),
    "Bahdanau": translation(lambda: models.Bahdanau(V, V, embedding=5, hidden=32)),
    "Bahdanau, general score": translation(lambda: models.Bahdanau(V, V, embedding=5, hidden=6, score="general")),
    "Bahdanau, query current": translation(lambda: models.Bahdanau(V, V, embedding=5, hidden=6, query="current")),
    "Seq2Seq": translation(lambda: models.Seq2Seq(V, V, embedding=5, hidden=32, reverse=True)),
    "Seq2Seq, every step, LSTM, both ways": translation(
        lambda: models.Seq2Seq(V, V, embedding=5, hidden=6, cell="lstm", layers=2, context="every",
                               bidirectional=True)),
    "RNNLM": language(lambda: models.RNNLM(V, embedding=5, hidden=32)),
    "RNNLM, GRU, tied, dropout": language(
        lambda: models.RNNLM(V, embedding=5, hidden=32, cell="gru", layers=2, dropout=0.3, tied=True)),
    "RNNLM, RNN, one-hot": language(lambda: models.RNNLM(V, hidden=32, cell="rnn")),
    "CharRNN": Training(lambda: models.CharRNN(5, 4), [floats(B, T, 5), ids(5, B, T)],
                        lambda m, x, y: loss_of(m(x)[0], y)),
    "MemorylessChar": Training(lambda: models.MemorylessChar(5), [floats(B, T, 5), ids(5, B, T)],
                               lambda m, x, y: loss_of(m(x)[0], y)),
    "WindowMLPLM": Training(lambda: models.WindowMLPLM(V, embedding=5, hidden=H, direct=True),
                            [ids(V, 20, 4), ids(V, 20)], lambda m, x, y: loss_of(m(x), y)),
    "CollobertWeston": Training(lambda: models.CollobertWeston(V, embedding=5, hidden=H),
                                [ids(V, 20, 5), ids(V, 20, 5)], lambda m, x, y: m.loss(x, y)),
    "SkipGram": Training(lambda: models.SkipGram(COUNTS, 8), [*PAIRS, NOISE], _noise),
    "SkipGram, 128 wide": Training(lambda: models.SkipGram(COUNTS, 128), [*PAIRS, NOISE], _noise),
    "SkipGram, hierarchical": Training(lambda: models.SkipGram(COUNTS, 8, "hierarchical"), PAIRS),
    "SkipGram, softmax": Training(lambda: models.SkipGram(COUNTS, 8, "softmax"), PAIRS),
    "NegativeSampling": Training(lambda: NegativeSampling(COUNTS, 8), [floats(40, 8), ids(V, 40), NOISE]),
    "CBOW": Training(lambda: models.CBOW(COUNTS, 8, "softmax"), [ids(V, 20, 4), here, ids(V, 20)], _around),
    "CBOW, negative samples": Training(lambda: models.CBOW(COUNTS, 8),
                                       [ids(V, 20, 4), here, ids(V, 20), ids(V, 20, 5)], _around),
    "GloVe": Training(lambda: models.GloVe(V, 8), [ids(V, 40), ids(V, 40), ids(60, 40, low=1)],
                      lambda m, i, j, x: m(i, j, x.to(m.e.weight.dtype))),
    "DenseForecaster": forecast(lambda: models.DenseForecaster(10)),
    "SimpleRNN": forecast(models.SimpleRNN), "DeepRNN": forecast(models.DeepRNN),
    "DeepRNNDense": forecast(models.DeepRNNDense), "LSTMForecaster": forecast(models.LSTMForecaster),
    "GRUForecaster": forecast(models.GRUForecaster),
    "SequenceReader": forecast(lambda: models.SequenceReader(nn.RNN(1, H, batch_first=True))),
    "Conv1dNet": forecast(lambda: models.Conv1dNet(1, H, 3, 2, pooling="last", causal=True)),
    "Conv1dNet, lengths": Training(lambda: models.Conv1dNet(1, H, outputs=K), [SERIES, lengths(B, 10), CLASSES],
                                   lambda m, x, n, y: loss_of(m(x, n), y)),
    "ConvOverTime": Training(lambda: models.ConvOverTime(1, H), [SERIES, lengths(B, 10)]),
    "SentimentAverage": of_text(lambda: models.SentimentAverage(V, classes=K)),
    "SentimentConv": of_text(lambda: models.SentimentConv(V, classes=K)),
    "SentimentConvBiLSTM": of_text(lambda: models.SentimentConvBiLSTM(V, channels=6, hidden=32, classes=K)),
    "SentimentRNN": of_text(lambda: models.SentimentRNN(V, classes=K)),
    "SentimentRNN, pooled": of_text(
        lambda: models.SentimentRNN(V, classes=K, cell="gru", reading="max", bidirectional=True)),
    "WindowTagger": of_tags(lambda: models.WindowTagger(V, K, embedding=5, hidden=6)),
    "RNNTagger": of_tags(lambda: models.RNNTagger(V, K, embedding=5)),
    "BiRNNTagger": of_tags(lambda: models.BiRNNTagger(V, K, embedding=5, layers=2, cell="lstm")),
    "CharWordTagger": Training(
        lambda: models.CharWordTagger(V, 7, K, embedding=5, letter_hidden=4),
        [WORDS_IN, lengths(B, T), ids(7, 5, 4), lengths(5, 4), ids(5, B, T), TAGS], _spelled),
    "RowReader": Training(lambda: models.RowReader(4, H, K), [floats(B, 5, 4), CLASSES],
                          lambda m, x, y: loss_of(m(x), y)),
    "WholePicture": Training(lambda: models.WholePicture(20, K), [floats(B, 5, 4), CLASSES],
                             lambda m, x, y: loss_of(m(x), y)),
    "FrameEncoder": Training(lambda: models.FrameEncoder(6, 3, 5, back=2), [FILM]),
    "FilmReader": of_film(lambda: models.FilmReader(6, K, 7)),
    "FramesAlone": of_film(lambda: models.FramesAlone(6, K, 7, every_frame=True), every=True),
    "NextFrame": Training(lambda: models.NextFrame(3), [FILM]),    # in a softmax over pixels one bias for all is lost
    "Places": Training(lambda: models.Places(6), [PICTURES]),
    "ImageVector": Training(_picture, [PICTURES]),
    "Names": Training(lambda: Names(models.Places(6)), [PICTURES, probabilities(2, 24)],
                      lambda m, x, y: m.loss(x, y)),
    "ShowAndTell": caption(lambda: models.ShowAndTell(_picture(), V, bos=0, eos=1, embedding=5, hidden=32)),
    "ShowAndTell, every step": caption(
        lambda: models.ShowAndTell(_picture(), V, bos=0, eos=1, image="every", cell="gru", embedding=5, hidden=6)),
    "ShowAttendTell": caption(
        lambda: models.ShowAttendTell(models.Places(6), V, bos=0, eos=1, embedding=5, hidden=6, attention=7)),
    "VQA": question(lambda: models.VQA(_picture(), V, K, embedding=5, hidden=6)),
    "AttentiveVQA": question(lambda: models.AttentiveVQA(models.Places(6), V, K, embedding=5, hidden=6)),
}

OPTIMISERS: dict[str, dict[str, Any]] = {      # what `parity.curve` is told, for one model
    "SGD": {"optimiser": lambda p: optim.SGD(p, lr=0.1)},
    "SGD, momentum": {"optimiser": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)},
    "Adagrad": {"optimiser": optim.Adagrad}, "Adadelta": {"optimiser": optim.Adadelta},
    "RMSprop": {"optimiser": optim.RMSprop},
    "RMSprop, centered": {"optimiser": lambda p: optim.RMSprop(p, centered=True, momentum=0.9)},
    "Adam": {"optimiser": optim.Adam}, "AdamW": {"optimiser": optim.AdamW},
    "Adam, weight decay": {"optimiser": lambda p: optim.Adam(p, weight_decay=0.01)},
    "Adam, clipped": {"optimiser": optim.Adam, "clip": 0.1}, "SGD, clipped": {"optimiser": optim.SGD, "clip": 0.1},
}
TRAINED = MODELS["RNNLM"]                      # by each of them

# They compute nothing themselves: what holds modules, and what models share.
BASES = {"Module", "ModuleDict", "ModuleList", "MultiStep", "Tagger", "Optimizer"}


def missing() -> list[str]:
    """What `minigrad.nn`, `minigrad.models` and `minigrad.optim` offer and no case is named after."""
    left: set[str] = set()
    for home, table in ((nn, LAYERS), (models, MODELS), (optim, OPTIMISERS)):
        offered = {name for name, thing in vars(home).items()
                   if isinstance(thing, type) and issubclass(thing, (nn.Module, optim.Optimizer))}
        left |= offered - BASES - {name.partition(",")[0] for name in table}
    return sorted(left)
