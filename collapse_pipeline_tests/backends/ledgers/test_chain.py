import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.backends.ledgers.chain import HEAD, Link, Noted, faults_in, linked
from collapse_pipeline.records import canonical_json, content_hash

WORDS = ["at", "corpus", "generation", "kind", "actor", "role", "reason", "payload", "key"]


def chain_of(count, **payloads):
    links = []
    for i in range(1, count + 1):
        fields = dict.fromkeys(WORDS, "") | {"kind": f"kind {i}"}
        fields["payload"] = canonical_json(payloads.get(f"event_{i}", {}))
        links.append(linked(links[-1] if links else None, **fields))
    return links


def head_of(links):
    """What is noted elsewhere of the last event only: its hash, and not its kind."""
    return [Noted(links[-1].seq, "", links[-1].hash)] if links else []


def noted_of(links):
    return [Noted(link.seq, link.kind, link.hash) for link in links]


def rehashed(links):
    """The same words as a chain that is consistent in itself: what a patient forger writes."""
    forged = []
    for link in links:
        fields = {name: getattr(link, name) for name in WORDS}
        forged.append(linked(forged[-1] if forged else None, **fields))
    return forged


def named(faults):
    return [(fault.seq, fault.last, fault.fault) for fault in faults]


def test_the_hash_covers_every_column():
    (link,) = chain_of(1)
    assert link.hash == content_hash("1", link.id, "", "", "", "kind 1", "", "", "", "{}", "", "")
    assert link.previous == ""


def test_a_whole_chain_has_no_fault():
    links = chain_of(4)
    assert (
        faults_in(links)
        == faults_in(links, head_of(links))
        == faults_in([])
        == faults_in(links, noted_of(links))
        == []
    )
    assert faults_in(links, head_of(links[:2])) == []  # an older head is still true


def test_faults_are_named_by_place():
    links = chain_of(5)
    one, two, three, four, five = links
    edited = three._replace(reason="because")
    assert named(faults_in([one, two, edited, four, five])) == [(3, 3, "edited")]
    assert named(faults_in([one, two, four, five])) == [(3, 3, "removed")]
    assert named(faults_in([one, five])) == [(2, 4, "removed")]
    assert named(faults_in([two, three])) == [(1, 1, "removed")]
    swapped = [one, four._replace(seq=2), three, two._replace(seq=4), five]
    assert named(faults_in(swapped)) == [(2, 2, "reordered"), (4, 4, "reordered")]
    assert "event 4" in faults_in(swapped)[0].detail
    assert named(faults_in([one, two, four, five, three._replace(seq=9)])) == [
        (3, 3, "removed"),
        (6, 8, "removed"),
        (9, 9, "reordered"),
    ]
    assert named(faults_in(links[:3], head_of(links))) == [(4, 5, "cut_off")]
    assert faults_in(links[:3]) == []  # nothing within the chain tells


def test_a_forged_chain_is_told_by_a_head_from_outside_or_from_a_payload():
    links = chain_of(3)
    forged = rehashed([links[0]._replace(reason="other"), *links[1:]])
    assert faults_in(forged) == []
    assert named(faults_in(forged, head_of(links))) == [(3, 3, "rewritten")]
    half = [forged[0], *links[1:]]
    assert named(faults_in(half)) == [(1, 2, "rewritten")]

    told = {"evidence": [{HEAD: {"seq": 2, "hash": links[1].hash}}]}
    known = chain_of(4, event_4=told)
    assert faults_in(known) == []
    forged = rehashed([known[0], known[1]._replace(reason="other"), *known[2:]])
    assert named(faults_in(forged)) == [(2, 2, "rewritten")]
    # Events 3 to 7 were cut off after another corpus's event had noted the head at 7.
    cut = chain_of(3, event_3={HEAD: {"seq": 7, "hash": "ab"}})
    assert named(faults_in(cut)) == [(4, 7, "cut_off")]


