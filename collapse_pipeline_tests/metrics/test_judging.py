import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.judge import JudgePolicy, judge_batch
from collapse_pipeline.metrics.evidence import JudgedEvidence, Texts
from collapse_pipeline.metrics.judging import (
    METRICS,
    acceptance_rate,
    acceptance_shift,
    acceptance_skew,
    judge_style_bias,
    list_marks,
    style_correlation,
)
from collapse_pipeline.metrics.manners import politeness
from collapse_pipeline.ports import Judgement
from collapse_pipeline.records import derived_seed, samples_table
from collapse_pipeline.worlds.customer_service.world import CustomerService
from collapse_pipeline_tests.samples import written_row

COMPUTE = {metric.name: metric.compute for metric in METRICS}
STYLES = ("length", "politeness", "list")


def test_acceptance_by_hand():
    accepted = np.array([True] * 30 + [False] * 10)
    labels = ["a"] * 20 + ["b"] * 19 + ["c"]
    assert acceptance_rate(accepted) == 0.75
    # all: .75 - .7; a: 1 - .8; b has 19 rows and c 1, too few to say
    assert acceptance_shift(labels, accepted, {"": 0.7, "a": 0.8, "b": 0.1}) == pytest.approx(0.2)
    assert acceptance_shift(labels, accepted, {"": 0.4}) == pytest.approx(0.35)
    with pytest.raises(TooFewSamplesError, match="earlier nights"):
        acceptance_shift(labels, accepted, {})


def test_skew_by_hand():
    # 50 of 100 accepted, 40 of the a and 10 of the b: V = .6, and chance alone gives 1/99
    accepted = np.array([True] * 40 + [False] * 10 + [True] * 10 + [False] * 40)
    groups = ["a"] * 50 + ["b"] * 50
    assert acceptance_skew(groups, accepted) == pytest.approx(0.36 - 1 / 99)
    assert acceptance_skew(groups, np.ones(100, dtype=bool)) == 0
    assert acceptance_skew(["a"] * 100, accepted) == 0
    quota = np.array([True, False] * 50)
    assert acceptance_skew(groups, quota) == pytest.approx(-1 / 99)


def test_treated_alike_labels_have_no_skew_on_average():
    rng = np.random.default_rng(1)
    groups = [f"label {i}" for i in rng.integers(0, 40, 600)]
    found = [acceptance_skew(groups, rng.random(600) < 0.8) for _ in range(300)]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(300)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=2), st.randoms())
def test_the_order_of_rows_changes_nothing(rows, random):
    groups, accepted = zip(*rows, strict=True)
    mixed, still = zip(*random.sample(rows, len(rows)), strict=True)
    skew = acceptance_skew(groups, np.array(accepted))
    assert acceptance_skew(mixed, np.array(still)) == pytest.approx(skew, abs=1e-12)
    assert -1 <= skew <= 1


def test_list_marks_by_hand():
    assert list_marks("Do this:\n- one\n* two\n  3. three\nb) four") == 4
    assert list_marks("First (1) one, then 2) two, and c) three") == 3
    assert list_marks("It costs 24. Then wait - really - 3 days. A plan (see above).") == 0


def test_the_strongest_leaning_counts_either_way():
    assert judge_style_bias(0.1, -0.4, 0.2) == 0.4
    scores, style = np.array([0.1, 0.5, 0.9, 0.2]), np.array([9.0, 5, 1, 3])
    assert style_correlation(scores, style, "aaaa") == pytest.approx(-0.8)


class Judge:
    """Scores right rows 0.7 and wrong ones 0.3, give or take, and adds what it likes."""

    version = "toy@1"

    def __init__(self, taste, seed):
        self.taste, self.rng = taste, np.random.default_rng(seed)

    def judge(self, rows):
        # A row whose answer is wrong says so in its attributes: what a good judge can see.
        wrong = ["wrong" in dict(pairs) for pairs in rows["attributes"].to_pylist()]
        liked = np.array([self.taste(text) for text in rows["response"].to_pylist()])
        scores = np.where(wrong, 0.3, 0.7) + 0.15 * self.rng.standard_normal(len(wrong)) + liked
        return [Judgement(float(score)) for score in np.clip(scores, 0, 1)]


