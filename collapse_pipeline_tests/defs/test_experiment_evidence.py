"""What an experiment leaves behind, and that a raised cap can stand on it and on nothing else."""

import json
from pathlib import Path

import pytest

from collapse_pipeline.defs import experiment_evidence as evidence
from collapse_pipeline.defs import experimenting
from collapse_pipeline.defs.experimenting import Asked
from collapse_pipeline.defs.governing import raise_cap
from collapse_pipeline.errors import BadInputError
from collapse_pipeline.loop.ablation import Link
from collapse_pipeline.loop.experiment_gradient import PERPLEXITY
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.records import canonical_json, content_hash
from collapse_pipeline_tests.defs.gated import CORPUS, NIGHTS, shop_in
from collapse_pipeline_tests.loop.experiments import cell_by_hand

NIGHT = NIGHTS[1]
ONCE = Asked(seeds=2, generations=1)
SHARES = (0.0, 30.0, 50.0)


def marks(share, seed):
    """At 50% a fifth of the answers is lost."""
    right = 800 - seed - (160 if share >= 0.5 else 0)
    return "1" * right + "0" * (1000 - right)


@pytest.fixture
def by_hand(monkeypatch):
    """Cells are made by hand here."""

    def work(plan, what, seed):
        if plan.kind == "ratio":
            share = float(what) / 100
            suites = {name: marks(share, seed) for name in ("standard", "long_tail")}
            made = cell_by_hand(share, seed, suites, {PERPLEXITY: 1 + share / 2})
        else:
            worse = {"whole": 1.1, "judge": 2.0}.get(what, 1.1)
            figures = {PERPLEXITY: worse + seed / 100, ("standard", "accuracy"): 0.8 - worse / 10}
            made = cell_by_hand(0.3, seed, {}, figures) | {"variant": what}
        experimenting._file(plan, what, seed).write_text(json.dumps(made))

    monkeypatch.setattr(experimenting, "_cell", work)


def ratio(shop, shares=SHARES, asked=ONCE, overrides=None, night=NIGHT, by="anna"):
    told = lambda done, wanted: None  # noqa: E731
    return evidence.ratio(shop, CORPUS, shares, night, asked, overrides or {}, by, 1, told)


def on_record(shop):
    return shop.ledger.events(corpus=CORPUS, kinds=[Act.EXPERIMENT_RECORDED])


def test_the_share_goes_on_record_with_its_evidence(gated_home, by_hand):
    with shop_in(gated_home) as shop:
        said = ratio(shop)
        (event,) = on_record(shop)
        pin = shop.store.pin("experiment_values", CORPUS, NIGHT)
        rows = shop.store.read("experiment_values", CORPUS, [NIGHT])
    assert said["cap"]["share"] == event.payload["share"] == 0.3
    assert event.reason == said["cap"]["reason"]
    assert "at 50% accuracy on standard" in event.reason
    assert "10 human rows, 2 seeds, 1 generations, teacher simulated" in event.reason
    assert (event.actor, event.role) == ("anna", "monitor")
    assert event.payload["table"] == pin.model_dump()
    assert event.payload["rows"] == said["digest"]
    assert event.payload["shares"] == [0, 0.3, 0.5]
    assert rows.num_rows == said["rows"] == 3 * 2 * 3  # shares, seeds, figures
    document = json.loads(Path(said["files"][0]).read_text("utf-8"))
    told = document.pop("digest_of_document")
    assert told == event.payload["document"] == content_hash(canonical_json(document))
    assert [Path(file).suffix for file in said["files"]] == [".json", ".png", ".html"]
    assert all(Path(file).stat().st_size > 1000 for file in said["files"])
    assert said["recorded"].startswith("on record as event")


