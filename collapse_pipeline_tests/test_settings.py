import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError, StoreError
from collapse_pipeline.settings import (
    CorpusItem,
    check_name,
    load_settings,
    merge,
    parse_overrides,
    write_corpus,
)


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_a_new_home_has_the_embedded_corpora(tmp_path):
    settings = load_settings(tmp_path / "home")
    assert sorted(settings.corpora) == ["customer_service", "question_bank"]
    assert settings.corpus("customer_service").teacher.kind == "simulated"
    assert settings.corpus("question_bank").mix.synthetic_cap == 0.3


def test_a_home_with_a_corpus_of_its_own_has_only_that(tmp_path):
    write_corpus(tmp_path, "tickets", CorpusItem(first_generation="2026-01-01"))
    settings = load_settings(tmp_path)
    assert list(settings.corpora) == ["tickets"]
    assert settings.first_generation("tickets", "2026-06-01") == "2026-01-01"
    assert settings.item("question_bank").world == "question_bank"  # still there when named


def test_later_settings_win(tmp_path, config):
    path = config("defaults: {mix: {synthetic_cap: 0.1}}\n")
    write_corpus(tmp_path, "tickets", CorpusItem(settings={"mix": {"depth_limit": 5}}))
    settings = load_settings(tmp_path, path)
    mix = settings.corpus("tickets", parse_overrides(["mix.human_floor=0.4"])).mix
    assert (mix.synthetic_cap, mix.depth_limit, mix.human_floor) == (0.1, 5, 0.4)


def test_another_kind_starts_afresh():
    under = {"student": {"kind": "ngram", "discount": 0.5}}
    assert merge(under, {"student": {"kind": "gpt"}}) == {"student": {"kind": "gpt"}}
    assert merge(under, {"student": {"discount": 0.7}})["student"]["kind"] == "ngram"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("defaults:\n  mix:\n    synthetic_cup: 0.3\n", r"line 3.*synthetic_cup: unknown name"),
        ("defaults:\n  mix: {}\n  mix: {}\n", r"defaults.mix again in .*line 3"),
        ("defaults: {mix: {synthetic_cap: 3}}\n", r"mix.synthetic_cap"),
        ("defaults: {student: {kind: oracle}}\n", r"student.*oracle"),
        ("surprise: 1\n", r"line 1.*surprise: unknown name"),
        ("- a\n", r"a mapping"),
        ("a: [\n", r"YAML"),
        ("corpora: {Bad-Name: {world: customer_service}}\n", r"Bad-Name"),
    ],
)
def test_a_bad_configuration_says_where(tmp_path, config, text, complaint):
    with pytest.raises(BadInputError, match=f"(?s){complaint}"):
        load_settings(tmp_path / "home", config(text))


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ("tickets: {world: atlantis}", "no reference world"),
        ("tickets: {first_generation: 2026-1-1}", "no date"),
    ],
)
def test_a_bad_item_of_the_home(tmp_path, item, complaint):
    (tmp_path / "corpora.yaml").write_text(item)
    with pytest.raises(BadInputError, match=f"line 1, .*{complaint}"):
        load_settings(tmp_path)


def test_a_date_without_quotes(tmp_path):
    (tmp_path / "corpora.yaml").write_text("tickets: {first_generation: 2026-01-01}")
    assert load_settings(tmp_path).first_generation("tickets", "2026-06-01") == "2026-01-01"


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        ("mix.synthetic_cap=3", r"in --set mix\.synthetic_cap, got mix\.synthetic_cap"),
        ("teacher.temperature=.inf", "teacher.temperature wants a finite number"),
        ("student.length_factor=inf", "student.length_factor wants a finite number"),
    ],
)
def test_a_bad_override_is_told_from_the_files(tmp_path, pair, complaint):
    settings = load_settings(tmp_path)
    own = settings.model_copy(update={"corpora": {"tickets": CorpusItem()}})
    with pytest.raises(BadInputError, match=complaint):
        own.corpus("tickets", parse_overrides([pair]))


def test_a_missing_configuration(tmp_path):
    with pytest.raises(BadInputError, match="no file"):
        load_settings(tmp_path, tmp_path / "none.yaml")


def test_a_home_that_is_a_file(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match="another --home"):
        load_settings(tmp_path / "home")


@pytest.mark.parametrize("pair", ["mix.regime", "=3", "mix..regime=1", "mix.regime=[", ".a=1"])
def test_a_bad_override(pair):
    with pytest.raises(BadInputError):
        parse_overrides([pair])


def test_overrides_are_yaml():
    assert parse_overrides(["a.b=1", "a.c=true", "a.d=replace", "a.e="]) == {
        "a": {"b": 1, "c": True, "d": "replace", "e": ""}
    }


def test_an_unknown_corpus_names_the_known(tmp_path):
    with pytest.raises(BadInputError, match="customer_service, question_bank"):
        load_settings(tmp_path).item("nobody")


@pytest.mark.parametrize("name", ["", "Abc", "a-b", "../x", "1a", "a" * 64])
def test_names_that_could_not_be_asset_keys(name):
    with pytest.raises(BadInputError):
        check_name(name)


@given(
    st.recursive(
        st.integers(), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=8
    ).filter(lambda value: isinstance(value, dict))
)
def test_merging_nothing_changes_nothing(tree):
    assert merge(tree, {}) == tree == merge({}, tree) == merge(tree, tree)
