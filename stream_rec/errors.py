"""Every error stream-rec raises on purpose; the class decides the reaction.

::

    StreamRecError
    ├── ContractError      one bad record: it goes to `dead-letter`, the worker goes on
    ├── StateError         state cannot be trusted: the worker stops, restarts and replays
    │   ├── FencedError        another writer owns this partition's changelog, or the lease ran out
    │   └── CorruptStateError  stored bytes do not decode
    └── ConfigError        a setting or the surroundings are wrong: exit code 2 before anything starts

Messages read `<where>: need <expected>; got <actual>. <next step>.`
"""

from __future__ import annotations


class StreamRecError(Exception):
    """Base of every error raised on purpose."""


class ContractError(StreamRecError):
    """One record breaks the wire contract.

    Parameters
    ----------
    reason
        Short machine-readable reason, a label of `stream_rec_dead_letters_total`, e.g. ``"not-json"``.
    detail
        The message for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class StateError(StreamRecError):
    """State cannot be trusted any more: stop the worker; a restart replays from the last good offset."""


class FencedError(StateError):
    """Another writer owns the partition now, or this process was stalled past its lease."""


class CorruptStateError(StateError):
    """Stored bytes do not decode; the message says what to do."""


class ConfigError(StreamRecError):
    """A setting, a topic or the broker is not as needed; nothing was started (exit code 2)."""