def test_events_are_named_by_number_and_kind():
    links = chain_of(6)
    noted = noted_of(links)

    def names(left, known):
        return [(f.seq, f.last, f.kind, f.fault) for f in faults_in(left, known)]

    assert names(links[:4], noted) == [
        (5, 5, "kind 5", "cut_off"),
        (6, 6, "kind 6", "cut_off"),
    ]
    # Of event 5 no line was written: it is told by the one behind it, without its kind.
    assert names(links[:4], [*noted[:4], noted[5]]) == [
        (5, 5, "", "cut_off"),
        (6, 6, "kind 6", "cut_off"),
    ]
    assert names([links[0], *links[4:]], noted[:3]) == [
        (2, 2, "kind 2", "removed"),
        (3, 3, "kind 3", "removed"),
        (4, 4, "", "removed"),
    ]
    relabelled = [links[0], links[1]._replace(kind="harmless"), *links[2:]]
    assert names(relabelled, noted) == [(2, 2, "kind 2", "edited")]
    assert "'harmless' now" in faults_in(relabelled, noted)[0].detail
    swapped = [links[1]._replace(seq=1), links[0]._replace(seq=2), *links[2:]]
    assert names(swapped, noted) == [
        (1, 1, "kind 2", "reordered"),
        (2, 2, "kind 1", "reordered"),
    ]
    forged = rehashed([*links[:2], links[2]._replace(reason="other"), *links[3:]])
    assert names(forged, noted) == [(3, 6, "kind 3", "rewritten")]
    # What was cut off and written anew is told too: two notes speak of one number.
    anew = rehashed([*links[:5], links[5]._replace(reason="other")])
    assert names(anew, [*noted, *noted_of(anew)[5:]]) == [(6, 6, "kind 6", "rewritten")]


chains = st.integers(2, 8).map(chain_of)
texts = st.text('a1 {"\0é', max_size=5)


@given(chains, st.data())
def test_any_edit_is_found(links, data):
    at = data.draw(st.integers(0, len(links) - 1))
    name = data.draw(st.sampled_from(Link._fields))
    old = getattr(links[at], name)
    values = st.integers(-3, 99) if name == "seq" else texts
    new = data.draw(values.filter(lambda value: value != old))
    edited = links[at]._replace(**{name: new})
    forged = sorted([*links[:at], edited, *links[at + 1 :]], key=lambda link: link.seq)
    faults = faults_in(forged)
    assert any(fault.seq <= edited.seq <= fault.last for fault in faults)
    if name not in ("seq", "hash"):
        assert named(faults) == [(at + 1, at + 1, "edited")]


@given(chains, st.data())
def test_any_removal_or_cut_is_found(links, data):
    gone = data.draw(st.sets(st.integers(1, len(links)), min_size=1))
    left = [link for link in links if link.seq not in gone]
    faults = faults_in(left, head_of(links))
    assert all(any(f.seq <= seq <= f.last for f in faults) for seq in gone)
    assert {fault.fault for fault in faults} <= {"removed", "cut_off"}


@given(chains, st.data())
def test_any_reordering_is_found_and_traced(links, data):
    order = data.draw(st.permutations(range(len(links))).filter(lambda p: p != sorted(p)))
    moved = [links[old]._replace(seq=new + 1) for new, old in enumerate(order)]
    wrong = {new + 1 for new, old in enumerate(order) if new != old}
    faults = faults_in(moved)
    assert {fault.seq for fault in faults if fault.fault == "reordered"} == wrong


@given(chains, st.data())
def test_a_forgery_with_hashes_does_not_fit_the_noted_head(links, data):
    at = data.draw(st.integers(0, len(links) - 1))
    name = data.draw(st.sampled_from(WORDS))
    old = getattr(links[at], name)
    new = data.draw(texts.filter(lambda value: value != old))
    forged = rehashed([*links[:at], links[at]._replace(**{name: new}), *links[at + 1 :]])
    assert named(faults_in(forged, head_of(links))) == [(len(links), len(links), "rewritten")]


@pytest.mark.parametrize(
    "payload", ["", "{", '{"ledger_head": 3}', '{"ledger_head": {"seq": "x"}}']
)
def test_a_payload_that_cannot_be_read_is_an_edit_and_no_crash(payload):
    links = chain_of(2)
    assert named(faults_in([links[0]._replace(payload=payload), links[1]])) == [(1, 1, "edited")]
