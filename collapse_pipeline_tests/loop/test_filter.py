import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collapse_pipeline.loop.contamination import text_key
from collapse_pipeline.loop.filter import (
    FilterPolicy,
    bands_table,
    compared_texts,
    filter_batch,
    no_earlier,
)
from collapse_pipeline.loop.filter_duplicates import EARLIER_MATCHES
from collapse_pipeline.metrics.minhash import jaccard, normalise
from collapse_pipeline.records import (
    DROPPED_BATCH,
    EVAL_SUITES,
    JUDGED_BATCH,
    MINHASH_BANDS,
    SAMPLE,
    samples_table,
)

LONG = " ".join(f"w{i}" for i in range(30))  # 28 shingles
LOOSE = FilterPolicy(skeleton_quota_floor=1000)


def row(sample_id, text, label="", **more):
    prompt, response = text if isinstance(text, tuple) else (text, "")
    return {
        "sample_id": sample_id, "corpus": "bank", "generation": "2026-11-20", "task_type": "text",
        "label": label, "prompt": prompt, "response": response, "origin": "synthetic", "depth": 1,
        "teacher": "t@1", "template": "m@1", "judge": "j@1", "parent_ids": ["p"], "seed": 7,
        "available_from": "2026-11-20", "attributes": [("locale", "en")], **more,
    }  # fmt: skip


def samples(texts, labels=None):
    """Rows s0, s1 ...; a text is a prompt, or a prompt and a response."""
    labels = labels or [""] * len(texts)
    pairs = zip(texts, labels, strict=True)
    return samples_table([row(f"s{i}", text, label) for i, (text, label) in enumerate(pairs)])


def suite(texts):
    """Eval rows e0, e1 ..."""
    more = {"suite": "standard", "suite_version": "1", "window": ""}
    return samples_table([row(f"e{i}", text, **more) for i, text in enumerate(texts)], EVAL_SUITES)


class WordEmbedder:
    """Bags of words: equal words in any order are one vector."""

    version = "words@1"

    def embed(self, texts):
        rows = np.zeros((len(texts), 256), dtype=np.float32)
        for index, text in enumerate(texts):
            for word in normalise(text).split():
                rows[index, sum(map(ord, word)) % 256] += 1
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)


class Earlier:
    """Earlier rows by id, matched by their bands as a store would."""

    def __init__(self, texts):
        self.texts = texts
        self.bands = bands_table("bank", "", list(texts), list(texts.values()))

    def __call__(self, bands):
        assert bands.schema == MINHASH_BANDS
        pairs = bands.select(["sample_id", "band", "key"]).join(
            self.bands.select(["sample_id", "band", "key"]),
            ["band", "key"], join_type="inner", right_suffix="_earlier",
        )  # fmt: skip
        sides = (pairs[name].to_pylist() for name in ("sample_id", "sample_id_earlier"))
        found = [
            {"sample_id": mine, "earlier_id": theirs, "earlier_text": self.texts[theirs]}
            for mine, theirs in set(zip(*sides, strict=True))
        ]
        return pa.Table.from_pylist(found, schema=EARLIER_MATCHES)


def run(texts, labels=None, evals=(), earlier=no_earlier, embedder=None, policy=LOOSE):
    """Filters, checks what always holds, and tells {dropped id: (reason, duplicate of)}."""
    rows = samples(texts, labels)
    found = filter_batch(rows, suite(evals), earlier, embedder, policy)
    kept, dropped = found.kept["sample_id"].to_pylist(), found.dropped["sample_id"].to_pylist()
    assert sorted(kept + dropped) == sorted(rows["sample_id"].to_pylist())
    assert found.kept.schema == SAMPLE
    assert found.dropped.schema == DROPPED_BATCH
    assert found.bands.schema == MINHASH_BANDS
    assert set(found.bands["sample_id"].to_pylist()) <= set(kept)
    assert set(found.dropped["stage"].to_pylist()) <= {"filter"}
    names = ("sample_id", "reason", "duplicate_of")
    drops = list(zip(*(found.dropped[name].to_pylist() for name in names), strict=True))
    outside = {"eval_overlap", "earlier_duplicate"}
    assert all(of in kept for _, reason, of in drops if reason not in outside)
    return {sample_id: (reason, of) for sample_id, reason, of in drops}


def test_every_reason_by_hand():
    texts = [
        "Where is my card?",  # s0, kept
        "WHERE IS MY CARD",  # s1, s0 in other letters
        LONG,  # s2, kept
        LONG + " more",  # s3, 28 of 29 shingles as s2
        "what is my pin",  # s4, asked by a suite
        "I lost my old phone",  # s5, written by a person before
        "my card is where",  # s6, the words of s0 in another order
        "where is my money",  # s7, the mould of s0, of which the quota is one
        "top up failed",  # s8, kept
    ]
    earlier = Earlier({"h1": "i lost my OLD phone!", "h2": "another thing"})
    policy = FilterPolicy(skeleton_quota_floor=1, skeleton_quota_share=0)
    drops = run(texts, None, ["What is my PIN?"], earlier, WordEmbedder(), policy)
    assert drops == {
        "s1": ("exact_duplicate", "s0"),
        "s3": ("near_duplicate", "s2"),
        "s4": ("eval_overlap", "e0"),
        "s5": ("earlier_duplicate", "h1"),
        "s6": ("semantic_duplicate", "s0"),
        "s7": ("skeleton_quota", "s0"),
    }


