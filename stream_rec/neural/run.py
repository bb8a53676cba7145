"""A training run: texts, teacher, its states, student, tables. Every stage leaves what the next start needs.

runs/texts.safetensors
     RUN/ teacher.safetensors  states.safetensors  student.safetensors  [plain.safetensors]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stream_rec.core.content_vectors import no_content
from stream_rec.core.sequence_tables import StudentWeights
from stream_rec.core.types import Float32Array, Int64Array
from stream_rec.neural.checkpoint import read_tensors, write_tensors
from stream_rec.neural.distillation import TeacherStates, teacher_states
from stream_rec.neural.evaluation import Figures, figures_of, sampled_places, user_vectors
from stream_rec.neural.export import item_rows, student_weights
from stream_rec.neural.interactions import Interactions, Split
from stream_rec.neural.item_tower import ItemTower
from stream_rec.neural.recipe import ModelShape, Recipe, Schedule
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.text_cache import encode_new_texts
from stream_rec.neural.text_encoder import TextBasis, centred, content_of, content_projection, mean_of
from stream_rec.neural.training import Report, Stage, fit
from stream_rec.neural.warm_start import WarmStart, put_weights

TEXTS_FILE = "texts.safetensors"
CURVE_EVENTS = 2_000
"""Held-out events behind each point of the report's curves."""


@dataclass(frozen=True)
class TrainedModel:
    """One model after its last epoch: its figures on the held-out events, and one row per epoch for the curves."""

    model: SequenceModel
    figures: Figures
    epochs: list[dict[str, float]]


@dataclass(frozen=True)
class TrainedRun:
    """All a run made.

    `places`: the held-out events behind all figures. `texts`: how texts become content, and `content` float32[items,
    128]: that of the log's items; `None` and of width 0 where no item has a text. `item_texts`: the log's items' texts,
    empty for an item without one. `rows` and `weights`: the student's tables. `teacher`: `None` where the student went
    on from a version's. `plain`: a student that had no teacher, if it was asked for.
    """

    places: Int64Array
    texts: TextBasis | None
    content: Float32Array
    teacher: TrainedModel | None
    student: TrainedModel
    plain: TrainedModel | None
    rows: Float32Array
    weights: StudentWeights
    item_texts: Sequence[str]


