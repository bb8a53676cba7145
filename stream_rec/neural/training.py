"""One training stage: a model, its schedule, full softmax over all trained items; it can be stopped at any moment."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stream_rec.core.types import Int64Array
from stream_rec.neural.checkpoint import StageProgress, load_stage, save_stage
from stream_rec.neural.distillation import TeacherStates, shut_out
from stream_rec.neural.interactions import Interactions
from stream_rec.neural.recipe import Recipe, Schedule, tokens_per_step
from stream_rec.neural.sequence_model import SequenceModel
from stream_rec.neural.windows import NO_TARGET, Batch, batch_of, batches_by_length, training_windows, windows_with

Report = Callable[[str, int, int, str], None]
"""report(stage, done, of, note): how a run says how far it is."""

CHECKPOINT_S = 20.0
"""Seconds between checkpoints: what a kill costs at most."""


@dataclass(frozen=True)
class Stage:
    """What one stage works on.

    Parameters
    ----------
    name
        Also seeds the order of its batches, and names its checkpoint.
    lengths
        int64[users]: how many events of each user, from the first, are seen.
    learned
        bool[events]: the places whose item is predicted; the other events seen are what came before.
    trained
        bool[items]: which items have an event for learning; the others take no part in the softmax.
    teacher
        What to learn beside the log itself, if anything.
    measure
        Figures of the model after an epoch, for the curve of the report.
    """

    name: str
    log: Interactions
    lengths: Int64Array
    learned: Tensor
    schedule: Schedule
    recipe: Recipe
    trained: Tensor
    teacher: TeacherStates | None
    measure: Callable[[SequenceModel], dict[str, float]]


def fit(stage: Stage, model: SequenceModel, checkpoint: Path, report: Report) -> StageProgress:
    """Train the model, going on from its checkpoint if there is one; return the figures of all epochs.

    `model` is changed; the checkpoint is replaced every `CHECKPOINT_S` seconds and after each epoch.
    """
    optimizer = _optimizer(model, stage.schedule)
    progress = load_stage(checkpoint, model, optimizer)
    excluded = shut_out(stage.trained)
    saved, cpu = monotonic(), process_time()
    while progress.epoch < stage.schedule.epochs:
        batches = _batches(stage, progress.epoch, model.shape.length)
        model.train()
        for windows in batches[progress.step :]:
            done = (progress.epoch + progress.step / len(batches)) / stage.schedule.epochs
            for group in optimizer.param_groups:
                group["lr"] = stage.schedule.learning_rate * rate_at(done, stage.schedule)
            loss, n = _step(stage, model, optimizer, batch_of(stage.log, windows), excluded)
            progress.step += 1
            progress.loss_sum += loss * n
            progress.loss_count += n
            mean = progress.loss_sum / progress.loss_count
            finished = progress.epoch * len(batches) + progress.step
            report(stage.name, finished, len(batches) * stage.schedule.epochs, f"loss {mean:.3f}")
            if monotonic() - saved > CHECKPOINT_S and progress.step < len(batches):
                progress.cpu_s, cpu = progress.cpu_s + process_time() - cpu, process_time()
                save_stage(checkpoint, model, optimizer, progress)
                saved = monotonic()
        _end_epoch(stage, model, progress)
        progress.cpu_s, cpu = progress.cpu_s + process_time() - cpu, process_time()
        progress.epochs[-1]["cpu_s"] = progress.cpu_s
        save_stage(checkpoint, model, optimizer, progress)
        saved = monotonic()
    model.eval()
    return progress


def rate_at(done: float, schedule: Schedule) -> float:
    """Return the part of the learning rate to use when a share of the steps is done.

    Examples
    --------
    >>> rate_at(0.03, Schedule(1, 1e-3)), rate_at(1.0, Schedule(1, 1e-3))
    (0.5, 0.02)
    """
    if done < schedule.warm_up:
        return done / schedule.warm_up
    cosine = 0.5 * (1 + math.cos(math.pi * (done - schedule.warm_up) / (1 - schedule.warm_up)))
    return schedule.lowest_rate + (1 - schedule.lowest_rate) * cosine


def _optimizer(model: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """AdamW (Loshchilov, Hutter 2019, https://arxiv.org/abs/1711.05101); only matrices decay."""
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": schedule.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=schedule.betas, fused=True)


def _batches(stage: Stage, epoch: int, length: int) -> list[Int64Array]:
    """Return the batches of an epoch: the same ones every time, so that a stage can go on in the middle of it."""
    seed = [stage.recipe.seed, *stage.name.encode(), epoch]
    rng = np.random.default_rng(seed)
    learned = stage.learned.numpy()
    windows = windows_with(learned, training_windows(stage.log.starts[:-1], stage.lengths, length, rng))
    return batches_by_length(windows, tokens_per_step(stage.recipe, int(learned.sum())), rng)


def _step(
    stage: Stage, model: SequenceModel, optimizer: torch.optim.Optimizer, batch: Batch, excluded: Tensor
) -> tuple[float, int]:
    """Learn from one batch; return its mean loss and how many events it predicted."""
    real = (batch.targets != NO_TARGET) & stage.learned[batch.places]
    table = model.items()
    vectors = model(batch.items, table, batch.context)[real]
    log_shares = torch.log_softmax(vectors @ table.T + (model.bias + excluded), dim=1)
    loss = F.nll_loss(log_shares, batch.targets[real])
    if stage.teacher is not None:
        expected = stage.teacher.shares(batch.places[real])
        divergence = -(expected * log_shares).sum(dim=1).mean()  # but for the teacher's entropy, a constant
        loss = (1 - stage.recipe.teacher_share) * loss + stage.recipe.teacher_share * divergence
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch publishes no type for it
    nn.utils.clip_grad_norm_(model.parameters(), stage.schedule.largest_gradient)
    optimizer.step()
    return float(loss.detach()), len(vectors)


def _end_epoch(stage: Stage, model: SequenceModel, progress: StageProgress) -> None:
    state = torch.get_rng_state()  # measuring draws nothing, and it must stay so
    figures = stage.measure(model)
    torch.set_rng_state(state)
    progress.epochs.append({"loss": progress.loss_sum / max(1, progress.loss_count), **figures})
    progress.epoch, progress.step, progress.loss_sum, progress.loss_count = progress.epoch + 1, 0, 0.0, 0