def test_the_first_reason_wins():
    # s1 is also a copy of s0, but both are asked by a suite; s3 repeats s2 and the past
    earlier = Earlier({"h1": LONG})
    drops = run(["what is it", "what is it", "new " + LONG, LONG], evals=["what is it"],
                earlier=earlier)  # fmt: skip
    assert drops["s0"] == drops["s1"] == ("eval_overlap", "e0")
    assert drops["s2"] == drops["s3"] == ("earlier_duplicate", "h1")


def test_a_group_does_not_lose_all_its_members():
    # s0 repeats the past; s1 is near s0 but not near the past, so s1 stays, and keeps s2 out.
    # h1 to s0: 28/33; s0 to s1: 33/37; h1 to s1: 28/37 = .76
    nearer, further = f"{LONG} a b c d e", f"{LONG} a b c d e f g h i"
    drops = run([nearer, further, further + "!"], earlier=Earlier({"h1": LONG}))
    assert drops == {"s0": ("earlier_duplicate", "h1"), "s2": ("exact_duplicate", "s1")}


def test_a_chain_keeps_what_is_not_near_a_kept_row():
    # each adds 4 words: neighbours 28/32 and 32/36 are near, first to third 28/36 = .78 is not
    chain = [LONG, f"{LONG} a b c d", f"{LONG} a b c d e f g h"]
    assert run(chain) == {"s1": ("near_duplicate", "s0")}


def test_a_copy_of_a_row_that_gave_way_by_meaning_names_the_kept_one():
    drops = run(["my lost card", "card lost my", "Card. Lost. My."], embedder=WordEmbedder())
    assert drops == {"s1": ("semantic_duplicate", "s0"), "s2": ("exact_duplicate", "s0")}


def test_quota_counts_per_label_and_by_share():
    texts = [f"where is my {name}" for name in ("card", "pin", "app", "bank")] * 2
    texts[4:] = [text + " statement" for text in texts[4:]]
    labels = ["a"] * 4 + ["b"] * 4
    policy = FilterPolicy(skeleton_quota_floor=1, skeleton_quota_share=0.5)
    # four distinct texts of one mould per label, half of which may stay
    assert list(run(texts, labels, policy=policy)) == ["s2", "s3", "s6", "s7"]
    twice = run(texts * 2, labels * 2, policy=policy)  # no more distinct texts, no larger quota
    assert len(twice) == 12


def test_meaning_counts_within_a_label_only():
    assert run(["a b c", "c b a"], ["x", "y"], embedder=WordEmbedder()) == {}
    assert run(["a b c", "c b a"], ["x", "x"], embedder=WordEmbedder()) != {}


def test_responses_count():
    assert run([("what is it", "a card"), ("what is it", "a pin"), "what is it"]) == {}
    assert compared_texts(samples([("ask", "tell"), "ask"])) == ["ask\ntell", "ask"]


def test_switches():
    texts = ["a b c", "a b c", LONG, LONG + " x", "c b a"]
    off = FilterPolicy(enforce=False)
    assert run(texts, evals=texts, policy=off) == {}
    exact = FilterPolicy(near_duplicate=None, semantic=None)
    assert run(texts, embedder=WordEmbedder(), policy=exact) == {"s1": ("exact_duplicate", "s0")}
    alone = FilterPolicy(against_earlier=False)
    assert "s2" not in run(texts, earlier=Earlier({"h": LONG}), policy=alone)


def test_nothing_in_nothing_out():
    assert run([]) == {}
    assert run(["?!", "?!", "...", ""]) == {"s1": ("exact_duplicate", "s0")}


def test_bands_cover_the_kept_rows():
    found = filter_batch(samples(["a b c", "A b c", "?"]), suite([]), no_earlier, None, LOOSE)
    assert found.bands.num_rows == 16
    assert found.bands["band"].to_pylist() == list(range(16))
    assert found.bands.equals(bands_table("bank", "2026-11-20", ["s0"], ["a b c"]))
    assert bands_table("bank", "", [], []).num_rows == 0


def test_judged_rows_lose_their_judgement_only():
    judgement = {"score": 1.0, "scores": [("rules", 1.0)], "accepted": True, "reasons": []}
    rows = samples_table([row("s0", "a", **judgement), row("s1", "a", **judgement)], JUDGED_BATCH)
    found = filter_batch(rows, suite([]), no_earlier, None, LOOSE)
    assert found.kept.equals(rows.select(SAMPLE.names).slice(0, 1))
    assert found.dropped.select(SAMPLE.names).equals(rows.select(SAMPLE.names).slice(1))


