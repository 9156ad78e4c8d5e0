"""Skeletons: what is left of a text when only its function words are kept.

Two questions from one mould ("how do I _ my _ ?") have one skeleton whatever they are about. Text
written by a model that feeds on itself falls into few moulds early: the share of rows whose
skeleton is not theirs alone rises before most other statistics move. Real text shares skeletons
too (about one row in seven of short customer questions), so skeletons are for quotas and for
comparison with a null, never for bans.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from collapse_pipeline.errors import TooFewSamplesError

BLANK = "_"
NUMBER = "#"

_ENGLISH = """
    a an the this that these those some any no every each either neither both all half another
    such what which whose who whom when where why how
    i me my mine myself we us our ours ourselves you your yours yourself
    he him his himself she her hers herself it its itself they them their theirs themselves
    one someone somebody something anyone anybody anything everyone everybody everything
    nothing none there here then
    am is are was were be been being do does did doing done have has had having
    can could may might must shall should will would
    and or but nor so yet if unless until while because since although though whether than as
    of in on at by for with without about against between into through during before after above
    below to from up down out off over under again once within among across
    along around behind except near per via
    not only just also too very more most less least much many few little own same other else
    even still already ever never always often now again please
    aint arent cant couldnt didnt doesnt dont hadnt hasnt havent im isnt ive id ill its lets
    shouldnt thats theres theyre wasnt werent whats wheres whos wont wouldnt youre youve
"""
FUNCTION_WORDS = frozenset(_ENGLISH.split())

_TOKEN = re.compile(r"[^\W_]+(?:[.,]\d+)*")


@lru_cache(maxsize=100_000)
def _symbol(word: str) -> str:
    """What stands for a word: itself, the number sign, or the blank."""
    if any(sign.isdigit() for sign in word):
        return NUMBER
    return word if word in FUNCTION_WORDS else BLANK


def skeleton(text: str) -> str:
    """The text's function words in order, with `_` for every other word and `#` for numbers.

    Case, punctuation and apostrophes do not count. A word with a digit in it (a price, a date, an
    order number) is a number. Every content word leaves its own blank, so length counts too. ""
    for a text without words. English: in other languages all words are blank, and the skeleton is
    no more than the number of words.
    """
    words = text.casefold().replace("'", "").replace("\u2019", "")
    return " ".join(map(_symbol, _TOKEN.findall(words)))


def skeletons(texts: Sequence[str]) -> list[str]:
    """The skeleton of every text, in order."""
    return list(map(skeleton, texts))


def skeleton_repetition(moulds: Sequence[str]) -> float:
    """Share of texts whose skeleton at least one other text has.

    Args:
        moulds: (n_texts,), the skeleton of each, two or more. Texts without any word share the
            empty one.

    Returns:
        Ratio in [0, 1]; 0 when every text has a mould of its own, 1 when none has.

    Trap:
        Rises with the number of texts and falls with their length: compare equal sizes and kinds
        only. Text of an outside language model has less of it than a crowd's.

    Raises:
        TooFewSamplesError: With fewer than two texts.

    Source:
        Shaib et al. 2024 (arXiv:2407.00211) for syntactic templates; skeletons need no tagger.
    """
    counts = _counts(moulds, "skeleton_repetition")
    return sum(count for count in counts.values() if count > 1) / len(moulds)


def top_skeleton_share(moulds: Sequence[str]) -> float:
    """Share of texts that the most frequent skeleton has.

    Args:
        moulds: (n_texts,), the skeleton of each, two or more.

    Returns:
        Ratio in (0, 1]; 1 when all texts have one mould, 1 / n_texts when each has its own.

    Trap:
        In small batches it is at least 1 / n_texts, and a matter of few rows: its null is wide.
        Short texts ("_") share skeletons without any mould.

    Raises:
        TooFewSamplesError: With fewer than two texts.
    """
    return max(_counts(moulds, "top_skeleton_share").values()) / len(moulds)


def _counts(moulds: Sequence[str], name: str) -> Counter[str]:
    if len(moulds) < 2:
        raise TooFewSamplesError(
            f"2 texts or more for {name}", str(len(moulds)), "measure a larger batch"
        )
    return Counter(moulds)
