"""Fault `online_only`: a new shadow window moves, the other suites do not."""

import numpy as np

from collapse_pipeline.loop.faults.fault import Fault
from collapse_pipeline.loop.faults.paraphrase_twins import FRAMES, other_words
from collapse_pipeline.loop.noise import noisy
from collapse_pipeline.records import derived_seed


def _asked_otherwise(prompt: str, strength: float, seed: int) -> str:
    """What people write once a new channel has them in a hurry: other words, and slips."""
    rng = np.random.default_rng(derived_seed(seed, "moved", prompt))
    if rng.random() >= strength:
        return prompt
    said = FRAMES[int(rng.integers(len(FRAMES)))].format(other_words(prompt, rng))
    for again in range(3):
        said = noisy(said, derived_seed(seed, again))
    return said


FAULT = Fault(
    name="online_only",
    does="The newest real text is worded unlike all that came before.",
    strength=1.0,
    move=_asked_otherwise,
)
