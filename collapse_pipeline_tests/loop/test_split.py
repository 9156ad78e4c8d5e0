import random

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.split import assign_splits
from collapse_pipeline.metrics.minhash import normalise
from collapse_pipeline.metrics.near_texts import similar_pairs

LONG = "could you please tell me where my parcel is because it has been ten days since i ordered it"
NEAR = LONG + " online"  # 18 of 19 shingles in common: 17 / 18 or so, far above 0.8


def rows(prompts, labels=None, responses=None) -> pa.Table:
    return pa.table(
        {
            "sample_id": [f"{number:032x}" for number in range(len(prompts))],
            "label": labels or [""] * len(prompts),
            "prompt": prompts,
            "response": responses or [""] * len(prompts),
        }
    )


def test_own_split_withholds_training_rows_that_repeat_eval_rows():
    prompts = [LONG, NEAR, "my card was eaten", "Hello there", "hello there!", "a third thing"]
    own = ["Training", "test", "train", "dev", "train", "VALIDATION"]
    done = assign_splits(rows(prompts), own)
    expected = ["withheld", "eval", "train", "eval", "withheld", "eval"]
    assert done.split.tolist() == expected
    first, fourth = f"{0:032x}", f"{3:032x}"
    assert done.near_group[:2].tolist() == [first, first]
    assert done.near_group[3:5].tolist() == [fourth, fourth]
    assert len(set(done.near_group)) == 4
    assert done.warnings == ["2 training rows nearly repeat an eval row and are withheld"]


def test_unknown_split_values_are_listed():
    with pytest.raises(BadInputError, match=r"'gold', 'holdout'"):
        assign_splits(rows(["a b", "c d", "e f"]), ["train", "holdout", "gold"])


def test_drawn_split_takes_the_share_of_every_label():
    rng = random.Random(0)
    prompts = [" ".join(f"w{rng.randrange(9999)}" for _ in range(8)) for _ in range(400)]
    labels = ["big"] * 300 + ["small"] * 96 + ["tiny"] * 3 + ["one"]
    done = assign_splits(rows(prompts, labels), seed=5)
    frame = pd.DataFrame({"label": labels, "split": done.split})
    counts = frame[frame["split"] == "eval"]["label"].value_counts().to_dict()
    assert counts == {"big": 75, "small": 24, "tiny": 1}  # 3 / 4 rounds to 1, 1 / 4 to 0
    again = assign_splits(rows(prompts, labels), seed=5)
    assert done.split.tolist() == again.split.tolist()
    assert done.split.tolist() != assign_splits(rows(prompts, labels), seed=6).split.tolist()


def test_one_prompt_with_many_responses_is_on_one_side():
    responses = [f"answer {i} {i * 7} {i * 31} of its own words {i}" for i in range(60)]
    others = [f"question {i} about {i * i} and {i + 5}" for i in range(240)]
    done = assign_splits(rows(["What now?"] * 60 + others, None, responses + others), seed=2)
    assert len(set(done.split[:60])) == 1
    assert len(set(done.near_group[:60])) == 1
    assert any("share prompts" in warning for warning in done.warnings)


def test_a_template_is_cut_and_told():
    words = [f"word{i}" for i in range(40)]
    prompts = [" ".join([*words, f"end{i}"]) for i in range(120)]
    done = assign_splits(rows(prompts), seed=1)
    assert pd.Series(done.near_group).value_counts().max() == 50
    assert any("may lie on both sides" in warning for warning in done.warnings)


sentences = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=1, max_size=7).map(" ".join),
    min_size=1,
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(sentences, st.integers(0, 5), st.booleans())
def test_no_near_duplicate_is_on_both_sides(prompts, seed, own):
    values = np.random.default_rng(seed).choice(["train", "test"], len(prompts)).tolist()
    done = assign_splits(rows(prompts), values if own else None, seed=seed)
    sides = pd.DataFrame({"group": done.near_group, "split": done.split})
    trained = set(sides[sides["split"] == "train"]["group"])
    assert not trained & set(sides[sides["split"] == "eval"]["group"])
    plain = [normalise(prompt) for prompt in prompts]
    of_split = {s: {p for p, x in zip(plain, done.split, strict=True) if x == s} for s in SIDES}
    assert not of_split["train"] & of_split["eval"]


SIDES = ("train", "eval", "withheld")


@pytest.mark.real_data
def test_banking77_leaks_nothing(shared_data):
    frame = pd.read_parquet(shared_data / "banking77.parquet").drop_duplicates("text")
    prompts = frame["text"].tolist()
    table = rows(prompts, frame["label"].tolist())
    for own in (frame["split"].tolist(), None):
        done = assign_splits(table, own, seed=3)
        first, second = similar_pairs(prompts)
        crossing = {
            frozenset(pair) for pair in zip(done.split[first], done.split[second], strict=True)
        }
        assert frozenset({"train", "eval"}) not in crossing
        if own is None:
            assert (done.split == "eval").mean() == pytest.approx(0.25, abs=0.005)
            assert not (done.split == "withheld").any()
        else:
            assert 40 < (done.split == "withheld").sum() < 150
