"""What a drill's nights show beside their control, worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.drill import PROMOTION, false_alarms, hurt, raised, score, summed

BAD = "template upset@1"


def night(number, *gates, verdict="promoted", rules=(), frozen=(), since=0, blamed=()):
    return {
        "number": number,
        "verdict": verdict,
        "rules": list(rules),
        "gates": [{"gate": name, "severity": "block", "blamed": list(blamed)} for name in gates],
        "frozen": list(frozen),
        "written_since": since,
    }


def run(*nights, fault="rigid_template", seed=1, accuracy=0.9, rate=0.1, to_blame=(BAD,)):
    return {
        "corpus": "customer_service",
        "seed": seed,
        "fault": fault,
        "strength": 1.0,
        "to_blame": list(to_blame),
        "nights": list(nights),
        "released": {
            "generation": "2026-10-31",
            "accuracy": {"standard": accuracy},
            "written": {"wrong_fact_rate": {"rate": rate, "rows": 400}},
        },
        "seconds": 1.0,
    }


def control(*nights, **over):
    return run(*nights, fault="", to_blame=(), **over)


QUIET = control(night(1), night(2), night(3))


def test_a_fault_that_is_stopped_on_the_first_night():
    stopped = night(1, "style_uniform", verdict="quarantined", frozen=[BAD])
    found = score(run(stopped, night(2, since=40), night(3, since=80)), QUIET)
    assert found.caught == {"style_uniform": 1}
    assert (found.first, found.blocked, found.trained_on) == (1, 1, 0)
    assert found.blamed_rightly is True
    assert found.falsely_blamed == ()
    assert hurt([found]) == 0


def test_rows_count_until_the_brake_and_not_after():
    nights = [
        night(1, since=300),
        night(2, "shadow_falls", since=700),  # warns: the night is released
        night(3, verdict="quarantined", rules=["accuracy:standard"], since=900),
    ]
    found = score(run(*nights), QUIET)
    assert found.caught == {"shadow_falls": 2, PROMOTION: 3}
    assert (found.first, found.blocked, found.trained_on) == (2, 3, 700)
    assert found.blamed_rightly is False


def test_what_speaks_up_in_the_control_says_nothing():
    loud = control(night(1, "shadow_falls"), night(2), night(3))
    found = score(run(night(1), night(2, "shadow_falls"), night(3)), loud)
    assert found.caught == {}
    assert found.first is None
    assert found.blocked is None
    assert false_alarms([loud]) == [
        {"corpus": "customer_service", "gate": "shadow_falls", "nights": 1}
    ]


def test_who_is_named_or_frozen_without_guilt():
    other = "template plain@1"
    named = night(1, "style_uniform", verdict="quarantined", frozen=[other], blamed=[BAD])
    found = score(run(named), QUIET)
    assert found.blamed_rightly is True  # named, and escalated to a person
    assert found.falsely_blamed == (other,)
    nobody = score(run(named, to_blame=()), QUIET)
    assert nobody.blamed_rightly is None
    assert nobody.falsely_blamed == (other,)


def test_cost_by_hand():
    # 0.90 against 0.86 on the suite; 30% against 10% of 400 facts, ten standard errors.
    found = score(run(night(1), accuracy=0.86, rate=0.3), QUIET)
    assert found.fell == pytest.approx({"standard": 4.0})
    assert found.wrote_worse == pytest.approx({"wrong_fact_rate": 20.0})
    assert hurt([found]) == pytest.approx(20.0)
    assert hurt([found, score(run(night(1)), QUIET)]) == pytest.approx(10.0)
    assert hurt([]) == 0
    # 12% against 10% is one standard error.
    assert score(run(night(1), rate=0.12), QUIET).wrote_worse == {}
    assert score(run(night(1), rate=float("nan")), QUIET).wrote_worse == {}


def test_a_blind_spot_is_harm_that_nothing_saw():
    unseen = [run(night(1), night(2), seed=seed, accuracy=0.8) for seed in (1, 2)]
    controls = [control(night(1), night(2), seed=seed) for seed in (1, 2)]
    (row,) = summed([*controls, *unseen])
    assert (row["detected"], row["arl1"], row["blind_spot"]) == (0, None, True)
    seen = run(night(1), night(2, "shadow_falls"), seed=1, accuracy=0.8)
    (row,) = summed([*controls, seen, unseen[1]])
    assert (row["detected"], row["soon"], row["arl1"]) == (1, 1, 2.0)
    assert row["blind_spot"] is True  # the other seed
    (row,) = summed([controls[0], run(night(1), night(2), accuracy=0.89)])
    assert row["blind_spot"] is False  # a point of harm is no more than chance


def test_seeds_are_put_together():
    nights = [night(1, "style_uniform", verdict="quarantined", frozen=[BAD])]
    late = [night(1, since=500), night(2), night(3, "style_uniform")]
    runs = [QUIET, control(night(1), seed=2), run(*nights), run(*late, seed=2)]
    (row,) = summed(runs)
    assert (row["seeds"], row["detected"], row["soon"], row["blocked"]) == (2, 2, 1, 1)
    assert row["arl1"] == 2.0
    assert row["gates"] == {"style_uniform": {"seeds": 2, "first_night": 2.0}}
    assert row["trained_on"] == 250
    assert row["blamed_rightly"] == 1


names = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True)


@given(st.lists(names, min_size=1, max_size=4))
def test_a_run_that_is_its_own_control_shows_nothing(gates):
    nights = [night(i, *found) for i, found in enumerate(gates, 1)]
    found = score(run(*nights), control(*nights))
    assert (found.caught, found.first, hurt([found])) == ({}, None, 0.0)
    assert all(raised(one) == set(found) for one, found in zip(nights, gates, strict=True))