class TrainingRun:
    """One run over one log; run again over the same, it goes on where it was stopped.

    Parameters
    ----------
    texts
        item id → text, for the items that have one; with none at all items are ids only. Items of `warm` that it does
        not name keep the text they had.
    folder
        Where runs keep their stages, one sub-folder each, named by all that has an influence on the result.
    test_events
        Held-out events behind the figures, sampled from the newest ones.
    warm
        The version to go on from: its items are the first of the log's. The recipe has to have its shapes.
    """

    def __init__(
        self,
        log: Interactions,
        split: Split,
        texts: Mapping[str, str],
        recipe: Recipe,
        folder: Path,
        test_events: int,
        warm: WarmStart | None = None,
    ) -> None:
        self.log, self.split, self.recipe, self.warm = log, split, recipe, warm
        self.texts = texts if warm is None else {**warm.item_texts, **texts}
        self.lengths = split.train_lengths(log)
        self.fingerprint = self._fingerprint()
        self.folder = folder / self.fingerprint
        self.places = sampled_places(log, split.test, split.end, test_events, seed=0)
        gap = split.test - split.train  # settings are chosen by what lies between, where there is something
        curve = (split.train, split.test) if gap >= CURVE_EVENTS else (split.test, split.end)
        self._curve_places = sampled_places(log, *curve, CURVE_EVENTS, seed=1)
        events = split.item_events(log)
        self.has_id = torch.from_numpy(events >= recipe.least_id_events)
        self.trained = torch.from_numpy(events > 0)
        if warm is not None:  # the log may not go back to what the version has learned
            self.has_id[: len(warm.has_id)] |= warm.has_id
            self.trained[: len(warm.has_id)] |= warm.has_id

    def run(self, report: Report, plain: bool = False) -> TrainedRun:
        """Run all stages that are not done; `plain` trains a student without a teacher beside the other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text, basis = self._text(report)
        teacher, states = None, None
        if self.warm is None:
            teacher = self._train("teacher", self.recipe.teacher, self.recipe.teacher_schedule, text, None, report)
            states = self._teacher_states(teacher.model, report)
        student = self._train("student", self.recipe.student, self.recipe.student_schedule, text, states, report)
        alone = None
        if plain:
            alone = self._train("plain", self.recipe.student, self.recipe.student_schedule, text, None, report)
        with torch.inference_mode():
            rows = item_rows(student.model, student.model.items(), self.bias_of(student.model))
        weights = student_weights(student.model)
        content = no_content(len(rows))
        if text is not None and basis is not None:
            content = content_of(text.numpy(), basis.projection)
        return TrainedRun(self.places, basis, content, teacher, student, alone, rows, weights, self._item_texts())

    def bias_of(self, model: SequenceModel) -> Tensor:
        """Return float32[items]: the bias to serve with, which lifts items without a training event."""
        return model.bias.detach() + self.recipe.unseen_bonus * ~self.trained

    def _train(
        self, name: str, shape: ModelShape, schedule: Schedule, text: Tensor | None, states: TeacherStates | None,
        report: Report,
    ) -> TrainedModel:  # fmt: skip
        torch.manual_seed(self.recipe.seed)
        tower = ItemTower(text, self.has_id, shape.width, self.recipe.id_dropout)
        model = SequenceModel(shape, tower)
        if self.warm is not None:
            put_weights(model, self.warm.weights, self.warm.has_id)
        learned = torch.from_numpy(self.split.learned(self.log))
        stage = Stage(
            name, self.log, self.lengths, learned, schedule, self.recipe, self.trained, states, self._curve_point
        )
        progress = fit(stage, model, self.folder / f"{name}.safetensors", report)
        report(f"{name}: measured", 0, 1, "")
        figures = self._figures(model, self.places)
        report(f"{name}: measured", 1, 1, f"HR@20 {figures.hr20:.4f}")
        return TrainedModel(model, figures, progress.epochs)

    def _curve_point(self, model: SequenceModel) -> dict[str, float]:
        figures = self._figures(model, self._curve_places)
        return {"hr20": figures.hr20, "hr20_discovery": figures.hr20_discovery}

    def _figures(self, model: SequenceModel, places: Int64Array) -> Figures:
        with torch.inference_mode():
            table = model.eval().items()
        vectors = user_vectors(self.log, model, table, places)
        return figures_of(self.log, self.split, places, vectors, table.numpy(), self.bias_of(model).numpy())

    def _item_texts(self) -> list[str]:
        return [self.texts.get(item_id, "") for item_id in self.log.item_ids]

    def _text(self, report: Report) -> tuple[Tensor | None, TextBasis | None]:
        """Return the items' text vectors, centred, and what makes content of them; `None` where no item has a text."""
        texts = self._item_texts()
        if not any(texts) or (self.warm is not None and self.warm.texts is None):
            return None, None
        kept = self.folder.parent / TEXTS_FILE
        vectors = encode_new_texts(kept, texts, lambda done, of: report("texts", done, of, ""))
        basis = None if self.warm is None else self.warm.texts
        mean = mean_of(vectors) if basis is None else basis.mean
        scaled = centred(vectors, mean, self.recipe.text_scale)
        return torch.from_numpy(scaled), basis or TextBasis(mean, content_projection(scaled))

    def _teacher_states(self, teacher: SequenceModel, report: Report) -> TeacherStates:
        path = self.folder / "states.safetensors"
        if path.exists():
            tensors, _ = read_tensors(path)
            return TeacherStates(**tensors)
        states = teacher_states(
            self.log,
            self.lengths,
            torch.from_numpy(self.split.learned(self.log)),
            self.trained,
            teacher,
            lambda done, of: report("teacher's states", done, of, ""),
        )
        write_tensors(path, {"hidden": states.hidden, "table": states.table, "bias": states.bias}, {})
        return states

    def _fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with anything the trained models depend on."""
        log = self.log
        begin = self.split.since, None if self.warm is None else (self.warm.version, self.warm.sha256)
        digest = sha256(json.dumps([self.recipe.as_dict(), *begin, self.split.train, list(log.item_ids)]).encode())
        for array in (log.starts, log.items, log.context, log.places):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(json.dumps(sorted(self.texts.items())).encode())
        return digest.hexdigest()[:16]
