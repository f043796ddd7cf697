"""n-gram models: each smoothing beside a second implementation, and every distribution sums to 1.

The second opinions are NLTK's, KenLM's where they are installed, and dictionaries: a recursion over tuples, as the
papers write it, with no array in it.
"""
from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad.data.vocabulary import Vocabulary
from minigrad.errors import IndexRangeError
from minigrad.models.ngram import SMOOTHINGS, NGram
from minigrad.models.ngram_arpa import from_arpa, to_arpa
from minigrad.models.ngram_smoothing import good_turing, lambdas_of, modified_discounts, shares_by_em, shares_of

PAD, UNK, BOS, EOS, FIRST = range(5)
WORDS = Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", *"abcdef"])
PREDICTED = [w for w in range(len(WORDS)) if w not in (PAD, BOS)]


def draw(rng, sentences=40, words=5):
    """Sentences with a habit: a word is often followed by the next one. Word 9 ("f") never occurs."""
    def sentence():
        s = [int(rng.integers(words))]
        while rng.random() < 0.8:
            s.append((s[-1] + 1) % words if rng.random() < 0.6 else int(rng.integers(words)))
        return [FIRST + w for w in s]
    return [sentence() for _ in range(sentences)]


@pytest.fixture
def text(rng):
    return draw(rng)


# ----- Dictionaries

class Counted:
    """Raw counts of all n-grams of sentences between <bos> and <eos>, as dictionaries of tuples."""

    def __init__(self, sentences, order):
        self.order, self.c = order, defaultdict(Counter)
        for s in sentences:
            whole = (BOS, *s, EOS)
            for n in range(1, order + 1):
                self.c[n].update(whole[i:i + n] for i in range(len(whole) - n + 1))
        del self.c[1][BOS,]                    # never predicted

    def after(self, context, c=None):
        """word -> count after a context."""
        counts = (c or self.c)[len(context) + 1]
        return {g[-1]: k for g, k in counts.items() if g[:-1] == context}


class KneserNey(Counted):
    """Chen and Goodman (1999), section 3.4, equation by equation."""

    def __init__(self, sentences, order):
        super().__init__(sentences, order)
        for n in range(1, order):              # how many different words stand before it; <bos> has none before it
            before = Counter(g[1:] for g in self.c[n + 1])
            self.c[n] = Counter({g: k if g[0] == BOS else before[g] for g, k in self.c[n].items()})
        self.d = {}
        for n in range(1, order + 1):
            many = Counter(self.c[n].values())
            self.d[n] = 0.5, 1.0, 1.5
            if all(many[r] for r in (1, 2, 3, 4)):
                y = many[1] / (many[1] + 2 * many[2])
                d = [r - (r + 1) * y * many[r + 1] / many[r] for r in (1, 2, 3)]
                if all(0 <= d[r - 1] <= r for r in (1, 2, 3)):
                    self.d[n] = d

    def __call__(self, context, w):
        after = self.after(context)
        lower = self(context[1:], w) if context else 1 / len(PREDICTED)
        if not after:
            return lower
        n, total = len(context) + 1, sum(after.values())
        d = [0, *self.d[n]]
        kinds = Counter(min(k, 3) for k in after.values())
        gamma = sum(d[r] * kinds[r] for r in (1, 2, 3)) / total
        c = after.get(w, 0)
        return max(c - d[min(c, 3)], 0) / total + gamma * lower


class Katz(Counted):
    """Katz (1987): discounts by Good and Turing up to a count of 5, the rest to the shorter context."""

    def discount(self, n, r):
        many = Counter(self.c[n].values())
        if r > 5 or not many[1]:
            return 1.0
        q = 6 * many[6] / many[1]
        if q >= 1:
            return 1.0
        d = ((r + 1) * many[r + 1] / many[r] / r - q) / (1 - q)
        return d if 0 < d <= 1 else 1.0

    def __call__(self, context, w):
        def lower(v):
            return self(context[1:], v) if context else 1 / len(PREDICTED)
        after, n = self.after(context), len(context) + 1
        if not after:
            return lower(w)
        total = sum(after.values())
        if len(after) == len(PREDICTED):
            return after[w] / total
        kept = {v: self.discount(n, k) * k for v, k in after.items()}
        left = total - sum(kept.values())
        if left < 1e-9 * total:                # nothing left for unseen words: the total grows by 1
            total, left = total + 1, 1
        if w in after:
            return kept[w] / total
        return left / total * lower(w) / (1 - sum(lower(v) for v in after))


