"""How well a language model expects text: perplexity by token, bits by byte."""

import math
from collections.abc import Sequence

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.ports import FloatVector, IntVector


def perplexity(nll_sums: FloatVector, token_counts: IntVector) -> float:
    """How many equally likely tokens the model hesitates between, on average over all tokens.

    Args:
        nll_sums: (n_rows,), each row's summed loss in nats.
        token_counts: (n_rows,), each row's tokens, its end included.

    Returns:
        At least 1, lower is better; infinite where the loss is too large to raise e to, NaN where
        it is NaN. Long rows weigh more than short ones. Compares only models that share a
        vocabulary: fewer, longer tokens mean a higher figure for the same text.

    Raises:
        TooFewSamplesError: Without any token.

    Source:
        Jelinek et al. 1977; the training-side measure of Shumailov et al. 2024.
    """
    _require_rows(int(token_counts.sum()))
    return _exp(float(nll_sums.sum()) / float(token_counts.sum()))


def bits_per_byte(nll_sums: FloatVector, texts: Sequence[str]) -> float:
    """Bits that the model needs for each byte of text.

    Args:
        nll_sums: (n_rows,), each row's summed loss in nats.
        texts: (n_rows,), what was scored, prompt and response joined; counted in UTF-8.

    Returns:
        At least 0, lower is better; 8 is what a coin would need. Compares models of different
        vocabularies on the same texts, where perplexity does not.

    Raises:
        TooFewSamplesError: Without any byte.

    Source:
        Shannon 1951; Gao et al. 2020 (The Pile), section 3.1.
    """
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    _require_rows(size)
    return float(nll_sums.sum()) / (math.log(2) * size)


def _require_rows(size: int) -> None:
    if size == 0:
        raise TooFewSamplesError("text to measure fluency on", "none", "give at least one row")


def _exp(nats: float) -> float:
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf
