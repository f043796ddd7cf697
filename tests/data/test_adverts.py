"""House adverts: seven fields with decoys, numbers that say nothing by their size or place, and the filled template."""
from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from minigrad.data.adverts import FIELDS, SINGLE, TAGS, VALUE, adverts, by_rule, exact, numbers, template
from minigrad.data.tag_schemes import illegal, spans_of
from minigrad.data.tagged_sentences import sentence, stems


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    return adverts(rng, 400, stems(rng, 60))


def test_the_template_has_the_slides_seven_fields():
    """Riveill, *Extract information from text*: Reference, Price, Surface, Year Built, Rooms, Owner, Telephone."""
    assert len(FIELDS) == 7 and len(TAGS) == 15


def test_a_field_comes_at_most_once_and_in_nine_of_ten_adverts(texts):
    counts = Counter(span.kind for s in texts for span in spans_of(s.tags))
    assert all(0.84 < counts[field] / 400 < 0.96 for field in FIELDS)          # 0.9 within 4 standard errors of 0.015
    assert all(len({span.kind for span in spans_of(s.tags)}) == len(spans_of(s.tags)) for s in texts)
    assert not any(illegal(s.tags) for s in texts) and len({s.words for s in texts}) == 400


def test_fields_come_in_any_order(texts):
    orders = {tuple(span.kind for span in spans_of(s.tags)) for s in texts}
    assert len(orders) > 300
    assert {spans_of(s.tags)[0].kind for s in texts} == {spans_of(s.tags)[-1].kind for s in texts} == set(FIELDS)


def test_numbers_of_all_fields_and_of_decoys_are_drawn_alike(texts):
    """100 to 999: a mean of 549.5, with a standard error of about 14 over the 360 of a field."""
    values = {field: [v for s in texts for _, v, f in numbers(s) if f == field] for field in (*SINGLE, "")}
    assert all(abs(np.mean(v) - 549.5) < 4 * 260 / np.sqrt(len(v)) for v in values.values())
    assert all(100 <= v < 1000 for found in values.values() for v in found)
    assert len(values[""]) > 3 * len(values["REF"])            # as many decoys as fields


def test_values_have_as_many_words_as_their_decoys(texts):
    """One for a number, three for an amount, five for a telephone number, two for a name; decoys are marked alike."""
    words = Counter((span.kind, span.end - span.start) for s in texts for span in spans_of(s.tags))
    assert set(words) == {(f, {"PRICE": 3, "TEL": 5, "OWNER": 2}.get(f, 1)) for f in FIELDS}
    decoys = sum(m == VALUE and t == "O" for s in texts for m, t in zip(s.marks, s.tags, strict=True))
    fields = sum(t != "O" for s in texts for t in s.tags)
    assert 0.9 < decoys / fields < 1.35                        # the names of the opening are decoys too


@pytest.mark.parametrize("what", ["size", "place"])
def test_a_rule_by_size_or_by_place_does_no_better_than_drawing_lots(what, texts):
    """About 700 fields to find: a standard error of 0.013."""
    lots = np.mean([1 / len(numbers(s)) for s in texts])
    assert abs(by_rule(texts[:200], texts[200:], what) - lots) < 0.05 and lots < 0.16


def test_a_rule_finds_what_does_go_by_size_and_place():
    """Else the test above would pass for a rule that is always wrong."""
    tags = "O B-REF O B-AREA O B-YEAR O B-ROOMS".split()
    texts = [sentence(f"x {a} y {b} z {c} u {d}".split(), tags)
             for a, b, c, d in np.random.default_rng(0).integers(0, 20, (9, 4)) + [100, 300, 600, 900]]
    assert by_rule(texts, texts, "size") == by_rule(texts, texts, "place") == 1
    with pytest.raises(ValueError, match="not by 'colour'"):
        by_rule(texts, texts, "colour")


def test_single_numbers_are_those_without_a_number_beside_them():
    s = sentence("built in 612 . 3 140 250 euros 7".split(), ["O", "O", "B-YEAR", *["O"] * 6])
    assert numbers(s) == [(2, 612, "YEAR"), (8, 7, "")]


def test_a_template_holds_the_first_span_of_each_field():
    words = "sold by Kora Mel in 612 , ref. 140 or 141".split()
    tags = ["O", "O", "B-OWNER", "I-OWNER", "O", "B-YEAR", "O", "O", "B-REF", "O", "B-REF"]
    assert template(words, tags) == dict.fromkeys(FIELDS) | {"OWNER": "Kora Mel", "YEAR": "612", "REF": "140"}


def test_a_field_is_exact_with_all_of_its_words_or_where_it_is_rightly_left_empty():
    s = sentence("by Kora Mel in 612".split(), ["O", "B-OWNER", "I-OWNER", "O", "B-YEAR"])
    assert set(exact([s], [s.tags]).values()) == {1.0}
    said = exact([s], [["O", "B-OWNER", "O", "O", "B-REF"]])
    assert said == dict.fromkeys(FIELDS, 1.0) | {"OWNER": 0.0, "YEAR": 0.0, "REF": 0.0}