class Interpolated(Counted):
    """sum_n lambda_n P_n, the lambdas of the orders whose context was seen."""

    def __init__(self, sentences, order, lambdas):
        super().__init__(sentences, order)
        self.lambdas = lambdas

    def __call__(self, context, w):
        top = weight = 0.0
        for n, share in enumerate(self.lambdas):
            if n == 0:
                p = 1 / len(PREDICTED)
            elif n - 1 > len(context) or not (after := self.after(context[len(context) - n + 1:])):
                continue
            else:
                p = after.get(w, 0) / sum(after.values())
            top, weight = top + share * p, weight + share
        return top / weight


def contexts(order):
    """Contexts that were seen often, seldom and never, that begin a sentence, and that are too long."""
    return [(), (BOS,), (BOS, 4), (4, 5), (4, 5, 6), (8, 4, 5, 6, 7), (9,), (4, 9), (9, 4), (UNK, UNK, 4), (7, 7, 7),
            (EOS,), (BOS, 9, 4)]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("smoothing, second", [
    ("kneser-ney", KneserNey), ("katz", Katz),
    ("interpolation", lambda s, n: Interpolated(s, n, [0.1, *[0.9 / n] * n]))])
@pytest.mark.parametrize("seed, size", [(0, 40), (1, 400), (2, 3)])
def test_the_probabilities_are_those_of_the_dictionaries(smoothing, second, order, seed, size):
    """From three sentences, where no discount can be estimated, to 400, where all can. float64 on both sides."""
    sentences = draw(np.random.default_rng(seed), size)
    lambdas = [0.1, *[0.9 / order] * order] if smoothing == "interpolation" else None
    model, want = NGram(order, smoothing, vocab=WORDS, lambdas=lambdas).fit(sentences), second(sentences, order)
    for context in contexts(order):
        short = context[max(0, len(context) - order + 1):]
        p = model.distribution(context)
        assert np.allclose(p[PREDICTED], [want(short, w) for w in PREDICTED], rtol=1e-9, atol=1e-15), (context, p)


def test_the_dictionaries_reach_all_their_branches():
    """Estimated discounts for Kneser-Ney and Katz, and both fallbacks, or the comparison above says little."""
    sentences = draw(np.random.default_rng(1), 400)
    model = NGram(4, "kneser-ney", vocab=WORDS).fit(sentences)
    assert model.discounts[3] != (0.5, 1.0, 1.5) and 0 < model.discounts[3][0] < 1
    assert NGram(2, "kneser-ney", vocab=WORDS).fit(sentences[:3]).discounts == [(0.5, 1.0, 1.5)] * 2
    assert 0 < Katz(sentences, 4).discount(4, 1) < 1 and Katz([[4, 5]], 2).discount(2, 1) == 1


# ----- NLTK and KenLM

@pytest.mark.parametrize("smoothing, options", [("mle", {}), ("add-k", dict(k=1)), ("add-k", dict(k=0.05)),
                                                ("kneser-ney", dict(discounts=0.6))])
@pytest.mark.parametrize("order", [2, 3])
def test_perplexities_are_equal_to_nltks(smoothing, options, order, rng):
    """On a stream, over the tokens that have a full context. The stream stands there twice: its first n-grams too have
    a word before them, without which NLTK discounts a count that it does not count. NLTK does not discount unigrams,
    and counts one word more, <UNK>.
    """
    lm = pytest.importorskip("nltk.lm")
    from nltk.util import everygrams, ngrams
    stream = np.concatenate([rng.integers(0, 6, 80)] * 2)
    test = stream[20:60] if smoothing == "mle" else np.append(stream[30:60], rng.integers(0, 6, 30))
    if smoothing == "kneser-ney":
        d = options["discounts"]
        options = dict(discounts=[(0, 0, 0), *[(d, d, d)] * (order - 1)])
    model = NGram(order, smoothing, vocab=7, **options).fit(stream)
    theirs = {"mle": lambda: lm.MLE(order), "add-k": lambda: lm.Lidstone(options["k"], order),
              "kneser-ney": lambda: lm.KneserNeyInterpolated(order, discount=0.6)}[smoothing]()
    words = [f"w{w}" for w in stream]
    theirs.fit([list(everygrams(words, max_len=order))], vocabulary_text=words)
    want = theirs.perplexity(list(ngrams([f"w{w}" for w in test], order)))
    assert math.isclose(math.exp(-model.log_probs(test)[order - 1:].mean()), want, rel_tol=1e-10)


