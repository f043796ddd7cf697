"""The question that a named mistake ends with, where neither the mistake nor its Check has one of its own.

Each asks for a case that the right idea and the mistake answer differently; a student who can answer it has understood.
"""

from __future__ import annotations

BY_FAMILY = {
    "mean or sum":
        "Repeat every row, or every step, of an input once more. Should this result double or stay as it is, and "
        "what does yours do?",
    "off by one":
        "Take the smallest size that is allowed and write the indices down by hand. Which one is the last that "
        "counts?",
    "unstable exp":
        "What is np.exp(1000), and what is that divided by itself? Which number may be taken from all scores without "
        "changing the result?",
    "bias left out": "Set all inputs and states to 0. What should come out, and what does your function give?",
    "only the last step": "Change the first step, or the first word, alone. Should this result change, and does yours?",
    "order of blocks":
        "Give each block, row or column a number of its own: 1, 2, 3. In which order do they stand by the text, and in "
        "which in your code?",
    "derivative at the wrong point":
        "For which value of the state does your slope become 0? Is that where the function itself is flat?",
    "state not carried": "Two sequences differ in their first step alone. Can your last state tell them apart?",
    "padding leaks": "Fill the padding with other numbers. Does your result change, and may it?",
    "sign": "Take one small step against your gradient. Does the loss fall?",
    "softmax axis": "Along which axis do your numbers add up to 1, and along which should they?",
    "h_t for h_{t-1}": "For one step alone: which state does the right formula read, and which does yours?",
    "windows": "Write down by hand the first two windows of 1, 2, 3, 4, 5. Which number leaves, and which comes in?",
    "time reversed": "Which entry should depend on the first step alone, the first or the last? And in yours?",
    "order of concatenation":
        "If the first block of columns is multiplied by 0, which input is lost: the state or x? And in your code?",
    "factor": "Double the inputs. By how much should the result grow, and by how much does yours?",
    "end token": "A sentence of no words: what should be there, and what do you give?",
    "smoothing":
        "Add up your probabilities over all words of the vocabulary. Is it 1 for a context that was never seen, too?",
    "another activation": "Between which two numbers does your result lie, and between which should it?",
    "last chunk": "Take 7 steps in chunks of 3. Which steps are in which chunk?",
    "transpose": "Take 2 inputs, 3 outputs and a matrix with a single 1. Which input reaches which output?",
    "a road left out": "Name every line in which this value is read. From how many places must its gradient come?",
    "weights shared":
        "How many numbers can be learned in all if the weights are separate, and how many does your code use?",
    "length":
        "Compare a short and a long sentence of equal probability a word. Which should win, and which wins in yours?",
    "scale": "Make the size that you divide by four times as large. By how much should the scores shrink?",
}
ANY = ("Find the smallest input, with sizes of 1 and 2, for which the sentence above and your code give different "
       "numbers. What does each give?")


def of_family(family: str) -> str:
    """The question for a mistake of this family, or one that fits any."""
    return BY_FAMILY.get(family, ANY)
