import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.loop.pinned import GeneratorRecord, Parent
from collapse_pipeline.loop.versions import kind_of, named, student, version_of, versions_of
from collapse_pipeline.records import Component, TablePin, Template

PIN = TablePin(table="human_anchor", version=0, rows=1, digest="d")
SETTINGS = {
    "judge": {"enforce": True, "panel": {"kind": "jury"}},
    "teacher": {"kind": "simulated", "accuracy": 0.9},
    "mix": {"regime": "accumulate", "synthetic_cap": 0.3},
}


def record(**over):
    return GeneratorRecord.model_validate(
        {
            "corpus": "toy",
            "generation": "2026-01-02",
            "ordinal": 1,
            "attempt": 1,
            "seed": 1,
            "parent": Parent(),
            "incumbent": None,
            "best": {},
            "baseline_model": "base",
            "vocabulary_model": "base",
            "line": (),
            "line_pins": (),
            "anchor": PIN,
            "human_rows": 1,
            "suites_pin": PIN,
            "suites": (),
            "templates": (Template(name="plain", version="3fa2", body="x"),),
            "settings": SETTINGS,
            "packages": {},
        }
        | over
    )


def test_the_versions_of_a_night_by_hand():
    versions = versions_of(record())
    assert versions[Component.TEMPLATE] == ("template plain@3fa2",)
    assert [v.partition("@")[0] for (v,) in list(versions.values())[1:]] == [
        "teacher simulated",
        "judge jury",
        "mix_policy accumulate",
    ]


@pytest.mark.parametrize(
    ("parent", "baseline", "wrote"),
    [("m1", "base", "teacher student@m1"), ("", "base", "teacher student@base"), ("", "", None)],
)
def test_a_student_that_teaches_goes_by_its_model(parent, baseline, wrote):
    settings = {**SETTINGS, "teacher": {"kind": "student", "temperature": 1.0}}
    night = record(settings=settings, parent=Parent(model=parent), baseline_model=baseline)
    assert versions_of(night)[Component.TEACHER] == ((wrote,) if wrote else ())
    assert wrote is None or wrote == student(parent or baseline)


def test_a_version_changes_with_its_settings_alone():
    mix = SETTINGS["mix"]
    same = dict(reversed(mix.items()))  # as the ledger gives it back
    assert version_of(Component.MIX_POLICY, same) == version_of(Component.MIX_POLICY, mix)
    other = {**mix, "synthetic_cap": 0.2}
    assert version_of(Component.MIX_POLICY, other) != version_of(Component.MIX_POLICY, mix)


@given(st.sampled_from(list(Component)), st.from_regex(r"[\w.-]+@[0-9a-f]{4}", fullmatch=True))
def test_a_name_says_its_kind(kind, version):
    assert kind_of(named(kind, version)) is kind
