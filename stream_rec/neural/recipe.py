"""What a training run is made with: the shapes of both models and how long each learns. Every run stores its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Size of one sequence model.

    Parameters
    ----------
    width
        Numbers in an item or user vector, d.
    length
        Events of the history it looks back on, L.
    per_item
        The distance between two events is all that attention knows of time, as a learned bias per head, and nothing but
        the item goes in. Then query, key, value and residual of an event are functions of its item: rows of tables.
        Otherwise places are learned vectors, and gap, quantity and basket of each event go in too.
    """

    width: int
    layers: int
    heads: int
    length: int
    dropout: float
    per_item: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast one model learns: AdamW, a linear warm-up, then a cosine down to `lowest_rate`."""

    epochs: int
    learning_rate: float
    warm_up: float = 0.06
    lowest_rate: float = 0.02
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    largest_gradient: float = 5.0


TEACHER = ModelShape(width=128, layers=2, heads=4, length=100, dropout=0.25, per_item=False)
STUDENT = ModelShape(width=64, layers=1, heads=2, length=50, dropout=0.20, per_item=True)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All settings of one run.

    Parameters
    ----------
    batch_tokens, least_batches
        Events per step, padding included; a short log has smaller steps, so that an epoch has enough of them.
    id_dropout
        Share of items whose id vector is left out of a step, so that the text alone learns to stand for an item.
    least_id_events
        An item with fewer training events has no id vector: it lives on its text.
    teacher_share
        Part of the student's loss that is the divergence from the teacher; the rest is cross-entropy.
    text_scale
        Length of the centred text vectors.
    unseen_bonus
        Added to the score of an item without a training event. 1 costs .01 HR@20 of all events on Online Retail and
        doubles that of such items; which of the two a list needs is not for the model to say, hence 0.
    """

    teacher: ModelShape = TEACHER
    student: ModelShape = STUDENT
    teacher_schedule: Schedule = field(default_factory=lambda: Schedule(9, 2e-3))
    student_schedule: Schedule = field(default_factory=lambda: Schedule(6, 3e-3))
    batch_tokens: int = 2048
    least_batches: int = 100
    id_dropout: float = 0.1
    least_id_events: int = 1
    teacher_share: float = 0.7
    text_scale: float = 3.0
    unseen_bonus: float = 0.0
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as a manifest keeps them."""
        return asdict(self)


FINE_TUNE = Schedule(epochs=2, learning_rate=3e-4)

LEAST_TOKENS = 256
"""Events of the smallest step: smaller ones are all overhead."""


def tokens_per_step(recipe: Recipe, events: int) -> int:
    """Return how many events a step has when there are so many to learn from.

    Examples
    --------
    >>> tokens_per_step(Recipe(), 1_000_000), tokens_per_step(Recipe(), 50_000), tokens_per_step(Recipe(), 100)
    (2048, 500, 256)
    """
    return min(recipe.batch_tokens, max(LEAST_TOKENS, events // recipe.least_batches))


def recipe_from(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that `Recipe.as_dict` gave, also after a way through JSON.

    Examples
    --------
    >>> recipe_from(Recipe(seed=3).as_dict()) == Recipe(seed=3)
    True
    """
    parts: dict[str, Any] = dict(values)
    for name in ("teacher", "student"):
        parts[name] = ModelShape(**parts[name])
        schedule = dict(parts[f"{name}_schedule"])
        parts[f"{name}_schedule"] = Schedule(**{**schedule, "betas": tuple(schedule["betas"])})
    return Recipe(**parts)


def quick(recipe: Recipe) -> Recipe:
    """Return the recipe with two epochs for each model: some points of hit rate less, a third of the time."""
    return replace(
        recipe,
        teacher_schedule=replace(recipe.teacher_schedule, epochs=2),
        student_schedule=replace(recipe.student_schedule, epochs=2),
    )


def fine_tune(recipe: Recipe, seed: int) -> Recipe:
    """Return the recipe of a run that goes on from a version made with `recipe`: small steps, and few."""
    return replace(recipe, student_schedule=FINE_TUNE, seed=seed)
