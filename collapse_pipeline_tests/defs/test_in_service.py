"""Freezes on the pages, from a ledger that is written by hand: no night is run here."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collapse_pipeline.defs import in_service
from collapse_pipeline.defs.check_history import last_result
from collapse_pipeline.defs.in_service import (
    ASSETS,
    LEDGER_EVENT,
    asset_of,
    changes,
    finding,
    in_service_checks,
    show_changes,
)
from collapse_pipeline.defs.sensors import BROUGHT_ON, TAKEN_OUT
from collapse_pipeline.defs.workshop import open_workshop
from collapse_pipeline.loop.govern import Act, State
from collapse_pipeline.records import Component
from collapse_pipeline.settings import load_settings
from collapse_pipeline_tests.decisions import Decisions

CORPUS = "customer_service"
NIGHT = "2026-11-02"
TEMPLATES = dg.AssetKey([CORPUS, "template_set"])


class Pages:
    """A ledger, and the pages that show what it says."""

    def __init__(self, shop, instance):
        self.shop, self.instance = shop, instance
        self.upto = {TAKEN_OUT: 0, BROUGHT_ON: 0}  # the cursors of both sensors

    def say(self, act, version, kind="template", generation="", gate="", **payload):
        return self.shop.ledger.append(
            act,
            corpus=CORPUS,
            generation=generation,
            actor="ann",
            reason="because",
            payload={"component": kind, "version": version, "gate": gate, **payload},
        ).seq

    def tick(self, acts, cursor_kept=True):
        upto, shown = show_changes(self.instance, self.shop, CORPUS, acts, self.upto[acts])
        if cursor_kept:
            self.upto[acts] = upto
        return shown

    def observed(self, kind=Component.TEMPLATE):
        """Numbers of the shown events, oldest first."""
        found = self.instance.fetch_observations(asset_of(CORPUS, kind), limit=100, ascending=True)
        return [r.asset_observation.metadata[LEDGER_EVENT].value for r in found.records]

    def told(self, kind=Component.TEMPLATE):
        """What `in_service` said, oldest first: which event it spoke of, and whether it passed."""
        history = self.instance.event_log_storage.get_asset_check_execution_history
        key = dg.AssetCheckKey(asset_of(CORPUS, kind), "in_service")
        return [
            (r.evaluation.metadata[LEDGER_EVENT].value, r.evaluation.passed)
            for r in reversed(history(key, limit=100))
        ]


@pytest.fixture
def pages(tmp_path):
    (tmp_path / "dagster").mkdir()
    with (
        open_workshop(load_settings(tmp_path / "home")) as shop,
        dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance,
    ):
        yield Pages(shop, instance)


def test_a_freeze_is_shown_red_where_the_cause_is(pages):
    seq = pages.say(
        Act.FROZEN,
        "plain@1",
        generation=NIGHT,
        gate="style_uniform",
        evidence={"figures": {"a": 1}},
    )
    assert pages.tick(TAKEN_OUT) == ["template plain@1 frozen"]
    (record,) = pages.instance.fetch_observations(TEMPLATES, limit=10).records
    metadata = {name: v.value for name, v in record.asset_observation.metadata.items()}
    assert metadata == {
        "component": "template plain@1",
        "state": "frozen",
        "gate": "style_uniform",
        "generation": NIGHT,
        "by": "ann",
        "why": "because",
        "lift": f"collapse-pipeline lift plain@1 --kind template --corpus {CORPUS} --reason TEXT, "
        "or component retire",
        "evidence": {"figures": {"a": 1}},
        "ledger_event": seq,
    }
    check = last_result(pages.instance, dg.AssetCheckKey(TEMPLATES, "in_service"))
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.description == (
        f"template plain@1 frozen by gate style_uniform on {NIGHT} (because)"
    )
    assert {"gate", "generation", "frozen", "lift", "evidence"} <= set(check.metadata)
    # Nothing is said of the others, and nothing twice.
    assert pages.told(Component.JUDGE) == pages.told(Component.TEACHER) == []
    assert pages.tick(TAKEN_OUT) == []
    assert (pages.observed(), pages.told()) == ([seq], [(seq, False)])


def test_a_lift_clears_it_once(pages):
    froze = pages.say(Act.FROZEN, "plain@1", generation=NIGHT, gate="style_uniform")
    pages.tick(TAKEN_OUT)
    assert pages.tick(BROUGHT_ON) == []
    lifted = pages.say(Act.LIFTED, "plain@1")
    assert pages.tick(TAKEN_OUT) == []
    assert pages.tick(BROUGHT_ON) == ["template plain@1 active"]
    assert pages.tick(BROUGHT_ON) == []
    assert pages.observed() == [froze, lifted]
    assert pages.told() == [(froze, False), (lifted, True)]


def test_it_stays_red_until_the_last_frozen_version_is_lifted_or_retired(pages):
    pages.say(Act.FROZEN, "plain@1", generation=NIGHT, gate="style_uniform")
    pages.say(Act.FROZEN, "upset@1", generation=NIGHT, gate="style_uniform")
    assert pages.tick(TAKEN_OUT) == ["template plain@1 frozen", "template upset@1 frozen"]
    lifted = pages.say(Act.LIFTED, "plain@1")
    pages.tick(BROUGHT_ON)
    retired = pages.say(Act.RETIRED, "upset@1")
    pages.tick(BROUGHT_ON)
    # Two frozen in one night are one red check, which names both.
    assert pages.told() == [(2, False), (lifted, False), (retired, True)]
    assert pages.observed() == [1, 2, lifted, retired]


def test_a_night_that_brings_versions_into_service_is_no_news(pages):
    for kind in ASSETS:
        pages.say(Act.ACTIVATED, "first@1", kind, generation=NIGHT)
    assert pages.tick(BROUGHT_ON) == []
    assert [pages.observed(kind) for kind in ASSETS] == [[], [], []]


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_kill_after_any_write_loses_nothing_and_doubles_nothing(pages, monkeypatch, writes):
    """0: after the ledger's, 1: after the observation, 2: after the check, before the cursor."""
    seq = pages.say(Act.FROZEN, "plain@1", generation=NIGHT, gate="style_uniform")
    report, count = pages.instance.report_runless_asset_event, 0

    def killed(event):
        nonlocal count
        if count == writes:
            raise KeyboardInterrupt
        count += 1
        report(event)

    with monkeypatch.context() as patched:
        patched.setattr(pages.instance, "report_runless_asset_event", killed)
        if writes < 2:
            with pytest.raises(KeyboardInterrupt):
                pages.tick(TAKEN_OUT)
        else:
            pages.tick(TAKEN_OUT, cursor_kept=False)
    assert (len(pages.observed()), len(pages.told())) == (min(writes, 1), max(writes - 1, 0))
    pages.tick(TAKEN_OUT)
    assert (pages.observed(), pages.told()) == ([seq], [(seq, False)])


