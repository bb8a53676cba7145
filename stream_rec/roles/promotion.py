"""Whether a published version becomes live: it and the live one over the same held-out events. Needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_rec.adapters.model_registry import RegistryChangedError
from stream_rec.errors import ConfigError

if TYPE_CHECKING:  # torch takes seconds to load
    from stream_rec.adapters.model_registry import Decision, ModelRegistry, RegistryState
    from stream_rec.core.types import Int64Array
    from stream_rec.neural.evaluation import Figures
    from stream_rec.neural.interactions import Interactions, Split


def decide(registry: ModelRegistry, version: str, log: Interactions, split: Split, places: Int64Array) -> Decision:
    """Return the decision about a version; it is made and written down if there is none yet.

    A contest takes seconds to minutes. When somebody else decided meanwhile, by hand or after another run, it is held
    again with what is live by then: a rollback is not undone.

    Parameters
    ----------
    places
        The held-out events, places of `log`.

    Raises
    ------
    ConfigError
        The registry's own file, or the version, is damaged. A damaged live version is no error: it is kept, and the
        reason says what is wrong with it. That contest is held again at the next call.
    """
    while True:
        state = registry.state()
        for decision in reversed(state.decisions):
            if decision.version == version and (decision.action == "promote" or "running" in decision.numbers):
                return decision
        try:
            return _contest(registry, state, version, log, split, places)
        except RegistryChangedError:
            continue


def _contest(
    registry: ModelRegistry, state: RegistryState, version: str, log: Interactions, split: Split, places: Int64Array
) -> Decision:
    """Hold a version against what is live in `state`, and decide if that is still the state."""
    from stream_rec.neural.contest import does_not_lose

    new, live = _figures(registry, version, log, split, places), state.live
    if live is None:
        return registry.promote(version, {"new": new.hr20}, "It is the first version.", state)
    try:
        running = _figures(registry, live, log, split, places)
        learned_until_ms = registry.manifest(live).learned_until_ms
    except ConfigError as error:
        reason = f"There is nothing to compare it with: {live} is live and cannot be read: {error}"
        return registry.keep(version, {"new": new.hr20}, reason, state)
    unfair = " (it has learned some of these events)" if learned_until_ms > log.times_ms[split.test] else ""
    compared = f"HR@20 {new.hr20:.4f} against {running.hr20:.4f} of {live}{unfair} on {new.n:,} held-out events"
    numbers = {"new": new.hr20, "running": running.hr20, "events": float(new.n)}
    if does_not_lose(new, running):
        return registry.promote(version, numbers, f"It does not lose: {compared}.", state)
    return registry.keep(version, numbers, f"It loses: {compared}.", state)


def _figures(registry: ModelRegistry, version: str, log: Interactions, split: Split, places: Int64Array) -> Figures:
    from stream_rec.neural.contest import Contender

    tables = registry.tables(version).of_known_items()
    return Contender(tables.item_ids, tables.rows, tables.weights).figures(log, split, places)