def test_sentences_between_bos_and_eos_have_nltks_perplexity(text):
    """NLTK pads with n - 1 times <s>; a shorter context that reaches back to one says the same."""
    lm = pytest.importorskip("nltk.lm")
    from nltk.util import everygrams, ngrams
    order = 3
    padded = [["<s>"] * (order - 1) + [f"w{w}" for w in s] + ["</s>"] for s in text]
    theirs = lm.MLE(order)
    theirs.fit([list(everygrams(s, max_len=order)) for s in padded], [w for s in padded for w in s])
    want = theirs.perplexity([g for s in padded[:9] for g in ngrams(s, order)])
    assert math.isclose(NGram(order, "mle", vocab=WORDS).fit(text).perplexity(text[:9]), want, rel_tol=1e-10)


@pytest.mark.parametrize("smoothing", ["interpolation", "katz", "kneser-ney"])
def test_kenlm_reads_the_file_and_gives_the_same_scores(smoothing, text, tmp_path):
    """KenLM keeps float32: some 1e-6 a token."""
    kenlm = pytest.importorskip("kenlm")
    model = NGram(3, smoothing, vocab=WORDS).fit(text)
    to_arpa(model, tmp_path / "m.arpa")
    theirs = kenlm.Model(str(tmp_path / "m.arpa"))
    for s in [*text[:10], [9, 4, 9], []]:
        assert math.isclose(theirs.score(" ".join(WORDS.decode(s))) * math.log(10), model.score(s), abs_tol=1e-4)


# ----- Every distribution

@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.integers(1, 5), smoothing=st.sampled_from(SMOOTHINGS),
       size=st.integers(2, 60), stream=st.booleans())
def test_every_distribution_sums_to_1(seed, order, smoothing, size, stream):
    rng = np.random.default_rng(seed)
    text = draw(rng, size, words=int(rng.integers(1, 6)))
    if stream:
        text = np.array([w for s in text for w in [*s, EOS]])
    model = NGram(order, smoothing, vocab=WORDS).fit(text)
    for context in [*contexts(order), *rng.integers(0, 10, (10, 4)).tolist()]:
        p = model.distribution(context)
        if smoothing == "mle" and np.isnan(p).any():
            assert np.isnan(p).all() and model.top(context) == []
            continue
        assert p[PAD] == p[BOS] == 0 and (p >= 0).all()
        assert math.isclose(p.sum(), 1, rel_tol=1e-9)              # Katz divides by a difference from 1
        if smoothing != "mle":
            assert (p[PREDICTED] > 0).all()    # Télécom, *Notation*: non-zero probabilities


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 3, 5])
def test_a_whole_text_has_the_probabilities_of_its_contexts_one_by_one(smoothing, order, text, rng):
    model = NGram(order, smoothing, vocab=WORDS).fit(text)
    others = [*draw(rng, 10), [9, 9], [], [UNK, 4]]
    want = [model.prob([BOS, *s[:i]], w) for s in others for i, w in enumerate([*s, EOS])]
    with np.errstate(divide="ignore"):
        assert np.allclose(model.log_probs(others), np.log(np.nan_to_num(want)), rtol=1e-12)
    stream = np.array(others[0] + others[1] + [9, 4, 5])
    want = [model.prob(stream[:i], w) for i, w in enumerate(stream)]
    with np.errstate(divide="ignore"):
        assert np.allclose(model.log_probs(stream), np.log(np.nan_to_num(want)), rtol=1e-12)


# ----- The decks

def test_the_decks_counts_give_0_4_books_and_0_1_exams():
    """KTH, *n-gram Language Models - Example*: 1000, 400 and 100 counts; the 4-gram forgets the proctor."""
    endings = ["books"] * 400 + ["exams"] * 100 + ["minds"] * 500
    sentences = [f"students opened their {w}".split() for w in endings]
    v = Vocabulary.build([w for s in sentences for w in s] + "as the proctor started clock ,".split())
    model = NGram(4, "mle", vocab=v).fit([v.encode(s) for s in sentences])
    long = v.encode("as the proctor started the clock , the students opened their".split())
    assert model.prob(long, v["books"]) == 0.4 and model.prob(long, v["exams"]) == 0.1
    assert model.top(long, 2) == [(v["minds"], 0.5), (v["books"], 0.4)]
    assert model.prob(v.encode(["students", "opened", "their"]), v["students"]) == 0       # numerator 0
    assert math.isnan(model.prob(v.encode(["opened", "the", "clock"]), v["books"]))        # denominator 0