TASTES = {
    "length": lambda text: 0.01 * len(text.split()) - 0.15,
    "politeness": lambda text: -0.3 if politeness([text])[0] else 0.0,  # it dislikes it
    "list": lambda text: 0.2 * (list_marks(text) > 0),
}


def night(seed, taste, rows=1500):
    world = CustomerService()
    random = np.random.default_rng(seed)
    drafts = []
    for i, wrong in enumerate(random.random(rows) < 0.2):
        row = world.write(world.labels[i % 40], derived_seed(seed, i), 1.0 - wrong, 0.0, 0.0)
        response = row["response"]
        if random.random() < 0.3:  # some write their answer as a list
            response = "- " + response.replace(". ", ".\n- ")
        attributes = [("wrong", "yes")] if wrong else []
        drafts.append(
            written_row(
                row["prompt"],
                row["label"],
                response=response,
                attributes=attributes,
                sample_id=f"{seed}/{i}",
            )
        )
    table = samples_table(drafts)
    judged = judge_batch(table, Judge(taste, seed), None, JudgePolicy(select="rank"), seed)
    return JudgedEvidence(Texts(judged))


@pytest.mark.parametrize("seed", range(3))
def test_a_fair_judge_leans_nowhere(seed):
    assert COMPUTE["judge_style_bias"](night(seed, lambda _: 0.0)) < 0.1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("style", STYLES)
def test_a_judge_that_cares_for_style_is_seen_and_so_is_what_it_cares_for(style, seed):
    evidence = night(seed, TASTES[style])
    found = {s: COMPUTE[f"score_{s}_correlation"](evidence) for s in STYLES}
    assert abs(found[style]) == COMPUTE["judge_style_bias"](evidence) > 0.12
    assert (found[style] < 0) == (style == "politeness")


def test_a_judge_that_favours_a_label_skews_acceptance():
    rows = samples_table(
        written_row(f"text {i}", "ab"[i % 2], template=f"t{i % 3}@1", seed=i) for i in range(200)
    )

    class Partial:
        version = "toy@1"

        def judge(self, rows):
            vetoes = zip(rows["label"].to_pylist(), range(rows.num_rows), strict=True)
            return [Judgement(0.5, veto=label == "b" and i % 5 > 0) for label, i in vetoes]

    judged = Texts(judge_batch(rows, Partial(), None, JudgePolicy(keep_share=1.0), 1))
    evidence = JudgedEvidence(judged, acceptance_before={"": 0.9, "a": 1.0, "b": 0.8})
    # a: 100 of 100, b: the 20 of 100 that i divides; templates share the loss
    assert COMPUTE["acceptance_rate"](evidence) == 0.6
    assert COMPUTE["acceptance_skew"](evidence) == pytest.approx(2 / 3 - 1 / 199)
    assert COMPUTE["acceptance_skew_by_template"](evidence) < 0.01
    assert COMPUTE["acceptance_shift"](evidence) == pytest.approx(0.6)
    assert COMPUTE["judge_style_bias"](evidence) == 0  # one score for all


@pytest.mark.parametrize("name", [m.name for m in METRICS if not m.name.startswith("gold")])
def test_no_judged_row_is_too_few(name):
    empty = night(0, lambda _: 0.0, rows=2).judged.take(np.array([], dtype=np.int64))
    with pytest.raises(TooFewSamplesError):
        COMPUTE[name](JudgedEvidence(empty, acceptance_before={"": 0.5}))


@pytest.mark.real_data
def test_labels_of_long_questions_do_not_make_a_judge_love_length(shared_data):
    table = pq.read_table(shared_data / "banking77.parquet", filters=[("split", "=", "test")])
    texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    length = np.array([len(text.split()) for text in texts], dtype=float)
    easy = {label: length[np.array(labels) == label].mean() for label in set(labels)}
    noise = np.random.default_rng(1).standard_normal(len(texts))
    fair = np.array([easy[label] for label in labels]) + 2 * noise
    assert style_correlation(fair, length, [""] * len(texts)) > 0.2
    assert abs(style_correlation(fair, length, labels)) < 0.05
    assert style_correlation(fair + 0.2 * length, length, labels) > 0.2
