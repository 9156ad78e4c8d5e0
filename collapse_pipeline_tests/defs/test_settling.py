"""A night without Dagster: what its stages wrote down and its gates found is all that settling
needs."""

import pytest

from collapse_pipeline.backends.ledgers.sql import SqlLedger
from collapse_pipeline.defs import gating
from collapse_pipeline.defs.opening import open_generation
from collapse_pipeline.defs.settling import settle
from collapse_pipeline.defs.stages import EVALUATED, STAGES
from collapse_pipeline.loop.consequence import BREACHED
from collapse_pipeline.loop.govern import Act
from collapse_pipeline.loop.lineage import Happening, Status
from collapse_pipeline.records import Verdict
from collapse_pipeline_tests.defs.gated import (
    CORPUS,
    FIRES,
    NIGHTS,
    calibrate_by_hand,
    gate,
    run_night,
    shop_in,
    work,
    write_gates,
    write_templates,
)

NIGHT = NIGHTS[1]
OPEN = {"gates": {"enforce": False}}


@pytest.fixture
def home(gated_home):
    return gated_home


@pytest.fixture
def shop(home):
    """A home with generation 0 done, and gates that need no calibration."""
    with shop_in(home) as shop:
        calibrate_by_hand(shop, {"1": {}})
        yield shop


def caused(shop, night=NIGHT):
    """Keys of what a night caused, within its attempt, in the order of the ledger."""
    kinds = {BREACHED, Happening.SETTLED, *Act} - {Act.ACTIVATED}
    events = shop.ledger.events(corpus=CORPUS, kinds=[*kinds], generation=night)
    return [event.key.removeprefix(f"{CORPUS}/{night}/") for event in events]


def tables_of(shop, night=NIGHT):
    return {
        table
        for table in ("synthetic_batch", "judged_batch", "training_mix", "eval_report")
        if shop.store.read(table, CORPUS, [night]).num_rows
    }


def test_a_night_is_evaluated_once_however_often_its_stage_runs(shop):
    record = open_generation(shop, CORPUS, NIGHT)
    for stage in STAGES.values():
        stage(shop, record)
    STAGES["eval_report"](shop, record)  # as after a kill
    events = shop.ledger.events(corpus=CORPUS, kinds=[EVALUATED], generation=NIGHT)
    assert [event.payload for event in events] == [{"attempt": record.attempt}]
    assert settle(shop, CORPUS, NIGHT).verdict is Verdict.PROMOTED


def test_a_night_cut_off_before_its_evaluation_fails(shop):
    work(shop, open_generation(shop, CORPUS, NIGHT), until="student_model")
    manifest = settle(shop, CORPUS, NIGHT)
    assert (manifest.verdict, manifest.blocked_by) == (Verdict.FAILED, ("unfinished",))
    assert settle(shop, CORPUS, NIGHT) == manifest  # settled once, then only read


def test_a_gate_on_the_batch_stops_the_night_there(shop, home):
    write_gates(home, [FIRES | {"actions": ["raise_review"]}])
    manifest = run_night(shop, NIGHT)
    assert manifest.verdict is Verdict.QUARANTINED
    assert manifest.blocked_by == ("fires",)
    assert manifest.reasons["fires"].startswith("exact duplicates is 0")
    assert "wanted at most -1" in manifest.reasons["fires"]
    assert tables_of(shop) == {"synthetic_batch"}
    assert [pin.table for pin in manifest.tables][2:] == ["synthetic_batch"]
    assert caused(shop) == ["1/breach/fires", "1/raise/fires", "1/settled"]
    line = shop.line(CORPUS)
    assert line.generations[NIGHT].status is Status.QUARANTINED
    # The night after stands on the release before, and obeys what this one caused.
    after = open_generation(shop, CORPUS, NIGHTS[2])
    assert (after.line, after.incumbent.generation) == ((NIGHTS[0],), NIGHTS[0])
    assert after.review_density == pytest.approx(0.02)


STOPS = {
    "judged_batch": {"metric": "acceptance_rate", "bound": {"at_least": 2}},
    "training_mix": {"metric": "human_share", "bound": {"at_least": 2}},
    "eval_report": {
        "metric": "perplexity_over_baseline",
        "suite": "standard",
        "bound": {"at_most": 0},
    },
}


@pytest.mark.parametrize("asset", STOPS)
def test_a_gate_further_on_keeps_what_was_written_up_to_it(shop, home, asset):
    stops = {"name": "stops", "asset": asset, "severity": "block", "why": "w"}
    write_gates(home, [stops | STOPS[asset]])
    manifest = run_night(shop, NIGHT)
    assert (manifest.verdict, manifest.blocked_by) == (Verdict.QUARANTINED, ("stops",))
    order = [*STAGES]
    written = {name for name in order[: order.index(asset) + 1] if name != "student_model"}
    pinned = {pin.table for pin in manifest.tables}
    assert written <= pinned
    assert pinned.isdisjoint({*order} - written)
    assert bool(manifest.model) == (asset == "eval_report")