def test_more_observations_than_a_page_are_all_remembered(pages, monkeypatch):
    monkeypatch.setattr(in_service, "PAGE", 2)
    for _ in range(3):
        pages.say(Act.FROZEN, "plain@1", generation=NIGHT, gate="style_uniform")
        pages.say(Act.LIFTED, "plain@1")
    pages.tick(TAKEN_OUT, cursor_kept=False)
    pages.tick(TAKEN_OUT)
    assert pages.observed() == [1, 3, 5]


def test_two_ticks_at_once_show_it_once(pages, monkeypatch):
    """The daemon's, and one that a person asked for on the pages."""
    seq = pages.say(Act.FROZEN, "plain@1", generation=NIGHT, gate="style_uniform")
    observe, both = in_service._observed, threading.Barrier(2)

    def looked(*given):
        found = observe(*given)
        with suppress(threading.BrokenBarrierError):  # the other one is kept out, as it should
            both.wait(timeout=1)
        return found

    monkeypatch.setattr(in_service, "_observed", looked)
    with ThreadPoolExecutor(2) as pool:
        ticks = [pool.submit(pages.tick, TAKEN_OUT) for _ in range(2)]
        shown = [tick.result() for tick in ticks]
    assert sorted(shown) == [[], ["template plain@1 frozen"]]
    assert (pages.observed(), pages.told()) == ([seq], [(seq, False)])