def test_the_score_of_a_sentence_is_the_product_of_its_probabilities(text):
    model = NGram(2, "add-k", vocab=WORDS, k=0.5).fit(text)
    product = model.prob([BOS], 4) * model.prob([4], 5) * model.prob([5], EOS)
    assert math.isclose(math.exp(model.score([4, 5])), product)


def test_the_perplexity_of_a_model_that_knows_nothing_is_the_number_of_words(text):
    """So much added to each count that nothing else is left: every predicted word is as good as any other."""
    model = NGram(2, "add-k", vocab=WORDS, k=1e12).fit(text)
    assert math.isclose(model.perplexity(text), len(PREDICTED), rel_tol=1e-9)


def test_an_unseen_n_gram_makes_the_perplexity_of_maximum_likelihood_infinite(text):
    model = NGram(2, "mle", vocab=WORDS).fit(text)
    assert model.score([9]) == -math.inf and model.perplexity([*text, [9]]) == math.inf
    assert model.perplexity(text) < NGram(1, "mle", vocab=WORDS).fit(text).perplexity(text)


def test_sparsity_is_the_share_without_a_numerator_and_without_a_denominator():
    """Counted by hand. Of the bigrams, <bos> a and a b are known, b f and f <eos> are not, and nothing ever followed f.
    Of the trigrams <bos> a b is known, a b was followed by something else, b f by nothing.
    """
    a, b, f = WORDS.encode("abf")
    model = NGram(3, "mle", vocab=WORDS).fit([[a, b], [b, a]])
    assert model.sparsity([[a, b, f]]).tolist() == [[1 / 4, 0], [2 / 4, 1 / 4], [2 / 3, 1 / 3]]
    assert np.isnan(model.sparsity([[]])[2]).all()


def test_the_entries_are_the_distinct_n_grams_of_each_length(text):
    model = NGram(3, "katz", vocab=WORDS).fit(text)
    whole = [(BOS, *s, EOS) for s in text]
    want = [len({s[i:i + n] for s in whole for i in range(len(s) - n + 1)}) for n in (1, 2, 3)]
    assert model.sizes == want and model.entries == sum(want)
    assert all(size <= min(len(WORDS) ** n, sum(map(len, whole))) for n, size in enumerate(want, 1))


# ----- Sampling

def test_sampled_sentences_have_the_models_probabilities(text):
    """4000 first words beside P(w | <bos>): 5 standard errors for each."""
    model = NGram(3, "kneser-ney", vocab=WORDS).fit(text)
    rng = np.random.default_rng(1)
    first = Counter((model.sample(rng, length=1) or [EOS])[0] for _ in range(4000))
    p = model.distribution([BOS])
    assert all(abs(first[w] / 4000 - p[w]) <= 5 * math.sqrt(p[w] * (1 - p[w]) / 4000) for w in range(len(WORDS)))


def test_a_sample_ends_with_its_sentence_or_at_its_length_and_repeats_with_its_seed(text):
    model = NGram(2, "mle", vocab=WORDS).fit(text)
    samples = [model.sample(np.random.default_rng(s)) for s in range(30)]
    assert samples == [model.sample(np.random.default_rng(s)) for s in range(30)]
    assert all(set(s) <= set(range(FIRST, 9)) for s in samples) and np.isfinite(model.log_probs(samples)).all()
    assert len(model.sample(np.random.default_rng(0), length=2, context=[4])) <= 2
    assert max(map(len, samples)) > 5


def test_a_sample_of_a_stream_ends_where_nothing_was_counted():
    model = NGram(2, "mle").fit(np.array([0, 1, 2, 3]))
    assert model.sample(np.random.default_rng(0), context=[0]) == [1, 2, 3]


# ----- The weights of an interpolation

