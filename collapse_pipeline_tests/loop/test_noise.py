import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop import noise

SENTENCE = "Please tell me when my 2 new cards will arrive, I ordered them on Monday!"
seeds = st.integers(0, 2**40)
texts = st.text(max_size=60)


def test_a_typo_in_every_letter_touches_letters_only(monkeypatch):
    monkeypatch.setattr(noise, "TYPO_RATE", 1.0)
    # Words under three letters and digits stay; a slip never crosses a space.
    words = noise.typos("ab 12345 a1 hello", 3).split(" ")
    assert words[:3] == ["ab", "12345", "a1"]
    assert len(words) == 4
    assert words[3] != "hello"


def test_every_droppable_word_dropped_leaves_numbers_or_the_first(monkeypatch):
    monkeypatch.setattr(noise, "DROP_RATE", 1.0)
    assert noise.dropped_words("I paid 20 dollars", 1) == "20"
    assert noise.dropped_words("  only words here", 1) == "only"
    assert noise.dropped_words("", 1) == ""


def test_casing_changes_case_alone():
    seen = {noise.colloquial_casing("Where Is It", seed) for seed in range(100)}
    assert seen == {"where is it", "WHERE IS IT", "Where Is It"}


@given(texts, seeds)
def test_noise_is_a_function_of_text_and_seed(text, seed):
    for operation in (*noise.OPERATIONS.values(), noise.noisy):
        once = operation(text, seed)
        assert once == operation(text, seed)
        assert bool(once.strip()) == bool(text.strip())  # nothing is emptied
        if text.isascii():
            assert [c for c in once if c.isdigit()] == [c for c in text if c.isdigit()]


def test_these_very_words_on_every_machine():
    typed = "please telll me when my 2 new caeds will arrive, i ordered thwm on onday!"
    assert noise.noisy(SENTENCE, 1) == typed


@pytest.mark.real_data
def test_banking77_rate_and_speed(shared_data):
    prompts = pd.read_parquet(shared_data / "banking77.parquet")["text"].tolist()[:5000]
    start = time.perf_counter()
    changed = [noise.noisy(prompt, 0) for prompt in prompts]
    assert len(prompts) / (time.perf_counter() - start) > 5000  # measured 20,000 texts/s
    same = sum(a.lower() == b.lower() for a, b in zip(prompts, changed, strict=True))
    assert 0.05 < same / len(prompts) < 0.4  # most texts change by more than their case
