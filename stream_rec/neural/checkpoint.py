"""Checkpoints of a training stage: one safetensors file, replaced at once, so a kill at any moment leaves a good one.

Weights, the optimiser's moments and the state of the random generator are tensors; how far the stage is stands as JSON
in the file's header. A stage that goes on from one ends with the same bits as one that was never stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from stream_rec.errors import ConfigError


@dataclass(slots=True)
class StageProgress:
    """How far a stage is: the epoch being run, the steps of it that are done, the figures of the epochs before."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    cpu_s: float = 0.0
    epochs: list[dict[str, float]] = field(default_factory=list)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write a safetensors file with a JSON header, durable before it replaces the one there is."""
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(save(whole, {"stream-rec": json.dumps(header)}))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `write_tensors` wrote.

    Raises
    ------
    ConfigError
        The file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
            header: dict[str, Any] = json.loads((file.metadata() or {})["stream-rec"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{path}: need a checkpoint in one piece; got {error}. Delete it: the stage begins anew."
        ) from error
    return tensors, header


def save_stage(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: StageProgress) -> None:
    """Write all that the stage needs to go on from here."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer.{index}.{name}": value for name, value in moments.items()})
    write_tensors(path, {**tensors, "random": torch.get_rng_state()}, asdict(progress))


def load_stage(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> StageProgress:
    """Put a checkpoint's state in place and return its progress; that of a new stage where there is none.

    `model`, `optimizer` and torch's random generator are changed.

    Raises
    ------
    ConfigError
        The checkpoint is damaged, or of another model.
    """
    if not path.exists():
        return StageProgress()
    tensors, header = read_tensors(path)
    states: dict[int, dict[str, Tensor]] = {}
    weights: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "model":
            weights[rest] = tensor
        elif kind == "optimizer":
            index, _, moment = rest.partition(".")
            states.setdefault(int(index), {})[moment] = tensor
    try:
        model.load_state_dict(weights)
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": states, "param_groups": groups})
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"{path}: need a checkpoint of this model; got {error}. Delete it.") from error
    torch.set_rng_state(tensors["random"])
    return StageProgress(**header)
