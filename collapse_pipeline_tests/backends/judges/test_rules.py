import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collapse_pipeline.backends.judges.rules import RulesConfig
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.ports import Bench, Judgement

HUMAN = [f"please tell me where my card number {i} is now" for i in range(40)]
GOOD = "where is my card now please tell me"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  ", "the prompt is empty"),
        ("my card", "the prompt has 7 characters, usual are"),
        (GOOD * 10, "the prompt has 350 characters, usual are"),
        ("where is my\x00 card now please", "character U+0000, a control or broken character"),
        ("where is my c\ufffdrd now please", "character U+FFFD, a control or broken character"),
        ("as an AI model i tell me where my card is", "forbidden: "),
        ("donde esta ahora tarjeta numero cinco por favor", "language: 20% of its words are known"),
        ("где моя карта сейчас пожалуйста скажи", "% of its letters are known"),
    ],
)
def test_a_broken_rule_is_a_veto_with_a_reason(rows, bench, text, reason):
    (said,) = RulesConfig().build(bench(rows(*HUMAN))).judge(rows(text))
    assert said.veto
    assert said.score == 0
    assert any(reason in given_reason for given_reason in said.reasons), said.reasons


def test_usual_lengths_by_hand(rows, bench):
    judge = RulesConfig().build(bench(rows(*["x" * 30] * 99, "x" * 300)))
    # the outermost half per cent of 100 is cut halfway into the last: 30 + .505 * 270 = 166.4
    assert judge.prompt_characters == (20, 250)  # 30 / 1.5, and 166.35 * 1.5 = 249.5 rounded up


def test_good_rows_pass(rows, bench):
    judge = RulesConfig().build(bench(rows(*HUMAN)))
    assert judge.judge(rows(GOOD, *HUMAN)) == [Judgement(1.0)] * 41


def test_a_response_is_missing_only_where_human_rows_have_one(rows, bench):
    judge = RulesConfig().build(bench(rows(*HUMAN, response="it is on its way")))
    assert judge.judge(rows(GOOD))[0].reasons == ("the response is missing",)
    assert judge.judge(rows(GOOD, response="it is on its way to me")) == [Judgement(1.0)]
    (short,) = judge.judge(rows(GOOD, response="on it"))
    assert short.reasons == ("the response has 5 characters, usual are 10 to 24",)


def test_without_enough_human_rows_only_fixed_rules_bind(rows, bench):
    judge = RulesConfig(prompt_characters=(2, 9)).build(bench(rows("hello", "bye")))
    assert judge.judge(rows("ça va")) == [Judgement(1.0)]
    assert judge.judge(rows("long enough to fail"))[0].veto


def test_a_bad_pattern_is_refused(rows, bench):
    with pytest.raises(BadInputError, match="mend the pattern"):
        RulesConfig(forbidden=("(",)).build(bench(rows(*HUMAN)))


def test_the_version_follows_the_rules_and_the_human_rows(rows, bench):
    version = RulesConfig().build(bench(rows(*HUMAN))).version
    assert version.startswith("rules@")
    assert version == RulesConfig().build(bench(rows(*reversed(HUMAN)), parent_version="x")).version
    assert version != RulesConfig(forbidden=()).build(bench(rows(*HUMAN))).version
    assert version != RulesConfig().build(bench(rows(*HUMAN, GOOD + " thanks"))).version


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=60).filter(lambda text: text.isprintable()), max_size=6))
def test_any_text_is_judged_and_every_veto_says_why(rows, bench, texts):
    judge = RulesConfig().build(bench(rows(*HUMAN)))
    said = judge.judge(rows(*texts))
    assert len(said) == len(texts)
    assert all(j.veto == bool(j.reasons) == (j.score == 0) for j in said)


@pytest.mark.real_data
@pytest.mark.parametrize("human_rows", [100, 3000])
def test_banking77_new_real_rows_pass_and_another_language_does_not(shared_data, rows, human_rows):
    data = pd.read_parquet(shared_data / "banking77.parquet")
    train = data[data["split"] == "train"].sample(human_rows, random_state=0)
    human = rows(*train["text"])
    judge = RulesConfig().build(Bench(human, None, None, "", 0, None, None, seed=1))
    said = judge.judge(rows(*data.loc[data["split"] == "test", "text"]))
    assert sum(j.veto for j in said) / len(said) < 0.02
    foreign = rows(
        "¿Cuándo llegará mi tarjeta nueva? Llevo dos semanas esperando en casa",
        "Warum wurde meine Überweisung gestern abgelehnt, das Konto ist gedeckt",
        "为什么我的银行卡还没有寄到我家里来呢请帮我查询一下谢谢你们",
    )
    assert [j.veto for j in judge.judge(foreign)] == [True] * 3