def test_by_hand_the_check_says_what_the_ledger_says(pages):
    pages.say(Act.FROZEN, "jury@1", "judge", generation=NIGHT, gate="judge_biased")
    checks = in_service_checks(CORPUS)
    assets = [dg.AssetSpec(asset_of(CORPUS, kind)) for kind in ASSETS]
    result = dg.materialize(
        [*assets, *checks],
        instance=pages.instance,
        resources={"home": pages.shop},
        selection=dg.AssetSelection.checks(*checks),
    )
    passed = {e.asset_key.path[-1]: e.passed for e in result.get_asset_check_evaluations()}
    assert passed == {"template_set": True, "teacher": True, "judge": False}
    # A tick that comes later has nothing to add but the observation.
    pages.tick(TAKEN_OUT)
    assert pages.told(Component.JUDGE) == [(1, False)]
    assert pages.observed(Component.JUDGE) == [1]


def test_what_changes_a_standing_worked_by_hand():
    log = Decisions().say(Act.ACTIVATED, "2026-11-01", component="template", version="a@1")  # no
    log.froze("a@1", "2026-11-02")  # 2: frozen
    log.froze("a@1", "2026-11-02", gate="other")  # 3: by another gate too
    log.person(Act.ACTIVATED, "ann", "a@1")  # no: only lifting helps
    log.froze("b@1", "2026-11-02", kind="mix_policy")  # no: has no check
    log.person(Act.REVIEW_OPENED, "ann", "a@1")  # 6
    log.person(Act.RETIRED, "ann", "a@1")  # 7
    log.froze("a@1", "2026-11-03")  # no: it is retired
    log.person(Act.ACTIVATED, "ann", "a@1")  # 9
    found = [(change.cause.seq, change.after.state) for change in changes(log.state())]
    assert found == [
        (2, State.FROZEN),
        (3, State.FROZEN),
        (6, State.IN_REVIEW),
        (7, State.RETIRED),
        (9, State.ACTIVE),
    ]


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([*TAKEN_OUT, *BROUGHT_ON]),
            st.sampled_from(["a@1", "b@1"]),
            st.sampled_from([*ASSETS]),
        ),
        # A tick of either sensor, whose cursor is kept or lost.
        st.tuples(st.sampled_from([TAKEN_OUT, BROUGHT_ON]), st.booleans()),
    ),
    max_size=14,
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_whenever_the_sensors_tick_each_change_is_shown_once_and_the_last_word_is_right(
    steps, tmp_path_factory
):
    with (
        open_workshop(load_settings(tmp_path_factory.mktemp("home"))) as shop,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        pages = Pages(shop, instance)
        for step in steps:
            if len(step) == 3:
                pages.say(step[0], step[1], step[2])
            else:
                pages.tick(*step)
        for acts in (TAKEN_OUT, BROUGHT_ON):
            pages.tick(acts, cursor_kept=False)
            pages.tick(acts)
        governance = shop.governance(CORPUS)
        for kind in ASSETS:
            of_kind = [c.cause for c in changes(governance) if c.cause.payload["component"] == kind]
            assert sorted(pages.observed(kind)) == [cause.seq for cause in of_kind]
            told = pages.told(kind)
            assert len({seq for seq, _ in told}) == len(told)
            if of_kind:
                assert told[-1] == (of_kind[-1].seq, finding(governance, kind)["passed"])