def test_share_0_is_always_among_them_and_the_same_finding_is_one_event(gated_home, by_hand):
    with shop_in(gated_home) as shop:
        first = ratio(shop, shares=[30])
        second = ratio(shop, shares=[30, 0])
        assert len(on_record(shop)) == 1
        third = ratio(shop, shares=[50])
        assert [event.payload["share"] for event in on_record(shop)] == [0.3, 0]
    assert [row["share"] for row in first["shares"]] == [0, 0.3]
    assert first["digest"] == second["digest"]
    assert third["experiment"] == first["experiment"]


def test_another_loop_than_the_corpus_s_own_is_no_evidence(gated_home, by_hand):
    with shop_in(gated_home) as shop:
        for more in (
            {"overrides": {"judge": {"enforce": False}}},
            {"asked": Asked(2, 1, way="fixed")},
        ):
            said = ratio(shop, **more)
            assert said["recorded"].startswith("not on record")
        assert on_record(shop) == []


def test_experiments_of_one_night_lie_side_by_side_in_the_table(gated_home, by_hand):
    with shop_in(gated_home) as shop:
        one = ratio(shop)
        two = ratio(shop, asked=Asked(2, 2))
        again = ratio(shop)
        rows = shop.store.read("experiment_values", CORPUS, [NIGHT])
    assert one["digest"] == again["digest"]
    counts = {e["values"]: e["counts"] for e in rows["experiment"].value_counts().to_pylist()}
    assert counts == {one["experiment"]: 18, two["experiment"]: 18}


def test_a_person_who_may_not_is_told_before_anything_is_worked_out(gated_home):
    with shop_in(gated_home, governance={"roles": {"monitor": ["berta"]}}) as shop:
        with pytest.raises(BadInputError, match="berta, who may do this as monitor"):
            ratio(shop)
        assert not (gated_home / "experiments").exists()


def test_a_raised_cap_stands_on_an_experiment_and_without_one_it_is_the_red_line(
    gated_home, by_hand
):
    """A gate lowered the cap to a twentieth; the first night stands on no synthetic text."""
    with shop_in(gated_home) as shop:
        lowered = {"cap": 0.05, "gate": "by hand"}
        shop.ledger.append(
            Act.CAP_LOWERED, corpus=CORPUS, generation=NIGHT, actor="m", payload=lowered
        )
        refused = raise_cap(shop, CORPUS, 0.5, "we want more", "anna")
        assert not refused["done"]
        assert any("no evidence for a synthetic share of 50.0%" in r for r in refused["red_lines"])
        ratio(shop)  # supports 30%
        refused = raise_cap(shop, CORPUS, 0.5, "we want more", "anna")
        assert any("no evidence for a synthetic share of 50.0%" in r for r in refused["red_lines"])
        allowed = raise_cap(shop, CORPUS, 0.3, "the experiment", "anna")
        ratio_lines = [r for r in allowed["red_lines"] if "ratio control" in r]
        said = next(r for r in allowed["checklist"] if r["dimension"] == "ratio control")
        assert ratio_lines == []
        assert "an experiment of" in said["evidence"]
        assert "supports 30.0%" in said["evidence"]


def test_an_ablation_leaves_a_table_and_a_document_and_no_event(gated_home, by_hand):
    links = [Link.JUDGE, Link.QUOTAS, Link.FAILED_SAMPLES]
    with shop_in(gated_home, task=None) as shop:
        said = evidence.ablate(shop, CORPUS, links, NIGHT, ONCE, {}, 1, lambda done, wanted: None)
        assert on_record(shop) == []
        kinds = shop.store.read("experiment_values", CORPUS, [NIGHT])["kind"].unique().to_pylist()
    assert kinds == ["ablation"]
    assert [*said["links"]] == ["judge", "failed_samples", "quotas"]
    assert said["links"]["judge"]["applicable"]
    assert "there is none" in said["links"]["failed_samples"]["why"]
    assert "no figure of any chain changed" in said["links"]["quotas"]["why"]
    assert said["holds"].startswith("what holds collapse back, strongest first: judge")
    assert [Path(file).suffix for file in said["files"]] == [".json", ".png", ".html"]
