import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.embedders.static import StaticEmbedder
from collapse_pipeline.backends.students.ngram import NgramConfig
from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.metrics import (
    bleu,
    hedges,
    phrases,
    questions,
    repetition,
    similarity,
    spread,
)
from collapse_pipeline.metrics.evidence import BatchEvidence, Need, Texts
from collapse_pipeline.metrics.minhash import jaccard, normalise
from collapse_pipeline.metrics.near_texts import similar_pairs
from collapse_pipeline.metrics.repetition import (
    exact_duplicates,
    exact_duplicates_across,
    near_duplicates,
    near_duplicates_across,
)
from collapse_pipeline.records import samples_table
from collapse_pipeline_tests.samples import written_row

METRICS = {
    row.name: row
    for family in (bleu, hedges, phrases, questions, repetition, similarity, spread)
    for row in family.METRICS
}

LONG = "please tell me how i can change the address on my account since i moved to a new flat"
NEARLY = f"{LONG} today"  # 17 of 18 shingles are the same
TEXTS = [LONG, NEARLY, "Where is my card?", "where is my card", "What now?", "...", "!"]


def test_by_hand():
    assert exact_duplicates(TEXTS) == 2 / 7  # the two cards; signs alone are like nothing
    assert near_duplicates(TEXTS) == 4 / 7  # and the two addresses
    assert exact_duplicates_across(TEXTS, ["Where is my card", "?"]) == 2 / 7
    assert near_duplicates_across(TEXTS, ["Where is my card", NEARLY, "?"]) == 4 / 7
    assert near_duplicates_across(TEXTS, [f"{LONG} again"]) == 2 / 7
    assert near_duplicates_across(TEXTS, []) == exact_duplicates_across(TEXTS, []) == 0


def test_too_few_texts():
    for share in (exact_duplicates, near_duplicates):
        with pytest.raises(TooFewSamplesError, match=f"2 texts or more for {share.__name__}"):
            share(["one"])
    for share in (exact_duplicates_across, near_duplicates_across):
        with pytest.raises(TooFewSamplesError, match=f"1 texts or more for {share.__name__}"):
            share([], ["one"])


sentences = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=9).map(" ".join),
    min_size=2,
    max_size=15,
)


@settings(deadline=None)
@given(sentences, sentences)
def test_shares_lie_between_what_is_equal_and_what_is_near(texts, earlier):
    def near(text, others):
        return any(normalise(text) == normalise(one) or jaccard(text, one) >= 0.8 for one in others)

    within = [near(text, texts[:at] + texts[at + 1 :]) for at, text in enumerate(texts)]
    assert exact_duplicates(texts) <= near_duplicates(texts) <= np.mean(within) + 1e-9
    across = [near(text, earlier) for text in texts]
    share = near_duplicates_across(texts, earlier)
    assert exact_duplicates_across(texts, earlier) <= share <= np.mean(across) + 1e-9
    assert near_duplicates_across(texts[::-1], earlier[::-1]) == share
    assert near_duplicates(texts[::-1]) == near_duplicates(texts)
    assert exact_duplicates(texts * 2) == near_duplicates(texts * 2) == 1
    assert exact_duplicates_across(texts, texts) == 1


def test_a_flood_of_near_copies_is_seen_and_stays_cheap():
    flood = [f"{LONG} number {number}" for number in range(3000)]
    assert near_duplicates(flood) == 1
    assert near_duplicates_across(flood, [f"{LONG} account {at}" for at in range(3000)]) > 0.97
    assert exact_duplicates(flood) == 0


def test_a_bucket_is_gone_through_up_to_a_number(monkeypatch):
    keys, others = np.array([5, 7, 6]), np.array([7, 5, 4, 5, 5])

    def pairs():
        return list(zip(*(side.tolist() for side in repetition._met(keys, others)), strict=True))

    assert pairs() == [(0, 1), (0, 3), (0, 4), (1, 0)]
    monkeypatch.setattr(repetition, "REACH", 2)
    assert pairs() == [(0, 1), (0, 3), (1, 0)]


@pytest.mark.real_data
def test_no_near_copy_is_missed_that_all_pairs_find(shared_data):
    texts = pq.read_table(shared_data / "banking77.parquet")["text"].to_pylist()
    rows = np.unique(np.concatenate(similar_pairs(texts)))
    assert near_duplicates(texts) == pytest.approx(len(rows) / len(texts), rel=0.01)


def evidence(written, people, earlier, seed=0):
    embedder = StaticEmbedder()

    def texts(prompts):
        rows = [written_row(prompt, seed=at) for at, prompt in enumerate(prompts)]
        return Texts(samples_table(rows), embedder)

    past = None if earlier is None else texts(earlier)
    return BatchEvidence(texts(written), texts(people), past, seed=seed)


ROWS = [*TEXTS[:5], "How much is it? A) 1 B) 2 C) 4", "Which one? A) red B) blue", "in some cases"]


def test_rows_of_the_catalogue():
    wanted = (
        "exact_duplicates near_duplicates repeated_4grams distinct_2 self_bleu hedge_rate "
        "nearest_neighbour_ratio cluster_share skeleton_repetition top_skeleton_share "
        "unigram_entropy vendi_score exact_duplicates_across near_duplicates_across "
        "nearest_neighbour_ratio_across repeated_4grams_across distractor_diversity "
        "question_form_diversity"
    )
    assert set(wanted.split()) <= METRICS.keys()
    forwards = evidence(ROWS, ROWS[:4], ROWS[2:6])
    backwards = evidence(ROWS[::-1], ROWS[3::-1], ROWS[5:1:-1])
    new = evidence(ROWS, ROWS, None)
    for name, metric in METRICS.items():
        value = metric.compute(forwards)
        assert np.isfinite(value), name
        assert value == pytest.approx(metric.compute(backwards), abs=1e-5), name
        if metric.scale == "share":
            assert 0 <= value <= 1, name
        assert np.isnan(metric.compute(new)) == (Need.EARLIER in metric.needs), name
        assert name.endswith("_across") == (Need.EARLIER in metric.needs), name
    assert METRICS["exact_duplicates_across"].compute(forwards) == 4 / 8
    assert METRICS["skeleton_repetition"].compute(forwards) == 2 / 8


@pytest.mark.real_data
def test_text_that_feeds_on_itself_repeats_itself(shared_data):
    """Replace: each generation's model is trained on the text of the one before alone."""
    train = pq.read_table(shared_data / "banking77.parquet", filters=[("split", "=", "train")])
    rows = train.take(pa.array(np.random.default_rng(0).permutation(len(train))[:1500]))
    labels, prompts = rows["label"].to_pylist(), rows["text"].to_pylist()
    people, batches, model = prompts, [], None
    for generation in range(3):
        table = pa.table({"label": labels, "prompt": prompts, "response": [""] * len(prompts)})
        model = NgramConfig().train(table, 0, vocabulary_of=model)
        written = model.sample(labels, [""] * len(labels), generation, 1.0)
        prompts = [prompt for prompt, _ in written]
        batches.append(prompts)
    nights = [evidence(batch, people, people) for batch in batches]
    for name, metric in METRICS.items():
        if Need.CHOICES in metric.needs or name.startswith("hedge") or name.endswith("_across"):
            continue
        first, second, third = (metric.compute(night) for night in nights)
        if metric.worse == "above":
            assert first < third, name
            assert name in {"cluster_share", "top_skeleton_share"} or first < second < third, name
        else:
            assert first > second > third, name
