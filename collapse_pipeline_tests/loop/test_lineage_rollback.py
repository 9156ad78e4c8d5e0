"""Rolling a line back and forward."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BadInputError, OutOfOrderError
from collapse_pipeline.loop.lineage import Happening, Status, replay
from collapse_pipeline.loop.nights import plan_nights
from collapse_pipeline.records import Verdict
from collapse_pipeline_tests.loop import test_lineage
from collapse_pipeline_tests.loop.test_lineage import DAYS


class Line(test_lineage.Line):
    def say(self, kind, generation, payload, actor="Ada"):
        super().say(kind, generation, payload)
        self.events[-1].actor, self.events[-1].reason = actor, "why"

    def roll(self, to, generation=""):
        self.say(Happening.ROLLED_BACK, generation, {"to": to})

    def statuses(self):
        return [str(g.status) for _, g in sorted(self.state().generations.items())]


def line_of(*verdicts):
    """Nights that each stand on all releases before them."""
    line = Line()
    for day, verdict in zip(DAYS, verdicts, strict=False):
        line.night(day, verdict, line=releases(line), depth=0)
    return line


def releases(line):
    return tuple(g.generation for g in line.state().releases)


FIVE = (
    Verdict.PROMOTED,
    Verdict.PROMOTED,
    Verdict.QUARANTINED,
    Verdict.PROMOTED,
    Verdict.FAILED,
)


def test_what_lies_behind_a_release_is_superseded_and_never_a_parent():
    line = line_of(*FIVE)
    line.roll(DAYS[1])
    assert line.statuses() == ["promoted", "promoted", *["superseded"] * 3]
    state = line.state()
    assert state.incumbent.generation == state.parent(2).generation == DAYS[1]
    assert [g.generation for g in state.active] == DAYS[:2]
    assert state.descendants(DAYS[0]) == [DAYS[1]]
    assert state.pinned_by_rollback == state.generations[DAYS[1]].record
    assert (state.rollback.actor, state.rollback.reason) == ("Ada", "why")


def test_an_open_night_is_given_up_and_a_stale_one_stays_stale():
    line = line_of(*FIVE[:3])
    line.say(Happening.STALED, DAYS[2], {})
    line.night(DAYS[3], None)
    line.roll(DAYS[0])
    assert line.statuses() == ["promoted", "superseded", "stale", "superseded"]
    line.roll(DAYS[1])
    assert line.statuses() == ["promoted", "promoted", "stale", "superseded"]


def test_rolling_forward_restores_a_release_and_what_lay_before_it():
    line = line_of(*FIVE)
    before = line.state()
    line.roll(DAYS[0])
    line.roll(DAYS[3])
    assert line.statuses() == ["promoted", "promoted", "quarantined", "promoted", "superseded"]
    state = line.state()
    assert state.generations[DAYS[2]] == before.generations[DAYS[2]]
    assert state.pinned_by_rollback == before.generations[DAYS[3]].record


def test_nights_behind_a_release_are_planned_and_run_again():
    line = line_of(*FIVE)
    line.roll(DAYS[1])
    state = line.state()
    assert plan_nights(state, DAYS[0], "2026-01-10", 2) == DAYS[2:4]
    assert plan_nights(state, DAYS[0], "2026-01-10", 1, again=DAYS[3]) == [DAYS[3]]
    state.admit(DAYS[2], again=False)
    line.night(DAYS[2], Verdict.PROMOTED, attempt=2, line=DAYS[:2])
    assert line.state().incumbent.manifest.model == f"model of {DAYS[2]}.2"
    with pytest.raises(OutOfOrderError):
        line.state().admit(DAYS[1], again=False)


def test_a_release_whose_line_was_run_again_cannot_be_gone_to():
    line = line_of(*FIVE)
    line.roll(DAYS[1])
    assert line.state().release(DAYS[3]).generation == DAYS[3]
    line.night(DAYS[2], Verdict.QUARANTINED, attempt=2)
    with pytest.raises(BadInputError, match=f"{DAYS[2]} on its line was run again since") as error:
        line.state().release(DAYS[3])
    assert f"choose one of {DAYS[0]}, {DAYS[1]}" in str(error.value)


def test_two_lines_side_by_side_do_not_mix():
    line = line_of(*FIVE[:4])
    line.roll(DAYS[1])
    line.night(DAYS[5], Verdict.PROMOTED, line=DAYS[:2])  # a night that the first line never had
    line.roll(DAYS[3])
    assert [g.generation for g in line.state().releases] == [DAYS[0], DAYS[1], DAYS[3]]
    line.roll(DAYS[5])
    assert [g.generation for g in line.state().releases] == [DAYS[0], DAYS[1], DAYS[5]]
    assert line.state().generations[DAYS[2]].status is Status.SUPERSEDED


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (DAYS[2], "not promoted"),
        (DAYS[4], "not promoted"),
        (DAYS[6], "never run"),
        (DAYS[1], "made stale"),
    ],
)
def test_only_a_release_can_be_gone_to(day, why):
    line = line_of(*FIVE)
    line.say(Happening.STALED, DAYS[1], {})
    with pytest.raises(BadInputError, match=why):
        line.state().release(day)


def test_a_release_that_is_opened_again_cannot_be_gone_to():
    line = line_of(*FIVE[:2])
    line.night(DAYS[1], None, attempt=2)
    with pytest.raises(BadInputError, match="not promoted"):
        line.state().release(DAYS[1])


def test_a_night_does_not_obey_what_a_later_gate_caused():
    line = line_of(*FIVE)
    line.roll(DAYS[0], generation=DAYS[4])
    assert line.state().before(DAYS[2]).pinned_by_rollback is None
    assert line.state().before(DAYS[5]).pinned_by_rollback is not None
    line.roll(DAYS[0])
    assert line.state().before(DAYS[2]).pinned_by_rollback is not None


def test_other_corpora_are_untouched():
    line = line_of(*FIVE)
    before = line.state()
    line.roll(DAYS[0])
    line.events[-1].corpus = "other"
    assert line.state() == before


def test_a_decision_on_a_superseded_attempt_changes_nothing():
    line = line_of(*FIVE[:2])
    settled = line.events[-1]
    line.roll(DAYS[0])
    line.events.append(settled)
    assert line.statuses() == ["promoted", "superseded"]


verdicts = st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=6)


@given(verdicts, st.lists(st.integers(0, 5), max_size=5), st.data())
def test_whatever_is_rolled_the_line_is_one_that_once_stood(verdicts, turns, data):
    line = line_of(Verdict.PROMOTED, *verdicts)
    for turn in turns:
        day = DAYS[turn]
        if data.draw(st.booleans()):
            try:
                line.state().release(day)
            except BadInputError:
                continue
            line.roll(day)
        elif line.state().active[-1].generation < day:
            known = line.state().generations.get(day)
            attempt = known.record.attempt + 1 if known else 1
            verdict = data.draw(st.sampled_from(list(Verdict)))
            line.night(day, verdict, attempt=attempt, line=releases(line), depth=0)
    state = line.state()
    for number, release in enumerate(state.releases):
        # Each release stands on exactly the releases before it, as when it was made.
        assert release.record.line == tuple(g.generation for g in state.releases[:number])
        assert release.status is Status.PROMOTED
    for known in state.generations.values():
        if known.status is not Status.SUPERSEDED:
            assert known.stood == ()
    cut = data.draw(st.integers(0, len(line.events)))
    assert replay("toy", line.events[cut:], onto=replay("toy", line.events[:cut])) == state


@given(verdicts, st.data())
def test_back_and_forward_is_where_it_was(verdicts, data):
    line = line_of(Verdict.PROMOTED, *verdicts)
    before = line.state()
    newest = before.incumbent.generation
    line.roll(data.draw(st.sampled_from([g.generation for g in before.releases])))
    line.roll(newest)
    after = line.state()
    assert after.releases == before.releases
    assert [g for g in after.active if g.generation <= newest] == [
        g for g in before.active if g.generation <= newest
    ]
