import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse_pipeline.errors import BackendError
from collapse_pipeline.metrics.evidence import BatchEvidence, ReportEvidence, Texts
from collapse_pipeline.records import samples_table
from collapse_pipeline_tests.samples import human_row, written_row


class CountingEmbedder:
    """One dimension: how long a text is. Remembers what it was asked."""

    version = "counting@1"

    def __init__(self):
        self.asked = []

    def embed(self, texts):
        self.asked.append(list(texts))
        return np.array([[len(text)] for text in texts], dtype=np.float32)


ROWS = samples_table(
    [
        written_row("Where's my CARD?", "card", template="p@1", response="Here."),
        written_row("pay 3.50 now", "pay", template="p@2", attributes=[("locale", "en")]),
        written_row("", "", template="p@1", attributes=[("locale", ""), ("channel", "chat")]),
    ]
)


def test_words_texts_and_labels_by_hand():
    texts = Texts(ROWS)
    assert len(texts) == 3
    assert texts.texts == ["Where's my CARD?", "pay 3.50 now", ""]
    assert texts.labels == ["card", "pay", ""]
    assert texts.words == [["where's", "my", "card", "?"], ["pay", "3.50", "now"], []]
    assert texts.skeletons == ["wheres my _", "_ # now", ""]


def test_everything_is_worked_out_once():
    texts = Texts(ROWS, CountingEmbedder())
    for name in ("texts", "labels", "words", "skeletons", "embeddings"):
        assert getattr(texts, name) is getattr(texts, name)
    assert texts.embedder.asked == [texts.texts]


def test_without_an_embedder_there_are_no_vectors():
    with pytest.raises(BackendError, match="wanted an embedder"):
        _ = Texts(ROWS).embeddings


def test_taken_rows_keep_their_vectors():
    embedder = CountingEmbedder()
    texts = Texts(ROWS, embedder)
    early = texts.take(np.array([2, 0]))
    assert early.texts == ["", "Where's my CARD?"]
    assert early.embeddings.tolist() == [[0], [16]]
    assert len(embedder.asked) == 1  # of the two rows only

    assert texts.embeddings.tolist() == [[16], [12], [0]]
    late = texts.take(np.array([1, 1]))
    assert late.embeddings.tolist() == [[12], [12]]
    assert late.words == [texts.words[1]] * 2
    assert len(embedder.asked) == 2  # and of all three
    assert len(texts.take(np.array([], dtype=np.int64)).embeddings) == 0


@given(st.lists(st.integers(0, 2), max_size=8))
def test_taking_is_the_same_before_and_after(rows):
    picked = np.array(rows, dtype=np.int64)
    fresh, worked = Texts(ROWS, CountingEmbedder()), Texts(ROWS, CountingEmbedder())
    assert worked.embeddings.shape == (3, 1)
    before, after = fresh.take(picked), worked.take(picked)
    assert before.rows == after.rows
    assert before.words == after.words == [fresh.words[row] for row in rows]
    assert before.embeddings.tolist() == after.embeddings.tolist()


def test_where_takes_the_rows_of_one_value():
    texts = Texts(ROWS, CountingEmbedder())
    assert texts.embeddings.shape == (3, 1)
    part = texts.where("template", "p@1")
    assert part.texts == ["Where's my CARD?", ""]
    assert part.embeddings.tolist() == [[16], [0]]
    assert len(texts.where("template", "p@3")) == 0


def test_another_column_of_the_same_rows():
    texts = Texts(ROWS, CountingEmbedder())
    assert texts.of("prompt") is texts
    assert texts.embeddings.shape == (3, 1)
    answers = texts.of("response")
    assert answers.texts == ["Here.", "", ""]
    assert answers.words == [["here", "."], [], []]
    assert answers.embeddings.tolist() == [[5], [0], [0]]  # not the prompts'
    assert answers.take(np.array([0])).texts == ["Here."]
    assert answers.of("prompt").texts == texts.texts


def test_an_attribute_is_empty_where_a_row_has_none():
    texts = Texts(ROWS)
    assert texts.attribute("locale") == ["", "en", ""]
    assert texts.attribute("channel") == ["", "", "chat"]
    assert texts.attribute("difficulty") == [""] * 3


def test_evidence_of_a_column_and_on_other_rows():
    human = Texts(samples_table([human_row("Hello", response="Hi there")] * 3))
    evidence = BatchEvidence(Texts(ROWS), human, earlier=Texts(ROWS), seed=7)
    answers = evidence.of("response")
    assert answers.synthetic.texts == ["Here.", "", ""]
    assert answers.human.texts == ["Hi there"] * 3
    assert answers.earlier is not None
    assert answers.earlier.texts == ["Here.", "", ""]
    assert answers.seed == 7
    assert BatchEvidence(Texts(ROWS), human).of("response").earlier is None

    part = evidence.on(evidence.synthetic.where("template", "p@2"))
    assert part.synthetic.texts == ["pay 3.50 now"]
    assert (part.human, part.earlier, part.seed) == (human, evidence.earlier, 7)


def test_a_figure_of_the_report():
    def row(model, metric, suite, scope, value):
        return {"model": model, "metric": metric, "suite": suite, "scope": scope, "value": value}

    report = ReportEvidence(
        [
            row("baseline", "accuracy", "standard", "", 0.8),
            row("candidate", "accuracy", "standard", "card", 0.5),
            row("candidate", "accuracy", "standard", "", 0.7),
            row("candidate", "accuracy", "noisy", "", 0.6),
        ]
    )
    assert report.value("candidate", "accuracy", "standard") == 0.7
    assert report.value("candidate", "accuracy", "standard", "card") == 0.5
    assert report.value("baseline", "accuracy", "standard") == 0.8
    assert report.value("candidate", "accuracy", "noisy") == 0.6
    assert np.isnan(report.value("candidate", "macro_f1", "standard"))
    assert np.isnan(report.value("candidate", "accuracy", "standard", "pay"))
