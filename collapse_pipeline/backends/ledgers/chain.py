"""Events and the chain of hashes that shows when one was edited, removed, moved or cut off."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from collapse_pipeline.records import Frozen, content_hash

PLACES = 200  # how many places a moved event is tried at
HEAD = "ledger_head"  # a payload that holds {HEAD: {"seq": n, "hash": h}} vouches for event n


class Event(Frozen):
    """One decision, a machine's or a person's."""

    seq: int  # 1, 2, 3 ... without a gap
    id: str
    at: str  # UTC, ISO 8601
    corpus: str  # "" where it concerns them all
    generation: str  # "" where it concerns none
    kind: str
    actor: str
    role: str
    reason: str
    payload: Mapping[str, Any]
    key: str  # "" or what this event may happen but once for
    previous: str  # hash of the event before, "" for the first
    hash: str


class Link(NamedTuple):
    """An event as it is stored and hashed; `payload` is the canonical JSON."""

    seq: int
    id: str
    at: str
    corpus: str
    generation: str
    kind: str
    actor: str
    role: str
    reason: str
    payload: str
    key: str
    previous: str
    hash: str

    def computed(self, seq: int | None = None) -> str:
        """What the hash must be, here or had the event stood at `seq`."""
        return content_hash(str(seq or self.seq), *map(str, self[1:-1]))


class Fault(Frozen):
    """What is wrong with the events from `seq` to `last`."""

    seq: int
    last: int
    fault: str  # edited | removed | reordered | cut_off | rewritten
    detail: str


def linked(after: Link | None, **fields: str) -> Link:
    """The event of `fields` that follows `after`, with its number, id and hash."""
    seq = after.seq + 1 if after else 1
    name = content_hash("event", str(seq), *(fields[name] for name in sorted(fields)))
    previous = after.hash if after else ""
    link = Link(seq=seq, id=name, previous=previous, hash="", **fields)
    return link._replace(hash=link.computed())


def faults_in(links: Sequence[Link], expected_head: tuple[int, str] | None = None) -> list[Fault]:
    """Everything that shows the chain is not the one that was written, by place.

    A chain that was rewritten as a whole, hashes and all, is consistent in itself: only a head
    from outside, or one that a payload holds under `HEAD`, tells.

    Args:
        links: The stored events by seq.
        expected_head: (seq, hash) of the last event, as noted elsewhere; (0, "") of none.
    """
    faults = list(_broken_links(links))
    hashes = {link.seq: link.hash for link in links}
    end = max(hashes, default=0)
    told = [(seq, value, f"event {link.seq}") for link in links for seq, value in _heads(link)]
    if expected_head and expected_head[0]:
        told.append((*expected_head, "the head noted elsewhere"))
    for seq, value, witness in told:
        if seq > end:
            detail = f"{witness} knows of event {seq}"
            faults.append(Fault(seq=end + 1, last=seq, fault="cut_off", detail=detail))
        elif hashes.get(seq, value) != value:
            detail = f"{witness} knows its hash as {value}, it is {hashes[seq]}"
            faults.append(Fault(seq=seq, last=seq, fault="rewritten", detail=detail))
    return sorted(set(faults), key=lambda fault: (fault.seq, fault.fault, fault.detail))


def _broken_links(links: Sequence[Link]) -> Iterator[Fault]:
    """What the chain shows by itself."""
    gaps = []
    expected = 1
    for link in links:
        if link.seq > expected:
            gaps.append((expected, link.seq - 1))
        expected = max(expected, link.seq + 1)
    for first, last in gaps:
        yield Fault(seq=first, last=last, fault="removed", detail="no such event any more")

    suspects = [link for link in links if link.hash != link.computed()]
    # A moved event fits a place that is empty or whose own event does not fit.
    places = [link.seq for link in suspects] + [
        seq for first, last in gaps for seq in range(first, min(last, first + PLACES) + 1)
    ]
    for link in suspects:
        home = next((seq for seq in places[:PLACES] if link.computed(seq) == link.hash), None)
        moved = home is not None
        detail = f"it was written as event {home}" if moved else "its hash is not that of its words"
        fault = "reordered" if moved else "edited"
        yield Fault(seq=link.seq, last=link.seq, fault=fault, detail=detail)

    broken = {link.seq for link in suspects}
    before = ""
    for at, link in enumerate(links):
        next_in_line = link.seq == (links[at - 1].seq + 1 if at else 1)
        if next_in_line and link.previous != before and not broken & {link.seq, link.seq - 1}:
            detail = f"event {link.seq} follows another one, of hash {link.previous or 'none'}"
            yield Fault(seq=max(link.seq - 1, 1), last=link.seq, fault="rewritten", detail=detail)
        before = link.hash


def _heads(link: Link) -> Iterator[tuple[int, str]]:
    """The (seq, hash) pairs that an event's payload vouches for."""
    try:
        todo = [json.loads(link.payload)]
    except ValueError:  # edited beyond reading, and reported as such
        return
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            match value.get(HEAD):
                case {"seq": int(seq), "hash": str(known)}:
                    yield seq, known
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
