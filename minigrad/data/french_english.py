"""Sentences as trees that can be said in French and in English: words, agreement, order.

Chemnitz, *seq2seq for language translation*; Télécom, *Sequence to Sequence*, *Machine Translation*. What makes a
translation word by word fail is here:

    order         le chat noir -> the black cat          chante souvent -> often sings      la voit -> sees her
    fertility     du roi -> of the king                  devant -> in front of              a vu -> saw
    negation      ne chante pas -> does not sing         n' a pas vu -> did not see
    agreement     le chat noir, la porte noire, les chats noirs -> black, three times;      voit, voient -> sees, see
    ambiguity     des chats -> some cats, le roi des chats -> the king of the cats;         le -> the or him
    context       un arbre vide -> an empty tree;        le roi qui -> who, le jardin qui -> that

Elided words (l', n', qu', d') are tokens of their own. `data.translation` makes sentences of any length from this.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Noun(NamedTuple):
    """French and English, each (singular, plural).  person: "who", and not "that"."""

    french: tuple[str, str]
    english: tuple[str, str]
    feminine: bool
    person: bool


class Adjective(NamedTuple):
    """French: masculine, feminine, and both in the plural."""

    french: tuple[str, str, str, str]
    english: str


class Verb(NamedTuple):
    """French: voit, voient, vu.  English: see, sees, saw; some have a second word, as "look for"."""

    french: tuple[str, str, str]
    english: tuple[str, str, str]


class Pronoun(NamedTuple):
    """il, he; le, him."""

    word: tuple[str, str]
    plural: bool

    def french(self) -> list[str]:
        """As a list, like a phrase."""
        return [self.word[0]]

    def english(self) -> list[str]:
        """As a list, like a phrase."""
        return [self.word[1]]


def _entries(text: str) -> list[list[str]]:
    return [entry.split() for entry in text.split("|")]


def _pluriel(word: str) -> str:
    return word + ("x" if word.endswith("eau") else "" if word.endswith("s") else "s")


def _s(word: str) -> str:
    """An English plural, or third person."""
    return word + ("es" if word.endswith(("ch", "s")) else "s")


def _nouns(text: str, person: bool) -> list[Noun]:
    return [Noun((fr, _pluriel(fr)), (en, _s(en)), gender == "f", person) for fr, gender, en in _entries(text)]


def _adjectives(text: str) -> list[Adjective]:
    return [Adjective((m, f, _pluriel(m), _pluriel(f)), en) for m, f, en in _entries(text)]


def _verbs(text: str) -> list[Verb]:
    """voit voient vu see saw; a sixth word goes with the English verb (look for)."""
    def verb(one: str, many: str, participle: str, base: str, past: str, with_it: str = "") -> Verb:
        see, sees, saw = (f"{form} {with_it}".strip() for form in (base, _s(base), past))
        return Verb((one, many, participle), (see, sees, saw))
    return [verb(*entry) for entry in _entries(text)]


NOUNS = _nouns("roi m king | reine f queen | fille f girl | garçon m boy | médecin m doctor | tante f aunt | "
               "ami m friend | boulanger m baker", True)
NOUNS += _nouns("chat m cat | chien m dog | oiseau m bird | maison f house | jardin m garden | livre m book | "
                "table f table | porte f door | voiture f car | école f school | arbre m tree | lettre f letter | "
                "ville f town | pont m bridge", False)
BEFORE = _adjectives("petit petite small | grand grande big | jeune jeune young | joli jolie pretty | bon bonne good")
AFTER = _adjectives("noir noire black | rouge rouge red | vert verte green | blanc blanche white | vide vide empty | "
                    "étrange étrange odd | calme calme quiet | lourd lourde heavy")
TRANSITIVE = _verbs("voit voient vu see saw | regarde regardent regardé watch watched | suit suivent suivi follow "
                    "followed | cherche cherchent cherché look looked for | trouve trouvent trouvé find found | "
                    "connaît connaissent connu know knew | aime aiment aimé like liked")
INTRANSITIVE = _verbs("dort dorment dormi sleep slept | chante chantent chanté sing sang | travaille travaillent "
                      "travaillé work worked | rit rient ri laugh laughed | marche marchent marché walk walked")
ARTICLES = {"the": ("le", "la", "les", "the", "the"), "a": ("un", "une", "des", "a", "some"),
            "my": ("mon", "ma", "mes", "my", "my"), "this": ("ce", "cette", "ces", "this", "these")}
PLACES = {"dans": "in", "sur": "on", "derrière": "behind", "devant": "in front of", "avec": "with", "près de": "near"}
ADVERBS = {"souvent": "often", "toujours": "always", "parfois": "sometimes", "déjà": "already"}
JOINS = {"et": "and", "mais": "but", "quand": "when", "parce que": "because"}
SUBJECTS = [Pronoun(("il", "he"), False), Pronoun(("elle", "she"), False), Pronoun(("ils", "they"), True),
            Pronoun(("elles", "they"), True)]
OBJECTS = [Pronoun(("le", "him"), False), Pronoun(("la", "her"), False), Pronoun(("les", "them"), True)]
VOWELS = "aeiouéê"
_BEFORE_VOWEL = {"le": "l'", "la": "l'", "ne": "n'", "que": "qu'", "de": "d'", "ma": "mon", "ce": "cet"}


@dataclass(eq=False)
class Phrase:
    """An article, a noun, and what stands with them: le petit chat noir du roi -> the small black cat of the king.

    depth: how many phrases it stands in.
    """

    article: str
    noun: Noun
    plural: bool
    depth: int
    before: Adjective | None = None
    after: Adjective | None = None
    tail: Tail | None = None

    def french(self) -> list[str]:
        """Article and adjectives agree with the noun; most adjectives stand behind it."""
        form = 2 * self.plural + self.noun.feminine
        return [ARTICLES[self.article][2 if self.plural else form],
                *([self.before.french[form]] if self.before else []), self.noun.french[self.plural],
                *([self.after.french[form]] if self.after else []), *(self.tail.french(self) if self.tail else [])]

    def english(self) -> list[str]:
        """All adjectives before the noun, in one form; "an" before a vowel."""
        words = [*([self.before.english] if self.before else []), *([self.after.english] if self.after else []),
                 self.noun.english[self.plural]]
        article = ARTICLES[self.article][3 + self.plural]
        return ["an" if article == "a" and words[0][0] in VOWELS else article, *words,
                *(self.tail.english(self) if self.tail else [])]


@dataclass(eq=False)
class Tail:
    """What stands behind a noun: de, dans ... with a phrase; qui with a predicate; que with both."""

    link: tuple[str, str]
    phrase: Phrase | None = None
    predicate: Predicate | None = None

    def french(self, head: Phrase) -> list[str]:
        """le roi qui dort; le chat que les filles voient"""
        return [*self.link[0].split(), *(self.phrase.french() if self.phrase else []),
                *(self.predicate.french((self.phrase or head).plural) if self.predicate else [])]

    def english(self, head: Phrase) -> list[str]:
        """The subject of "who" is a person."""
        link = "that" if self.link[1] == "who" and not head.noun.person else self.link[1]
        return [*link.split(), *(self.phrase.english() if self.phrase else []),
                *(self.predicate.english((self.phrase or head).plural) if self.predicate else [])]


@dataclass(eq=False)
class Predicate:
    """A verb with its object: ne la voit pas, a souvent vu le chat."""

    verb: Verb
    past: bool = False
    object: Phrase | Pronoun | None = None
    negated: bool = False
    adverb: str | None = None
    place: Tail | None = None

    def french(self, plural: bool) -> list[str]:
        """Negation stands around the finite verb, a pronoun before it, an adverb behind."""
        one, many, participle = self.verb.french
        words = (["ont" if plural else "a"] if self.past else [many if plural else one])
        words += (["pas"] if self.negated else []) + ([self.adverb] if self.adverb else [])
        words += [participle] if self.past else []
        words = self.object.french() + words if isinstance(self.object, Pronoun) else words
        words = ["ne", *words] if self.negated else words
        words += self.object.french() if isinstance(self.object, Phrase) else []
        return words + (self.place.french(_NOBODY) if self.place else [])

    def english(self, plural: bool) -> list[str]:
        """The negation needs "do"; an adverb stands before the verb, a pronoun behind it."""
        see, sees, saw = self.verb.english
        if self.negated:
            words = ["did" if self.past else "do" if plural else "does", "not", *see.split()]
        else:
            words = [*([ADVERBS[self.adverb]] if self.adverb else []),
                     *(saw if self.past else see if plural else sees).split()]
        words += self.object.english() if self.object else []
        return words + (self.place.english(_NOBODY) if self.place else [])


@dataclass(eq=False)
class Sentence:
    """Clauses with words between them: subject and predicate each."""

    clauses: list[tuple[str, Phrase | Pronoun, Predicate]] = field(default_factory=list)

    def french(self) -> list[str]:
        """With elisions, then contractions: de l' arbre, but du roi."""
        words = [w for join, subject, predicate in self.clauses
                 for w in (*join.split(), *subject.french(), *predicate.french(subject.plural))]
        words = [_BEFORE_VOWEL.get(w, w) if after[0] in VOWELS else w
                 for w, after in zip(words, [*words[1:], "."], strict=True)]
        text = " ".join(["", *words, "."]).replace(" de le ", " du ").replace(" de les ", " des ")
        return text.split()

    def english(self) -> list[str]:
        """The translation."""
        words = [w for join, subject, predicate in self.clauses
                 for w in (*JOINS.get(join, "").split(), *subject.english(), *predicate.english(subject.plural))]
        return [*words, "."]


_NOBODY = Phrase("the", NOUNS[0], False, 0)    # the head of a place that belongs to the verb
