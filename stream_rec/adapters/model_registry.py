"""The registry: trained models in a folder, one sub-folder per version, never changed once it is there.

    models/
      v0001/manifest.json     what it was trained on, with which settings and code, how good it is, checksums
            tables.safetensors, student.safetensors, …
      registry.json           which version is live, every decision with both numbers, the highest number given

A version appears by one rename and `registry.json` is replaced by one: a crash leaves the old state or the new one.
Who changes it holds `.lock` from reading to writing, so that of two at once none undoes the other.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from stream_rec.adapters.model_tables import TABLES_FILE, ModelTables, parse_tables
from stream_rec.errors import ConfigError

MANIFEST, REGISTRY, LOCK = "manifest.json", "registry.json", ".lock"
FORMAT = 1
T = TypeVar("T")
_VERSION = re.compile(r"v\d{4,}")


class StoredFile(msgspec.Struct, frozen=True):
    """One file of a version."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to know of a version without loading it.

    `fingerprint`: changes with all a run depends on but the code; empty in versions older than this field.
    """

    format: int = FORMAT
    version: str
    created: str
    code: str
    fingerprint: str = ""
    data: dict[str, Any]
    settings: dict[str, Any]
    metrics: dict[str, Any]
    files: dict[str, StoredFile]

    @property
    def learned_until_ms(self) -> int:
        """Time of the last event it learned from; 0 where that is not said."""
        return int(self.data.get("learned_until_ms", 0))

    @property
    def facts(self) -> dict[str, float]:
        """What an announcement says of the version: when it learned last, ms, and how much of its teacher is left.

        What was not measured is not there: a version that went on from another has no teacher.
        """
        known = {"learned_until_ms": self.learned_until_ms, "agreement": self.metrics.get("agreement", 0.0)}
        return {name: float(value) for name, value in known.items() if value}


class Decision(msgspec.Struct, frozen=True):
    """Why the live version changed, or did not. `numbers`: the hit rates of both, as far as known."""

    at: str
    action: Literal["promote", "keep", "rollback"]
    version: str
    other: str | None
    numbers: dict[str, float]
    reason: str


class RegistryState(msgspec.Struct, frozen=True):
    """The content of `registry.json`. `highest`: the highest number a version ever got; 0 in files older than it."""

    live: str | None = None
    decisions: tuple[Decision, ...] = ()
    highest: int = 0


class RegistryChangedError(ConfigError):
    """Another decision came between the look at the registry and the decision made upon it: look again."""


class ModelRegistry:
    """The models of one folder.

    Raises
    ------
    ConfigError
        From every method: the folder, or a file in it that is named, is not as this class wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def versions(self) -> list[str]:
        """Return the versions there are, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted((path.name for path in self.folder.iterdir() if _VERSION.fullmatch(path.name)), key=_number)

    def manifest(self, version: str) -> Manifest:
        """Return what is known of a version."""
        path = self._existing(version) / MANIFEST
        manifest = _decoded(path, Manifest)
        if manifest.format != FORMAT or manifest.version != version:
            raise ConfigError(
                f"{path}: need format {FORMAT} of {version}; got format {manifest.format} of {manifest.version}. "
                "It was written by another stream-rec, or copied under another name."
            )
        return manifest

    def read_file(self, version: str, name: str) -> bytes:
        """Return a file of a version, after comparing its checksum."""
        path = self._existing(version) / name
        stored = self.manifest(version).files.get(name)
        if stored is None:
            raise ConfigError(f"{path}: need a file of the manifest; got none of that name. Choose another version.")
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: need a readable file; got {error}. Copy it again, or roll back.") from error
        if len(raw) != stored.bytes or sha256(raw).hexdigest() != stored.sha256:
            raise ConfigError(
                f"{path}: need {stored.bytes:,} bytes with sha256 {stored.sha256[:12]}…; got {len(raw):,} bytes with "
                f"{sha256(raw).hexdigest()[:12]}…: it is damaged. Copy it again, or roll back to another version."
            )
        return raw

    def check(self, version: str) -> None:
        """Read every file of a version: what a worker serves with and what an encoder and the next fine-tune need."""
        for name in self.manifest(version).files:
            self.read_file(version, name)

    def tables(self, version: str) -> ModelTables:
        """Return what a worker serves with."""
        return parse_tables(self.read_file(version, TABLES_FILE), self.folder / version / TABLES_FILE)

    def publish(
        self,
        files: Mapping[str, bytes],
        *,
        code: str,
        data: dict[str, Any],
        settings: dict[str, Any],
        metrics: dict[str, Any],
        fingerprint: str = "",
    ) -> Manifest:
        """Write a new version and return its manifest; nothing becomes live by it.

        No number is given twice, also not that of a version whose folder was removed: decisions, announcements and
        later versions name it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        stored = {name: StoredFile(len(raw), sha256(raw).hexdigest()) for name, raw in files.items()}
        staged = self.folder / f".new-{os.getpid()}"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir()
        for name, raw in files.items():
            _write(staged / name, raw)
        with self._locked():
            version = self._next_version()
            manifest = Manifest(
                version=version,
                created=_now(),
                code=code,
                fingerprint=fingerprint,
                data=data,
                settings=settings,
                metrics=metrics,
                files=stored,
            )
            _write(staged / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            staged.rename(self.folder / version)
            _sync_folder(self.folder)
            return manifest

    def _next_version(self) -> str:
        """Take the next number, for good; the caller holds the lock."""
        state = self.state()
        named = (*self.versions(), *(one.version for one in state.decisions))
        number = 1 + max(state.highest, *map(_number, named), 0)
        self._write_state(msgspec.structs.replace(state, highest=number))
        return f"v{number:04d}"

    def published(self, fingerprint: str, code: str) -> Manifest | None:
        """Return the newest version that a run published with this code; `None` where there is none in one piece."""
        for version in reversed(self.versions()):
            try:
                manifest = self.manifest(version)
                if (manifest.fingerprint, manifest.code) == (fingerprint, code):
                    self.check(version)
                    return manifest
            except ConfigError:
                continue  # damaged: the run would make it anew
        return None

    def state(self) -> RegistryState:
        """Return which version is live, and the decisions, oldest first."""
        path = self.folder / REGISTRY
        return _decoded(path, RegistryState) if path.exists() else RegistryState()

    def promote(
        self, version: str, numbers: Mapping[str, float], reason: str, expected: RegistryState | None = None
    ) -> Decision:
        """Make a version live and log why; one with a damaged file is refused.

        Parameters
        ----------
        expected
            The state that the decision is made upon; without one it stands whatever was decided meanwhile.

        Raises
        ------
        RegistryChangedError
            The state is another by now; nothing is changed.
        """
        self.tables(version)
        self.check(version)
        with self._locked():
            return self._decide("promote", version, numbers, reason, version, expected)

    def keep(
        self, version: str, numbers: Mapping[str, float], reason: str, expected: RegistryState | None = None
    ) -> Decision:
        """Log why a version did not become live; `expected` and what is raised are those of `promote`."""
        with self._locked():
            return self._decide("keep", version, numbers, reason, self.state().live, expected)

    def rollback(self, reason: str) -> Decision:
        """Make the version live again that was so before the live one; with a damaged file it is refused."""
        with self._locked():
            before = self.version_before()
            if before is None:
                raise ConfigError(
                    f"{self.folder / REGISTRY}: need a version before the live one; got "
                    f"{self.state().live or 'none'}. Promote one by name."
                )
            self.tables(before)
            self.check(before)
            return self._decide("rollback", before, {}, reason, before)

    def version_before(self) -> str | None:
        """Return the version that was live before the live one, `None` if there is none.

        Promotions stack up, a rollback takes the last one off.
        """
        stack: list[str] = []
        for decision in self.state().decisions:
            if decision.action == "promote" and stack[-1:] != [decision.version]:
                stack.append(decision.version)
            elif decision.action == "rollback":
                stack.pop()
        return stack[-2] if len(stack) > 1 else None

    def _decide(
        self,
        action: Literal["promote", "keep", "rollback"],
        version: str,
        numbers: Mapping[str, float],
        reason: str,
        live: str | None,
        expected: RegistryState | None = None,
    ) -> Decision:
        """Log a decision; the caller holds the lock."""
        state = self.state()
        if expected is not None and state.decisions != expected.decisions:
            last = "".join(f", the last {one.action} {one.version} at {one.at}" for one in state.decisions[-1:])
            raise RegistryChangedError(
                f"{self.folder / REGISTRY}: need the {len(expected.decisions)} decisions there were; got "
                f"{len(state.decisions)}{last}. Decide again."
            )
        decision = Decision(_now(), action, version, state.live, dict(numbers), reason)
        self._write_state(RegistryState(live, (*state.decisions, decision), state.highest))
        return decision

    def _write_state(self, state: RegistryState) -> None:
        partial = self.folder / f".{REGISTRY}-{os.getpid()}"
        _write(partial, msgspec.json.format(msgspec.json.encode(state)))
        partial.replace(self.folder / REGISTRY)
        _sync_folder(self.folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep all others from changing the registry; the lock goes with the process that holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _existing(self, version: str) -> Path:
        if version not in self.versions():
            known = ", ".join(self.versions()[-5:]) or "none"
            raise ConfigError(f"{self.folder}: need a version of this registry; got {version!r}. There are: {known}.")
        return self.folder / version


def _number(version: str) -> int:
    return int(version[1:])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _decoded(path: Path, kind: type[T]) -> T:
    """Return a JSON file as a struct; raises ConfigError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: need the JSON this registry wrote; got {error}. Copy it again, or remove the version's folder."
        ) from error


def _write(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
