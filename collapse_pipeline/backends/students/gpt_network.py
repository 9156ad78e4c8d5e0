"""The torch side of the `gpt` student: building, fitting, scoring and drawing, batch by batch.

A row is its label's token, then its text. Rows of a batch are padded behind their end, where
causal attention never looks, so no attention mask is needed.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from collapse_pipeline.backends.students.vocabulary import TokenRows, Vocabulary
from collapse_pipeline.errors import BackendError
from collapse_pipeline.ports import FloatVector, IntVector

IGNORED = -100  # the target of padding
SAMPLE_BATCH = 256  # texts drawn side by side: bounds the memory of their keys and values
SCORE_BATCH = 64
POOL = 32  # batches whose rows are sorted by length together


@dataclass(frozen=True)
class Schedule:
    """How a network is fitted."""

    epochs: int
    batch_rows: int
    learning_rate: float  # the peak of the one cycle
    weight_decay: float
    label_dropout: float  # share of rows that are shown the token of an unknown label instead


def device_of(name: str) -> str:
    """`cpu` or `cuda`; `auto` takes a GPU where there is one.

    Raises:
        BackendError: When `cuda` is asked for and there is none.
    """
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise BackendError("a CUDA device", "none", "set device to auto or cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


@contextmanager
def reproducible(seed: int, device: str) -> Iterator[None]:
    """Seeds torch for initial weights and dropout, and leaves its state as it was before."""
    import torch

    devices = [torch.cuda.current_device()] if device == "cuda" else []
    strict = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        # On a GPU some kernels have no deterministic twin; torch then warns and goes on.
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict, warn_only=warn_only)


def build(tokens: int, positions: int, width: int, layers: int, heads: int, dropout: float) -> Any:
    """A GPT-2 with fresh weights, drawn from torch's current state."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=tokens,
            n_positions=positions,
            n_embd=width,
            n_layer=layers,
            n_head=heads,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