def test_the_fitted_weights_are_the_best_ones(text, rng):
    """Each share moved a little either way makes the held-out text less probable. The objective has one token more for
    each order to hand down.
    """
    held_out = draw(rng, 20)
    model = NGram(3, "interpolation", vocab=WORDS).fit(text, held_out)

    def objective(shares):
        other = NGram(3, "interpolation", vocab=WORDS, lambdas=lambdas_of(shares)).fit(text)
        return other.log_probs(held_out).sum() + np.log1p(-shares).sum()

    best = shares_of(model.lambdas)
    assert ((best > 0.01) & (best < 0.99)).any()
    for n in range(3):
        for step in (-0.02, 0.02):
            moved = best.copy()
            moved[n] = np.clip(moved[n] + step, 1e-6, 1 - 1e-6)
            assert objective(moved) < objective(best)


def test_without_a_held_out_text_the_last_tenth_is_kept_aside(text):
    want = NGram(2, "interpolation", vocab=WORDS).fit(text[:36], text[36:]).lambdas
    model = NGram(2, "interpolation", vocab=WORDS).fit(text)
    assert np.array_equal(model.lambdas, want)
    assert model.sizes == NGram(2, "mle", vocab=WORDS).fit(text).sizes       # and all of it is counted
    assert np.isclose(model.lambdas.sum(), 1)


def test_no_word_is_impossible_even_if_the_held_out_text_lacks_none():
    """Its tokens all are known bigrams: the likelihood alone would give every weight to the bigrams."""
    model = NGram(2, "interpolation", vocab=WORDS).fit([[4, 5]] * 50, [[4, 5]] * 50)
    assert model.lambdas[2] > 0.95 and model.prob([4], 9) > 0


def test_weights_of_a_sum_and_shares_of_a_chain_are_two_forms_of_the_same(rng):
    for weights in ([0.1, 0.2, 0.3, 0.4], [1, 0, 0], [0, 1], [0.5, 0, 0.5], rng.dirichlet(np.ones(6))):
        assert np.allclose(lambdas_of(shares_of(np.array(weights, float))), weights)
    assert np.allclose(shares_of(np.array([0.1, 0.3, 0.6])), [0.75, 0.6])
    assert shares_by_em(np.ones((3, 3)), np.zeros(3, int)).tolist() == [0, 0]              # no order was reached


# ----- Discounts

def test_the_discounts_are_chen_and_goodmans():
    """n_1 = 10, n_2 = 5, n_3 = 2, n_4 = 1: Y = 1/2, D = 1 - 1/2, 2 - 3/2 * 2/5, 3 - 2 * 1/2."""
    counts = np.repeat([1, 2, 3, 4, 9], [10, 5, 2, 1, 3]).astype(float)
    assert np.allclose(modified_discounts(counts), [0.5, 1.4, 2.0])
    assert modified_discounts(counts[counts != 3]) == (0.5, 1.0, 1.5)
    assert modified_discounts(np.repeat([1.0, 2, 3, 4], [10, 5, 2, 9])) == (0.5, 1.0, 1.5)       # D_3+ = -15


def test_good_turings_factors_leave_large_counts_alone():
    """n_1 = 20, n_2 = 8, n_3 = 3, the rest 0: d_1 = 2 * 8/20, d_2 = 3 * 3/8 / 2, d_3 = 0 is no discount."""
    counts = np.repeat([1.0, 2, 3, 9], [20, 8, 3, 5])
    assert np.allclose(good_turing(counts), [1, 0.8, 0.5625, 1, 1, 1, 1])
    assert (good_turing(np.array([7.0, 8])) == 1).all()
    assert (good_turing(np.repeat([1.0, 6], [2, 2])) == 1).all()             # (k + 1) n_6 > n_1


def test_given_discounts_are_used_at_every_length(text):
    one = NGram(2, "kneser-ney", vocab=WORDS, discounts=0.7).fit(text)
    assert one.discounts == [(0.7, 0.7, 0.7)] * 2
    each = NGram(2, "kneser-ney", vocab=WORDS, discounts=[(0.7, 0.7, 0.7), (0.5, 1, 2)]).fit(text)
    assert each.discounts == [(0.7, 0.7, 0.7), (0.5, 1.0, 2.0)]
    assert NGram(2, "kneser-ney", vocab=WORDS, discounts=(0.5, 1, 2)).fit(text).discounts == [(0.5, 1.0, 2.0)] * 2


# ----- Texts and options