def test_a_night_that_is_not_enforced_only_says_what_would_have_stopped_it(home):
    write_gates(home, [FIRES | {"actions": ["raise_review"]}])
    with shop_in(home, **OPEN) as shop:
        manifest = run_night(shop, NIGHT)
        assert manifest.verdict is Verdict.PROMOTED
        assert (manifest.blocked_by, manifest.would_block) == ((), ("fires",))
        assert "wanted at most -1" in manifest.reasons["fires"]
        assert caused(shop) == ["1/settled"]
        assert tables_of(shop) == {"synthetic_batch", "judged_batch", "training_mix", "eval_report"}


def test_a_gate_that_only_warns_acts_and_stops_nothing(shop, home):
    write_gates(home, [gate("warns", -1, "warn", actions=["lower_cap"])])
    manifest = run_night(shop, NIGHT)
    assert (manifest.verdict, manifest.would_block) == (Verdict.PROMOTED, ("warns",))
    assert caused(shop) == ["1/breach/warns", "1/cap/warns", "1/settled"]
    after = open_generation(shop, CORPUS, NIGHTS[2])
    assert [(brake.what.value, brake.value) for brake in after.in_force] == [("synthetic_cap", 0.2)]


def test_an_accepted_gate_no_longer_blocks(shop, home):
    write_gates(home, [FIRES])
    assert run_night(shop, NIGHT).blocked_by == ("fires",)
    shop.ledger.append(
        Act.GATE_ACCEPTED, corpus=CORPUS, actor="Ada", reason="known", payload={"gate": "fires"}
    )
    manifest = run_night(shop, NIGHTS[2])
    assert (manifest.verdict, manifest.would_block) == (Verdict.PROMOTED, ("fires",))


def test_settling_twice_writes_nothing(shop, home):
    write_gates(home, [FIRES])
    manifest = run_night(shop, NIGHT)
    head = shop.ledger.head()
    assert settle(shop, CORPUS, NIGHT) == manifest
    assert shop.ledger.head() == head


def test_a_breach_acts_once_an_attempt(shop, home):
    write_gates(home, [FIRES | {"actions": ["lower_cap"]}])
    run_night(shop, NIGHT)
    run_night(shop, NIGHT, again=True)
    once = ["breach/fires", "cap/fires", "settled"]
    assert caused(shop) == [f"{attempt}/{what}" for attempt in (1, 2) for what in once]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_kill_between_two_events_is_mended_by_settling_again(shop, home, monkeypatch, after):
    write_gates(home, [FIRES | {"actions": ["lower_cap"]}])
    work(shop, open_generation(shop, CORPUS, NIGHT))
    append, written = SqlLedger.append, []

    def killed(*given, **named):
        if len(written) == after:
            raise KeyboardInterrupt
        written.append(append(*given, **named))
        return written[-1]

    with monkeypatch.context() as patch:
        patch.setattr(SqlLedger, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            settle(shop, CORPUS, NIGHT)
    assert settle(shop, CORPUS, NIGHT).blocked_by == ("fires",)
    assert caused(shop) == ["1/breach/fires", "1/cap/fires", "1/settled"]


def test_a_check_that_was_cut_off_is_made_up_for(shop, home):
    write_gates(home, [FIRES])
    record = open_generation(shop, CORPUS, NIGHT)
    for stage in STAGES.values():  # no check ran
        stage(shop, record)
    manifest = settle(shop, CORPUS, NIGHT)
    assert (manifest.verdict, manifest.blocked_by) == (Verdict.QUARANTINED, ("fires",))
    assert {row["gate"] for row in gating.values_of(shop, record)} == {"lengths", "copies", "fires"}


def test_a_stale_calibration_is_a_breach_that_names_the_command(home):
    release = {"metric": "calibration_faults", "bound": {"at_most": 0}, "asset": "release"}
    write_gates(home, [{"name": "stale", "severity": "block", "why": "w"} | release])
    with shop_in(home) as shop:
        calibrate_by_hand(shop, {"1": {}}, facts={})
        manifest = run_night(shop, NIGHT)
    assert manifest.blocked_by == ("stale",)
    assert "the student settings changed since" in manifest.reasons["stale"]
    assert f"run: collapse-pipeline calibrate {CORPUS}" in manifest.reasons["stale"]


def test_of_several_templates_one_stays_in_service_and_a_person_is_told(shop, home):
    write_gates(home, [FIRES])
    run_night(shop, NIGHT)
    write_templates(home, {"warm": "Kindly: {{ intent }}.", "cold": "Coldly: {{ intent }}."})
    newest = gate("first", -1, actions=["freeze_newest_templates"])
    write_gates(home, [newest, newest | {"name": "second"}])
    manifest = run_night(shop, NIGHTS[2])
    assert manifest.blocked_by == ("first", "second")
    cold, warm = sorted(map(str, shop.line(CORPUS).generations[NIGHTS[2]].record.templates))
    assert caused(shop, NIGHTS[2]) == [
        "1/breach/first",
        f"1/freeze/template {cold}/first",
        f"1/escalate/template {warm}/first",
        "1/breach/second",
        f"1/freeze/template {cold}/second",  # one freeze, with the evidence of both
        f"1/escalate/template {warm}/second",
        "1/settled",
    ]
    assert [one.component for one in shop.governance(CORPUS).out_of_service()] == [
        f"template {cold}"
    ]
    assert [*map(str, open_generation(shop, CORPUS, NIGHTS[3]).templates)] == [warm]