@dataclass(frozen=True, eq=False)
class Network:
    """A GPT-2 over a vocabulary, with one more token for each label and one for any other."""

    gpt2: Any  # transformers.GPT2LMHeadModel
    vocabulary: Vocabulary
    unknown: int  # label id of any label not known
    device: str
    precision: str

    def logits(self, ids: Any, cache: Any = None, place: int = 0) -> Any:
        """Scores of the next token, (batch, length, vocabulary size), float32.

        Places behind the longest text trained on share the last place that was learned.
        """
        import torch

        last = self.gpt2.config.n_positions - 1
        places = torch.arange(place, place + ids.shape[1], device=self.device).clamp(max=last)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16"):
            scores = self.gpt2(
                ids,
                position_ids=places[None].expand(len(ids), -1),
                past_key_values=cache,
                use_cache=cache is not None,
            ).logits
        # Labels are given, never predicted.
        return scores[..., : self.vocabulary.size].float()

    def _batch(self, labels: IntVector, rows: TokenRows, chosen: IntVector) -> tuple[Any, Any]:
        """Inputs (label, then all tokens but the end) and targets, padded to the longest."""
        import torch

        size = (len(chosen), int(rows.lengths[chosen].max()))
        inputs = np.full(size, self.vocabulary.end, dtype=np.int64)
        targets = np.full(size, IGNORED, dtype=np.int64)
        inputs[:, 0] = self.vocabulary.size + labels[chosen]
        for i, row in enumerate(chosen):
            tokens = rows.tokens[rows.starts[row] : rows.starts[row + 1]]
            targets[i, : len(tokens)] = tokens
            inputs[i, 1 : len(tokens)] = tokens[:-1]
        return torch.from_numpy(inputs).to(self.device), torch.from_numpy(targets).to(self.device)

    def _losses(self, inputs: Any, targets: Any) -> Any:
        """Loss of every token in nats, (batch, length), 0 at padding."""
        from torch.nn.functional import cross_entropy

        scores = self.logits(inputs).transpose(1, 2)
        return cross_entropy(scores, targets, ignore_index=IGNORED, reduction="none")

    def fit(
        self, labels: IntVector, rows: TokenRows, weights: FloatVector, plan: Schedule, seed: int
    ) -> None:
        """AdamW over `plan.epochs` with one learning-rate cycle; a row counts as it weighs."""
        import torch

        rng = np.random.default_rng(seed)
        # Weighed against all rows, not those of a batch: rows of like length share batches.
        relative = weights / weights.mean()
        batches = [
            batch
            for _ in range(plan.epochs)
            for batch in _shuffled_batches(rows.lengths, plan.batch_rows, rng)
        ]
        optimizer = torch.optim.AdamW(
            self.gpt2.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay
        )
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=plan.learning_rate, total_steps=len(batches) + 1
        )
        self.gpt2.train()
        for chosen in batches:
            hidden = rng.random(len(labels)) < plan.label_dropout
            shown = np.where(hidden, self.unknown, labels)
            inputs, targets = self._batch(shown, rows, chosen)
            weight = torch.from_numpy(relative[chosen]).to(self.device, torch.float32)[:, None]
            losses = self._losses(inputs, targets)
            loss = (losses * weight).sum() / (targets != IGNORED).sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.gpt2.parameters(), 1.0)
            optimizer.step()
            cycle.step()
        self.gpt2.eval()

    def losses(self, labels: IntVector, rows: TokenRows) -> FloatVector:
        """Summed loss of each row in nats, (n_rows,)."""
        import torch

        sums = np.zeros(len(labels))
        by_length = np.argsort(rows.lengths, kind="stable")
        with torch.inference_mode():
            for first in range(0, len(labels), SCORE_BATCH):
                chosen = by_length[first : first + SCORE_BATCH]
                losses = self._losses(*self._batch(labels, rows, chosen))
                sums[chosen] = losses.double().sum(dim=1).cpu().numpy()
        return sums

    def draw(
        self,
        labels: IntVector,
        openings: Sequence[Sequence[int]],
        limit: int,
        seed: int,
        temperature: float,
    ) -> list[IntVector]:
        """What is written behind each opening: at most `limit` tokens, an end the last."""
        import torch

        generator = torch.Generator(self.device).manual_seed(seed)
        written: list[IntVector] = []
        with torch.inference_mode():
            for first in range(0, len(labels), SAMPLE_BATCH):
                part = slice(first, first + SAMPLE_BATCH)
                written += self._draw_batch(
                    labels[part], openings[part], limit, generator, temperature
                )
        return written

    def _draw_batch(
        self,
        labels: IntVector,
        openings: Sequence[Sequence[int]],
        limit: int,
        generator: Any,
        temperature: float,
    ) -> list[IntVector]:
        """All texts grow in step, so that each step has one place and one cache for all."""
        import torch
        from transformers import DynamicCache

        cache = DynamicCache(config=self.gpt2.config)
        forced = np.array([len(opening) for opening in openings])
        written: list[list[int]] = [[] for _ in labels]
        alive = np.arange(len(labels))
        tokens = self.vocabulary.size + labels
        for place in range(limit + int(forced.max())):
            ids = torch.from_numpy(tokens[:, None]).to(self.device)
            scores = self.logits(ids, cache, place)[:, -1] / temperature
            drawn = torch.multinomial(scores.softmax(dim=-1), 1, generator=generator)
            tokens = drawn[:, 0].cpu().numpy()
            for i, row in enumerate(alive.tolist()):
                if place < forced[row]:
                    tokens[i] = openings[row][place]
                else:
                    written[row].append(int(tokens[i]))
            full = place + 1 - forced[alive] >= limit
            going = np.flatnonzero((tokens != self.vocabulary.end) & ~full)
            if not len(going):
                break
            if len(going) < len(alive):
                cache.batch_select_indices(torch.from_numpy(going).to(self.device))
            alive, tokens = alive[going], tokens[going]
        return [np.array(row, dtype=np.int64) for row in written]


def _shuffled_batches(
    lengths: IntVector, size: int, rng: np.random.Generator
) -> Iterator[IntVector]:
    """Every row once, in random batches of rows of like length, which need little padding."""
    order = rng.permutation(len(lengths))
    batches: list[IntVector] = []
    for first in range(0, len(order), size * POOL):
        pool = order[first : first + size * POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[start : start + size] for start in range(0, len(pool), size)]
    for i in rng.permutation(len(batches)):
        yield batches[i]