def test_arrays_lists_and_generators_are_the_same_text(text):
    want = NGram(2, "katz", vocab=WORDS).fit(text)
    same = NGram(2, "katz", vocab=WORDS).fit(np.array(s) for s in text)
    assert same.perplexity(text) == want.perplexity(iter(text))
    stream = [w for s in text for w in s]
    assert NGram(2, "katz").fit(stream).perplexity(stream) == NGram(2, "katz").fit(np.array(stream)).perplexity(stream)


def test_a_number_for_the_vocabulary_needs_the_ids_of_the_ends(text):
    ours = NGram(2, "add-k", vocab=10, bos=BOS, eos=EOS).fit(text)
    assert ours.distribution([4])[PAD] > 0                       # an id like any other, where no Vocabulary says more
    assert NGram(2, "add-k", vocab=10).fit(text).sizes[0] == 5   # sentences without ends: five words and nothing else


def test_a_second_fit_forgets_the_first(text):
    model = NGram(2, "interpolation").fit([[1, 2, 1]] * 10)
    first = model.lambdas
    model.fit([[7, 8], [8, 7], [8, 8]] * 10)
    assert model.trie.vocab == 9 and not np.array_equal(model.lambdas, first)


@pytest.mark.parametrize("make, words", [
    (lambda: NGram(0), "at least 1 word, not 0"),
    (lambda: NGram(2, "good"), "no smoothing 'good'; there are: mle, add-k"),
    (lambda: NGram(2, "mle", k=1), "k is an option of 'add-k', and the smoothing is 'mle'"),
    (lambda: NGram(2, "katz", lambdas=[1, 0, 0]), "lambdas is an option of 'interpolation'"),
    (lambda: NGram(2, discounts=0.5), "discounts is an option of 'kneser-ney'"),
    (lambda: NGram(2, "add-k", k=-1), "at least 0, not -1"),
    (lambda: NGram(2, "interpolation", lambdas=[0.5, 0.5]), "3 weights"),
    (lambda: NGram(2, "interpolation", lambdas=[0.5, 0.5, 0.5]), "add up to 1"),
    (lambda: NGram(2, "kneser-ney", discounts=1.5), "0 <= D_r <= r"),
    (lambda: NGram(2, "kneser-ney", discounts=[0.5, 0.5]), r"or 2 of these"),
    (lambda: NGram(2).fit([]), "the text is empty"),
    (lambda: NGram(2, vocab=WORDS).fit([[4, EOS]]), "holds the id 3, which stands for <bos>, <eos> or <pad>"),
    (lambda: NGram(2, vocab=WORDS).fit(np.array([BOS, 4])), "holds the id 2"),
    (lambda: NGram(2, "interpolation", vocab=WORDS).fit([[4]]), "one sentence is too little"),
    (lambda: NGram(2, vocab=WORDS).fit([[4]]).perplexity([]), "nothing to predict"),
])
def test_what_makes_no_model_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_an_id_outside_of_the_vocabulary_is_named(text):
    model = NGram(2, "katz", vocab=WORDS).fit(text)
    for ask in (lambda: model.prob([4], 10), lambda: model.prob([10], 4), lambda: model.score([10]),
                lambda: NGram(2, vocab=WORDS).fit([[10]])):
        with pytest.raises(IndexRangeError, match="no token has the id 10: there are 10 ids"):
            ask()
    with pytest.raises(IndexRangeError, match="-1"):
        NGram(2).fit([[-1]])


def test_a_model_that_has_counted_nothing_says_so():
    with pytest.raises(RuntimeError, match=r"model.fit\(text\) first"):
        NGram(2).prob([], 0)


# ----- ARPA files

@pytest.mark.parametrize("smoothing", ["interpolation", "katz", "kneser-ney"])
@pytest.mark.parametrize("digits, tolerance", [(9, 1e-7), (17, 1e-13)])          # 9 digits of a log10 below 10
def test_a_model_written_and_read_has_equal_probabilities(smoothing, digits, tolerance, text, tmp_path):
    model = NGram(3, smoothing, vocab=WORDS).fit(text)
    to_arpa(model, tmp_path / "m.arpa", digits)
    again = from_arpa(tmp_path / "m.arpa")
    v = again.vocabulary
    assert v.tokens == WORDS.tokens[1:] and again.sizes[1:] == model.sizes[1:]             # without <pad>
    for context in contexts(3):
        ours, theirs = model.distribution(context)[1:], again.distribution(v.encode(WORDS.decode(context)))
        assert np.allclose(ours, theirs, rtol=tolerance, atol=0)
    other = [*text[:5], [9, 4], []]
    assert math.isclose(model.perplexity(other), again.perplexity([v.encode(WORDS.decode(s)) for s in other]),
                        rel_tol=tolerance)


