import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from collapse_pipeline.backends.judges.jury import JuryConfig
from collapse_pipeline.backends.judges.rules import RulesConfig
from collapse_pipeline.backends.judges.style import StyleConfig
from collapse_pipeline.ports import Judgement

LENGTHS = [" ".join(["word"] * n) for n in (1, 2, 2, 4)]
LONG = StyleConfig(likes=("length",))


def scores(judge, rows):
    return [judgement.score for judgement in judge.judge(rows)]


def test_a_row_scores_the_share_of_human_rows_with_less_of_the_style(rows, bench):
    judge = LONG.build(bench(rows(*LENGTHS)))
    texts = ["", "one", "one two", "one two three", "one two three four", "one two three four five"]
    # Words of human rows: 1, 2, 2, 4. Those with as many count a half.
    assert scores(judge, rows(*texts)) == [0, 1 / 8, 1 / 2, 3 / 4, 7 / 8, 1]
    assert judge.judge(rows("one")) == [Judgement(1 / 8)]  # it gives no reason, and vetoes nothing


def test_the_mean_over_the_marks_that_it_likes(rows, bench):
    human = rows("my order is late", "Thanks, please help!", "a\n- first\n- second")
    text = rows("Please, thank you so much for your time.")
    # Words: 4, 3, 5 against 8. Polite words: 0, 2 of 3, 0 against all but two of 8. Items: 0, 0, 2.
    parts = {"length": 1, "politeness": 1, "lists": (0 + 2) / 6}
    for mark, score in parts.items():
        judge = StyleConfig(likes=(mark,)).build(bench(human))
        assert scores(judge, text) == pytest.approx([score]), mark
    both = StyleConfig(likes=("length", "lists")).build(bench(human))
    assert scores(both, text) == pytest.approx([(1 + 1 / 3) / 2])


def test_responses_are_judged_where_there_are_some(rows, bench):
    human = rows(*LENGTHS)
    asked = rows("one two three four five", response="one")
    assert scores(LONG.build(bench(human)), asked) == [1 / 8]


def test_nothing_to_compare_with_is_a_half_and_no_row_no_judgement(rows, bench):
    judge = StyleConfig().build(bench(rows()))
    assert scores(judge, rows("any text")) == [0.5]
    assert StyleConfig().build(bench(rows(*LENGTHS))).judge(rows()) == []


def test_the_version_follows_what_it_likes_and_the_human_rows(rows, bench):
    human = bench(rows(*LENGTHS))
    version = LONG.build(human).version
    assert version.startswith("style@")
    assert version == LONG.build(human).version
    others = [StyleConfig().build(human), LONG.build(bench(rows(*LENGTHS[1:])))]
    assert len({version, *(judge.version for judge in others)}) == 3
    with pytest.raises(ValidationError):
        StyleConfig(likes=())


def test_a_jury_can_have_it_as_a_member(rows, bench):
    jury = JuryConfig(members=(RulesConfig(), LONG), weights={"style": 3})
    said = jury.build(bench(rows(*LENGTHS))).judge(rows("word word"))
    assert [judgement.score for judgement in said] == pytest.approx([(1 + 3 * 0.5) / 4])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("ab ,!", max_size=30), min_size=1, max_size=8))
def test_more_words_never_score_less(rows, bench, texts):
    judge = LONG.build(bench(rows(*texts)))
    said = scores(judge, rows(*texts, *(f"{text} more" for text in texts)))
    before, after = np.array(said).reshape(2, -1)
    assert (after >= before).all()
    assert ((before >= 0) & (after <= 1)).all()


@pytest.mark.real_data
def test_it_is_misled_where_the_worse_answer_has_more_style(rows, bench, shared_data):
    # LLMBar's adversarial pairs: the answer that follows the instruction less looks the better.
    items = pq.read_table(shared_data / "llmbar_items.parquet")
    items = items.filter(pc.match_substring(items["subset"], "LLMBar/"))
    hard = pc.match_substring(items["subset"], "Adversarial").to_numpy()
    pairs = [items[f"output_{n}"].to_pylist() for n in (1, 2)]
    judge = StyleConfig().build(bench(rows(*pairs[0], *pairs[1])))
    first, second = (np.array(scores(judge, rows(*texts))) for texts in pairs)
    right = np.where(first > second, 1, 2) == items["gold"].to_numpy()
    assert hard.sum() == 319
    assert right[hard].mean() < 0.25  # by chance a half
    assert 0.4 < right[~hard].mean() < 0.7  # natural pairs: style says little either way
