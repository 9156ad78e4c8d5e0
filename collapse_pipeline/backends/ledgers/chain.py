"""Events and the chain of hashes that shows when one was edited, removed, moved or cut off."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from collapse_pipeline.records import Frozen, canonical_json, content_hash

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

    def as_line(self) -> str:
        """One line of JSON; a payload that was edited beyond reading stays the text it is."""
        payload: Any = self.payload
        with suppress(ValueError):
            payload = json.loads(self.payload)
        return canonical_json(self._asdict() | {"payload": payload})


class Noted(NamedTuple):
    """What is known of an event elsewhere than in its own row."""

    seq: int
    kind: str  # "" where only the hash is known
    hash: str


class Fault(Frozen):
    """What is wrong with the events from `seq` to `last`."""

    seq: int
    last: int
    kind: str  # of the event, of the first one of several; "" where nothing tells
    fault: str  # edited | removed | reordered | cut_off | rewritten
    detail: str


def linked(after: Link | None, **fields: str) -> Link:
    """The event of `fields` that follows `after`, with its number, id and hash."""
    seq = after.seq + 1 if after else 1
    name = content_hash("event", str(seq), *(fields[name] for name in sorted(fields)))
    previous = after.hash if after else ""
    link = Link(seq=seq, id=name, previous=previous, hash="", **fields)
    return link._replace(hash=link.computed())


def faults_in(links: Iterable[Link], noted: Sequence[Noted] = ()) -> list[Fault]:
    """Everything that shows the chain is not the one that was written, by place.

    A chain that was rewritten as a whole, hashes and all, is consistent in itself, and so is one
    whose end was cut off: only what was noted elsewhere tells, or what a payload holds under
    `HEAD`. It tells the kinds of events that are gone, too.

    Args:
        links: The stored events by seq; read once, of each only what tells is kept.
        noted: What another place knows of them, noted before `links` are read.
    """
    chain = _read(links)
    kinds = {seq: kind for seq, kind, _ in noted if kind}
    misfits = [_misfit(link, chain.places) for link in chain.misfits]
    broken = {fault.seq for fault in misfits}
    strangers = [link for link in chain.strangers if not broken & {link.seq, link.seq - 1}]
    faults = {
        *_removed(chain, kinds),
        *(_named(fault, kinds) for fault in misfits),
        *map(_other_line, strangers),
        *_rewritten(chain, noted, broken, kinds),
        *_cut_off(chain, noted, kinds),
    }
    return sorted(faults, key=lambda fault: (fault.seq, fault.fault, fault.detail))


@dataclass
class _Chain:
    """What is kept of a chain that was read."""

    rows: dict[int, Noted] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    misfits: list[Link] = field(default_factory=list)  # their hash is not that of their words
    strangers: list[Link] = field(default_factory=list)  # they do not follow the one before
    told: list[tuple[Noted, str]] = field(default_factory=list)  # by payloads, and by whose

    @property
    def end(self) -> int:
        return max(self.rows, default=0)

    @property
    def places(self) -> list[int]:
        """Where a moved event may belong: a place is empty or its own event does not fit."""
        empty = [
            seq for first, last in self.gaps for seq in range(first, min(last, first + PLACES) + 1)
        ]
        return [*(link.seq for link in self.misfits), *empty][:PLACES]


def _read(links: Iterable[Link]) -> _Chain:
    chain = _Chain()
    expected, before = 1, Noted(0, "", "")
    for link in links:
        if link.seq > expected:
            chain.gaps.append((expected, link.seq - 1))
        if link.hash != link.computed():
            chain.misfits.append(link)
        if link.seq == before.seq + 1 and link.previous != before.hash:
            chain.strangers.append(link._replace(payload=""))
        chain.told += [(head, f"event {link.seq}") for head in _heads(link)]
        before = Noted(link.seq, link.kind, link.hash)
        chain.rows[link.seq] = before
        expected = max(expected, link.seq + 1)
    return chain


def _misfit(link: Link, places: Sequence[int]) -> Fault:
    home = next((seq for seq in places if link.computed(seq) == link.hash), None)
    moved = home is not None
    return Fault(
        seq=link.seq,
        last=link.seq,
        kind=link.kind,
        fault="reordered" if moved else "edited",
        detail=f"it was written as event {home}" if moved else "its hash is not that of its words",
    )


def _named(fault: Fault, kinds: Mapping[int, str]) -> Fault:
    """The same by the kind that was noted, where its own is another one now."""
    kind = kinds.get(fault.seq, fault.kind)
    if kind == fault.kind or fault.fault == "reordered":
        return fault
    detail = f"{fault.detail}; its kind is {fault.kind!r} now"
    return fault.model_copy(update={"kind": kind, "detail": detail})


def _other_line(link: Link) -> Fault:
    return Fault(
        seq=max(link.seq - 1, 1),
        last=link.seq,
        kind=link.kind,
        fault="rewritten",
        detail=f"event {link.seq} follows another one, of hash {link.previous or 'none'}",
    )


def _removed(chain: _Chain, kinds: Mapping[int, str]) -> list[Fault]:
    faults = []
    for first, last in chain.gaps:
        faults += _gone(first, last, "removed", "no such event any more", kinds)
    return faults


def _gone(first: int, last: int, fault: str, detail: str, kinds: Mapping[int, str]) -> list[Fault]:
    """One fault an event whose kind is known, one for those between."""
    known = [seq for seq in kinds if first <= seq <= last]
    edges = sorted({first, *known, *(seq + 1 for seq in known if seq < last)})
    ends = [*(seq - 1 for seq in edges[1:]), last]
    return [
        Fault(seq=seq, last=end, kind=kinds.get(seq, ""), fault=fault, detail=detail)
        for seq, end in zip(edges, ends, strict=True)
    ]


def _rewritten(
    chain: _Chain, noted: Sequence[Noted], broken: set[int], kinds: Mapping[int, str]
) -> list[Fault]:
    """Events that fit their own hash and not the one that is known; runs of them as one fault,
    since a new hash needs a new one behind it."""
    others: dict[int, str] = {}
    for head, whose in [*((head, "the head file") for head in noted), *chain.told]:
        there = chain.rows.get(head.seq)
        if there is not None and there.hash != head.hash and head.seq not in broken:
            others.setdefault(
                head.seq, f"{whose} knows its hash as {head.hash}, it is {there.hash}"
            )
    starts = [seq for seq in sorted(others) if seq - 1 not in others]
    faults = []
    for start in starts:
        last = start
        while last + 1 in others:
            last += 1
        kind = kinds.get(start, chain.rows[start].kind)
        detail = others[start]
        faults.append(Fault(seq=start, last=last, kind=kind, fault="rewritten", detail=detail))
    return faults


def _cut_off(chain: _Chain, noted: Sequence[Noted], kinds: Mapping[int, str]) -> list[Fault]:
    told = [*((head, "the head file") for head in noted), *chain.told]
    last, whose = max(((head.seq, whose) for head, whose in told), default=(0, ""))
    if last <= chain.end:
        return []
    return _gone(chain.end + 1, last, "cut_off", f"{whose} knows of event {last}", kinds)


def _heads(link: Link) -> Iterator[Noted]:
    """What an event's payload vouches for."""
    if HEAD not in link.payload:
        return
    try:
        todo = [json.loads(link.payload)]
    except ValueError:  # edited beyond reading, and reported as such
        return
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            match value.get(HEAD):
                case {"seq": int(seq), "hash": str(known)} if seq:
                    yield Noted(seq, "", known)
            todo.extend(value.values())
        elif isinstance(value, list):
            todo.extend(value)
