"""Every default gate fires on the fault it names, stays quiet beside it, and takes a figure that is
missing for a breach. A gate that is added to config/gates.yaml without a case fails here."""

from dataclasses import replace
from pathlib import Path

import pytest

from collapse_pipeline.backends.gate_files import load_gates
from collapse_pipeline.errors import TooFewSamplesError
from collapse_pipeline.loop.decide import Past, decide
from collapse_pipeline.loop.gate import Gate, Outcome
from collapse_pipeline.loop.limits import calibrated_conditions
from collapse_pipeline.loop.measure import measure
from collapse_pipeline.metrics import catalogue
from collapse_pipeline_tests.config.cases import CASES, Case, Fault

GATES = {gate.name: gate for gate in load_gates(Path("no home of its own"))}
NONE = Case({"no fault": Fault(lambda s: None, ())}, {"no other": Fault(lambda s: None, ())})
FAULTS = [(name, fault) for name in GATES for fault in CASES.get(name, NONE).faults]
BESIDE = [(name, fault) for name in GATES for fault in CASES.get(name, NONE).beside]
FIGURES = [(name, at) for name, gate in GATES.items() for at in range(len(gate.of))]


def named(pairs):
    return [f"{name}: {what}" for name, what in pairs]


def case_of(name: str) -> Case:
    assert name in CASES, f"{name} has no case in collapse_pipeline_tests/config/cases.py"
    return CASES[name]


def past_of(gate: Gate, fault: Fault | None = None, raised: bool = True) -> Past:
    """Nights on which the gate had raised its hand already, as often as it wants."""
    values = {(name, ""): said for name, said in (fault.before if fault else {}).items()}
    return Past({(gate.name, ""): [raised] * (gate.persist - 1)}, {}, values)


def test_every_default_gate_has_a_case_and_every_figure_of_it_a_fault():
    assert list(CASES) == list(GATES)
    for name, gate in GATES.items():
        shown = {figure for fault in CASES[name].faults.values() for figure in fault.shows}
        assert shown == {condition.statistic for condition in gate.of}, name
        assert CASES[name].beside, name


@pytest.mark.parametrize(("name", "what"), FAULTS, ids=named(FAULTS))
def test_a_gate_fires_on_the_fault_it_names(name, what, scenes):
    gate, case = GATES[name], case_of(name)
    fault, scene = case.faults[what], scenes(case.corpus)
    evidence = scene.made(fault.made)
    found = scene.ask(gate, evidence, past_of(gate, fault))
    assert found.outcome is Outcome.BREACH
    assert found.blocks == (gate.severity == "block")
    assert found.actions == gate.actions
    assert {*fault.shows} <= {r.condition.statistic for r in found.readings if r.exceeded}
    assert not any(reading.missing for reading in found.readings)
    if gate.persist > 1:  # one night alone is a sign, and no breach
        first = scene.ask(gate, evidence, past_of(gate, fault, raised=False))
        assert (first.outcome, first.raised) == (Outcome.PASS, True)


@pytest.mark.parametrize(("name", "what"), BESIDE, ids=named(BESIDE))
def test_a_gate_stays_quiet_beside_another_fault(name, what, scenes):
    gate, case = GATES[name], case_of(name)
    fault, scene = case.beside[what], scenes(case.corpus)
    found = scene.ask(gate, scene.made(fault.made), past_of(gate, fault))
    assert (found.outcome, found.raised) == (Outcome.PASS, False), found.readings


@pytest.mark.parametrize("name", GATES)
def test_a_gate_stays_quiet_on_a_healthy_night(name, scenes):
    gate, scene = GATES[name], scenes(case_of(name).corpus)
    figures = scene.healthy_figures(gate)
    assert all(measured.applies for measured in figures.values())
    limits = scene.known(scene.healthy(gate.asset))
    found = decide([gate], figures, limits, past_of(gate))[0]
    assert (found.outcome, found.raised) == (Outcome.PASS, False), found.readings


@pytest.mark.parametrize("fault", ["nan", "too few", "not measured"])
@pytest.mark.parametrize(("name", "at"), FIGURES, ids=named(FIGURES))
def test_a_figure_that_is_missing_is_a_breach(name, at, fault, scenes, monkeypatch):
    gate, scene = GATES[name], scenes(case_of(name).corpus)
    condition = gate.of[at]
    evidence = scene.healthy(gate.asset)

    def missing(*_):
        if fault == "too few":
            raise TooFewSamplesError("rows", "none", "write some")
        return float("nan")

    metric = catalogue.metric_named(condition.measured)
    monkeypatch.setitem(catalogue.CATALOGUE, metric.name, replace(metric, compute=missing))
    alone = gate.model_copy(update={"of": (condition,), "any": 1})
    none = measure([alone], evidence, scene.applies, scene.suites)
    figures = {**scene.healthy_figures(gate), **none}
    if fault == "not measured":
        del figures[condition.statistic, ""]
    found = decide([gate], figures, scene.known(evidence), past_of(gate, raised=False))[0]
    assert found.outcome is Outcome.BREACH
    assert found.blocks == (gate.severity == "block")
    assert found.actions == ()  # nobody is to blame for what was not measured
    assert [r.condition for r in found.readings if r.missing] == [condition]
    assert next(r for r in found.readings if r.missing).note


CALIBRATED = [name for name, gate in GATES.items() if calibrated_conditions(gate)]


@pytest.mark.parametrize("name", CALIBRATED)
def test_a_depth_that_is_not_calibrated_is_a_breach_that_says_what_mends_it(name, scenes):
    gate, scene = GATES[name], scenes(case_of(name).corpus)
    deeper = scene.known(scene.healthy(gate.asset), depth=2)
    found = decide([gate], scene.healthy_figures(gate), deeper, past_of(gate))[0]
    assert (found.outcome, found.actions) == (Outcome.BREACH, ())
    missing = [reading for reading in found.readings if reading.missing]
    assert [reading.condition for reading in missing] == calibrated_conditions(gate)
    assert all(r.note == "depth 2 is not calibrated, only 1; calibrate it" for r in missing)