# Short and long texts that meet each other by words, by shingles, and by order of words.
WORDS = st.lists(st.sampled_from(["my", "card", "is", "lost", "?"]), max_size=5).map(" ".join)
TAILS = st.lists(st.sampled_from("abcdef"), max_size=10).map(lambda tail: " ".join([LONG, *tail]))
BATCH = st.lists(st.tuples(WORDS | TAILS, st.sampled_from("xy")), max_size=25)


def alike(text, other):
    return text_key(text) == text_key(other) or jaccard(text, other) >= 0.8


@settings(deadline=None)
@given(BATCH, st.randoms(use_true_random=False))
def test_order_decides_who_stays_not_whether_the_group_does(batch, random):
    for embedder in (None, WordEmbedder()):
        shuffled = random.sample(batch, len(batch))
        for rows in (batch, shuffled):
            texts = [text for text, _ in rows]
            drops = run(texts, [label for _, label in rows], embedder=embedder)
            assert not rows or len(drops) < len(rows)
            stay = {texts[i] for i in range(len(texts)) if f"s{i}" not in drops}
            if embedder is None:
                assert all(any(alike(text, other) for other in stay) for text in texts)


@settings(deadline=None)
@given(BATCH, st.sampled_from([LOOSE, FilterPolicy()]))
def test_twice_the_batch_and_twice_the_filter(batch, policy):
    texts, labels = [text for text, _ in batch], [label for _, label in batch]
    rows = samples(texts, labels)

    def kept(table):
        return filter_batch(table, suite([]), no_earlier, WordEmbedder(), policy).kept

    once = kept(rows)
    assert kept(pa.concat_tables([rows, rows])).equals(once)
    if policy is LOOSE:  # a quota by share shrinks with the label
        assert kept(once).equals(once)


def test_floods_are_cheap():
    copies = run(["where is my card"] * 3000)
    assert Counter(copies.values()) == {("exact_duplicate", "s0"): 2999}
    mould = run([f"{LONG} number {i}" for i in range(3000)])
    assert Counter(reason for reason, _ in mould.values()) == {"near_duplicate": 2999}
    started = time.perf_counter()
    alike = [f"where is my order {i} from {i + 7} days ago which i paid" for i in range(3000)]
    run(alike, policy=FilterPolicy(skeleton_quota_floor=3000))
    assert time.perf_counter() - started < 10


@pytest.mark.real_data
def test_banking77_loses_little(shared_data):
    table = pq.read_table(shared_data / "banking77.parquet").to_pandas()
    train, test = (table[table["split"] == split] for split in ("train", "test"))
    rows = samples(train["text"].tolist(), train["label"].tolist())
    found = filter_batch(rows, suite(test["text"]), no_earlier, WordEmbedder(), FilterPolicy())
    reasons = Counter(found.dropped["reason"].to_pylist())
    assert 30 < reasons["eval_overlap"] < 100  # measured 57
    assert 10 < reasons["exact_duplicate"] < 50  # measured 28
    assert 30 < reasons["near_duplicate"] < 150  # measured 66
    assert reasons["skeleton_quota"] < 0.01 * rows.num_rows  # a quota that real text meets
    assert found.kept.num_rows + found.dropped.num_rows == rows.num_rows

    # The next night: the rows kept tonight are the past, and none comes in again.
    past = dict(zip(found.kept["sample_id"].to_pylist(), compared_texts(found.kept), strict=True))
    again = found.kept.slice(0, 500)
    ids = pa.array([f"n{i}" for i in range(500)])
    again = again.set_column(0, SAMPLE.field("sample_id"), ids)
    second = filter_batch(again, suite([]), Earlier(past), None, FilterPolicy())
    assert second.kept.num_rows == 0
    assert set(second.dropped["reason"].to_pylist()) == {"earlier_duplicate"}


@pytest.mark.real_data
@pytest.mark.slow
def test_gsm8k_loses_little(shared_data):
    table = pq.read_table(shared_data / "gsm8k.parquet").to_pandas()
    train, test = (table[table["split"] == split] for split in ("train", "test"))
    evals = list(zip(test["text"], test["answer"], strict=True))
    rows = samples(list(zip(train["text"], train["answer"], strict=True)))
    found = filter_batch(rows, suite(evals), no_earlier, None, FilterPolicy())
    assert Counter(found.dropped["reason"].to_pylist()).keys() <= {"eval_overlap", "near_duplicate"}
    assert found.dropped.num_rows <= 10  # measured 4
    leaked = filter_batch(samples(evals), suite(evals), no_earlier, None, FilterPolicy())
    assert leaked.kept.num_rows == 0
