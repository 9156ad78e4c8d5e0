import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.loop.contamination import eval_overlaps, text_key
from collapse_pipeline_tests.loop.test_filter import samples, suite

RUN = "the first of may was the day on which my new card should have come"  # 15 words


def overlaps(rows, evals, **options):
    return eval_overlaps(samples(rows), suite(evals), **options)


def test_whole_prompts_count_in_any_spelling():
    # ids are e0, e1 ... in order; the shorter prompt is part of an eval prompt, and no overlap
    evals = ["Where is my card?", "Hello", "?!"]
    rows = ["where's my card", "WHERE IS MY CARD", "hello!", "where is", "?!", "!?"]
    assert overlaps(rows, evals) == ["", "e0", "e1", "", "e2", ""]


def test_thirteen_words_in_a_row_give_an_eval_row_away():
    words = RUN.split()
    rows = [
        "oh " + " ".join(words[1:14]) + " you know",  # 13
        "oh " + " ".join(words[1:13]) + " you know",  # 12
        ("question", "well " + RUN),  # in the response
    ]
    assert overlaps(rows, ["short", RUN]) == ["e1", "", "e1"]
    assert overlaps(rows, ["short", ("asked", RUN)]) == ["e1", "", "e1"]
    assert overlaps(rows, ["short", RUN], words=12) == ["e1", "e1", "e1"]
    assert overlaps([" ".join(words[:7]) + " x " + " ".join(words[7:])], [RUN]) == [""]


def test_runs_do_not_cross_from_prompt_to_response():
    half, rest = RUN[:30], RUN[30:]
    assert overlaps([(half, rest)], [RUN]) == [""]


def test_numbers_make_no_run_longer_but_tell_runs_apart():
    sums = "6 + 2 = 8 and 9 - 3 = 6 so 8 + 6 = 14 in all"  # 4 words that begin with a letter
    assert overlaps([("a", sums)], [("b", sums)]) == [""]
    assert overlaps([RUN.replace("may", "may 5")], [RUN.replace("may", "may 5")]) == ["e0"]
    assert overlaps([RUN.replace("may", "may 5")], [RUN.replace("may", "may 6")]) == [""]


def test_boilerplate_tells_nothing():
    evals = [f"{RUN} {name}" for name in ("ann", "bob", "cy")]
    assert overlaps([f"{RUN} dee"], evals, common=3) == ["e0"]
    assert overlaps([f"{RUN} dee"], evals, common=2) == [""]
    assert overlaps([f"{RUN} bob"], evals, common=0) == ["e1"]  # a whole prompt always counts
    # the same text in two suites is one text
    assert overlaps([f"{RUN} dee"], evals[:1] * 3, common=1) == ["e0"]


def test_what_training_rows_say_is_boilerplate():
    assert overlaps([f"{RUN} dee"], [RUN], human=samples([f"so {RUN}"])) == [""]
    assert overlaps([f"{RUN} dee"], [RUN], human=samples(["so"])) == ["e0"]


def test_stock_answers_can_be_left_out():
    assert overlaps([("a", RUN)], [("b", RUN)]) == ["e0"]
    assert overlaps([("a", RUN)], [("b", RUN)], responses=False) == [""]
    assert overlaps([("a", RUN)], [(RUN, "b")], responses=False) == ["e0"]  # an eval prompt


def test_nothing_to_compare():
    assert overlaps([], [RUN]) == []
    assert overlaps([RUN], []) == [""]
    assert overlaps(["", "a"], [("", "b")]) == ["", ""]
    assert text_key("?!") == "?!"


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcd1"), max_size=9).map(" ".join), max_size=6),
    st.lists(st.lists(st.sampled_from("abcd1"), max_size=9).map(" ".join), max_size=6),
)
def test_against_brute_force(rows, evals):
    def runs(text):
        words = text.split()
        starts = [i for i, word in enumerate(words) if word.isalpha()]
        ends = starts[1:] + [len(words)] * bool(starts)
        units = [" ".join(words[a:b]) for a, b in zip(starts, ends, strict=True)]
        return {tuple(units[i : i + 3]) for i in range(len(units) - 2)}

    found = overlaps(rows, evals, words=3, common=100)
    for row, overlap in zip(rows, found, strict=True):
        expected = any((row and row == other) or runs(row) & runs(other) for other in evals)
        assert bool(overlap) == expected


@pytest.mark.real_data
def test_gsm8k_is_not_flagged_for_its_arithmetic(shared_data):
    table = pq.read_table(shared_data / "gsm8k.parquet").to_pandas()
    train, test = (table[table["split"] == split] for split in ("train", "test"))
    rows = list(zip(train["text"], train["answer"], strict=True))[:2000]
    evals = list(zip(test["text"], test["answer"], strict=True))
    assert sum(map(bool, overlaps(rows, evals))) <= 2  # of 7,473: 4; with numbers counted 3,874
    planted = [("What follows is known? " + prompt, answer) for prompt, answer in evals[:200]]
    assert sum(map(bool, overlaps(planted, evals))) >= 199
