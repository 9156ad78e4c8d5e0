"""The default gates on Banking77, whose teacher is a student of its own."""

import pytest

from collapse_pipeline.backends.judges.style import StyleConfig
from collapse_pipeline.backends.teachers.student import StudentTeacherConfig
from collapse_pipeline.loop.blame import to_blame
from collapse_pipeline.loop.gate import Outcome
from collapse_pipeline.metrics.evidence import Texts
from collapse_pipeline.records import Template
from collapse_pipeline_tests.config import faults

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

OTHERS = [Template(name=name, version="0", weight=1.0, body="") for name in ("plain", "brief")]


def said(scene, asset, evidence):
    """What the gates of one asset that apply to this corpus say."""
    found = [scene.ask(gate, evidence) for gate in scene.gates if gate.asset == asset]
    there = [f for f in found if f.outcome is not Outcome.NOT_APPLICABLE]
    return {f.gate.name: f for f in there}


def test_healthy_text_is_let_through(banking):
    found = said(banking, "synthetic_batch", banking.batch(banking.more))
    assert {*found} == {"style_uniform", "distribution_contract", "duplicates_rise"}
    found |= said(banking, "judged_batch", banking.judged())
    found |= said(banking, "filtered_batch", banking.filtered(banking.more))
    assert [f.gate.name for f in found.values() if f.raised] == []


def test_a_rigid_template_is_found_and_blamed(banking):
    rows = banking.written(templates=[*OTHERS, faults.RIGID.model_copy(update={"weight": 1.0})])
    evidence = banking.batch(rows)
    found = said(banking, "synthetic_batch", evidence)["style_uniform"]
    assert found.blocks
    whole = evidence.on(Texts(rows, banking.parts.embedder))
    nulls, size = banking.calibration.nulls["1"], banking.calibration.rows
    assert to_blame(found.readings, whole, "template", nulls, size, 1) == str(faults.RIGID)
    assert to_blame(found.readings, whole, "teacher", nulls, size, 1) is None  # there is one


def test_a_teacher_that_plays_safe_is_found_and_no_template_blamed(banking):
    rows = banking.written(teacher=StudentTeacherConfig(temperature=0.5), templates=OTHERS)
    evidence = banking.batch(rows)
    found = said(banking, "synthetic_batch", evidence)
    assert found["style_uniform"].blocks
    whole = evidence.on(Texts(rows, banking.parts.embedder))
    nulls, size = banking.calibration.nulls["1"], banking.calibration.rows
    readings = found["style_uniform"].readings
    assert to_blame(readings, whole, "template", nulls, size, 1) is None


def test_a_judge_of_style_is_found(banking):
    found = said(banking, "judged_batch", banking.judged(StyleConfig()))["judge_biased"]
    assert found.blocks
    bias = next(r for r in found.readings if r.condition.metric == "judge_style_bias")
    assert bias.exceeded