BY_HAND = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-99 <s> -0.30103
-0.60206 </s>
-0.60206 <unk>
-0.60206 books -1
-0.60206 exams

\\2-grams:
-0.30103 <s> books
-0.30103 books </s>
-0.30103 books exams

\\end\\
"""


def test_a_file_written_by_hand_has_the_probabilities_that_it_says(tmp_path):
    """log10 1/2 = -0.30103, log10 1/4 = -0.60206: the sentence "books exams" by hand, and one that backs off."""
    (tmp_path / "m.arpa").write_text(BY_HAND)
    model = from_arpa(tmp_path / "m.arpa")
    v = model.vocabulary
    assert v.tokens == ["<bos>", "<eos>", "<unk>", "books", "exams"] and model.smoothing == "arpa"

    def p(words):
        return math.exp(model.score(v.encode(words.split())))

    assert math.isclose(p("books exams"), 1 / 2 * 1 / 2 * 1 / 4, rel_tol=1e-5)             # 5 decimals of a log10
    assert math.isclose(p("books books"), 1 / 2 * (1 / 10 * 1 / 4) * 1 / 2, rel_tol=1e-5)
    assert math.isclose(p("never"), (1 / 2 * 1 / 4) * 1 / 4, rel_tol=1e-5)                 # <unk> after <s>, no weight
    assert model.prob([], v.bos) == 0


def test_kenlms_probability_of_the_beginning_is_not_read(tmp_path):
    (tmp_path / "m.arpa").write_text(BY_HAND.replace("-99 <s>", "0 <s>"))
    model = from_arpa(tmp_path / "m.arpa")
    assert model.prob([], model.vocabulary.bos) == 0


@pytest.mark.parametrize("old, new, words", [
    ("-0.30103 books exams", "-0.30103 books lists", "a 2-gram has the word 'lists', which is no 1-gram"),
    ("-0.30103 books exams", "-0.30103 <s> books", r"the 2-gram \('<s>', 'books'\) stands there twice"),
])
def test_a_file_whose_n_grams_do_not_fit_together_is_refused(old, new, words, tmp_path):
    (tmp_path / "m.arpa").write_text(BY_HAND.replace(old, new))
    with pytest.raises(ValueError, match=words):
        from_arpa(tmp_path / "m.arpa")


def test_an_n_gram_without_its_beginning_is_refused(tmp_path):
    text = BY_HAND.replace("ngram 2=3", "ngram 2=3\nngram 3=1").replace(
        "-0.30103 books exams\n", "-0.30103 books exams\n\n\\3-grams:\n-1 exams books exams\n")
    (tmp_path / "m.arpa").write_text(text)
    with pytest.raises(ValueError, match="is there, and its beginning"):
        from_arpa(tmp_path / "m.arpa")


@pytest.mark.parametrize("model, words", [
    (lambda t: NGram(2, "katz").fit(t), "holds words"),
    (lambda t: NGram(2, "add-k", vocab=WORDS).fit(t), "add-k never asks a shorter context"),
    (lambda t: NGram(1, "katz", vocab=Vocabulary(["<s>", "a"])).fit([[1]]), "an ARPA file says <s>"),
    (lambda t: NGram(1, "katz", vocab=Vocabulary(["a b", "a"])).fit([[1]]), "cannot hold 'a b'"),
])
def test_what_the_format_cannot_hold_is_not_written(model, words, text, tmp_path):
    with pytest.raises(ValueError, match=words):
        to_arpa(model(text), tmp_path / "m.arpa")
    assert not (tmp_path / "m.arpa").exists()


def test_unigrams_of_maximum_likelihood_go_into_a_file(text, tmp_path):
    """Its zeros are written as -99 and come back as zeros."""
    model = NGram(1, "mle", vocab=WORDS).fit(text)
    to_arpa(model, tmp_path / "m.arpa", 17)
    assert np.allclose(from_arpa(tmp_path / "m.arpa").distribution(), model.distribution()[1:], rtol=1e-13)
