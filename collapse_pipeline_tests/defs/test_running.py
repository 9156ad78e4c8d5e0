import pytest

ONE = ("--corpus", "customer_service")
TABLES = [
    "synthetic_batch",
    "judged_batch",
    "filtered_batch",
    "dropped_batch",
    "training_mix",
    "eval_report",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def three_nights(document, home):
    """Three generations, run once for this module."""
    known = document("status", *ONE, home=home)["corpora"][0]["generations"]
    if not known:
        document("run", *ONE, "--generations", "3", home=home, codes=(0, 3))
        known = document("status", *ONE, home=home)["corpora"][0]["generations"]
    return known


@pytest.mark.slow
def test_the_document_of_a_run_is_the_contract(three_nights):
    first, second, third = three_nights
    assert first["verdict"] == "promoted"
    assert first["shares"] == {"human": 1.0, "synthetic": 0.0}
    for end in (second, third):
        assert end["verdict"] in ("promoted", "quarantined")
        assert (end["verdict"] == "promoted") == (end["blocked_by"] == [])
        assert set(end["reasons"]) == {*end["blocked_by"], *end["would_block"]}
        assert end["shares"]["human"] + end["shares"]["synthetic"] == pytest.approx(1)
        assert 0 < end["shares"]["synthetic"] <= 0.3
        assert set(end["rows"]) == {"human_anchor", *TABLES}
        for name in ("perplexity.real", "perplexity.synthetic", "standard.accuracy"):
            assert end["metrics"][name] > 0
        assert set(end["released"]) >= {"perplexity.real", "standard.accuracy", "noisy.macro_f1"}
        assert end["seconds"] > 0


@pytest.mark.slow
def test_rows_add_up_and_every_drop_says_why(three_nights, document, home):
    rows = three_nights[1]["rows"]
    assert rows["synthetic_batch"] == rows["judged_batch"] == 300
    night = three_nights[1]["generation"]
    found = document(
        "query",
        f"select count(*) n, count(*) filter (reason = '') bare from dropped_batch "
        f"where generation = '{night}'",
        home=home,
    )["rows"][0]
    assert found["bare"] == 0
    assert rows["filtered_batch"] + found["n"] == 300


@pytest.mark.slow
def test_no_row_of_a_suite_is_trained_on(three_nights, document, home):
    found = document(
        "query",
        "select count(*) n from training_mix m join eval_suites e "
        "on lower(m.prompt) = lower(e.prompt)",
        home=home,
    )
    assert found["rows"] == [{"n": 0}]


@pytest.mark.slow
def test_rows_arrive_and_no_night_sees_the_future(three_nights, document, home):
    arrived = [end["rows"]["human_anchor"] for end in three_nights]
    assert arrived[1] - arrived[0] == arrived[2] - arrived[1] == 10
    found = document(
        "query",
        "select count(*) n from training_mix where available_from > generation",
        home=home,
    )
    assert found["rows"] == [{"n": 0}]


@pytest.mark.slow
def test_redoing_a_night_makes_later_ones_stale(three_nights, document, home, tmp_path):
    nights = [end["generation"] for end in three_nights]
    before = {end["generation"]: end for end in three_nights}
    document("run", *ONE, "--again", nights[1], home=home, codes=(0, 3))
    after = document("status", *ONE, home=home)["corpora"][0]
    redone = {end["generation"]: end for end in after["generations"]}
    # The same night on the same line gives the same rows.
    assert redone[nights[1]]["digests"] == before[nights[1]]["digests"]
    stands_on_it = before[nights[1]]["verdict"] == "promoted"
    assert (redone[nights[2]]["verdict"] == "stale") == stands_on_it
    if stands_on_it:
        assert after["next_night"] == nights[2]
        document("run", *ONE, home=home, codes=(0, 3))
        again = document("status", *ONE, home=home)["corpora"][0]["generations"][2]
        assert again["digests"] == before[nights[2]]["digests"]


@pytest.mark.slow
def test_when_no_night_is_left_the_choices_are_named(three_nights, command, home):
    ended = command("run", *ONE, "--generations", "40", home=home)
    assert ended.returncode == 2
    assert "--from DATE" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.slow
def test_a_teacher_that_fails_ends_the_night_as_failed_and_it_is_taken_up_again(document, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("text,intent,day\nhello,return_window,2001-01-01\n")
    replay = ["kind=replay", f"file={rows}", "prompt=text", "label=intent", "time=day"]
    settings = [part for pair in replay for part in ("--set", f"teacher.{pair}")]
    fresh = tmp_path / "home"
    said = document(
        "run", *ONE, "--from", "first", "--generations", "2", *settings, home=fresh, codes=(1,)
    )
    first, second = said["corpora"][0]["generations"]
    assert (first["verdict"], second["verdict"]) == ("promoted", "failed")
    assert "dated" in second["reasons"]["fault"]
    assert document("status", *ONE, home=fresh)["corpora"][0]["next_night"] == second["generation"]
