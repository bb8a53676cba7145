"""Which users the sequence model makes lists for: a split by user id, so that what it adds is measured while it serves.

    with the model  ⟺  blake2b64(user id) < share · 2^64

Both arms' lists are made anew when a version begins to serve (`core/refresh.py`), and only what is found in lists
published since is counted.

The hash is another one than that of the partitions, and salted: each partition, and each other split, has both arms.
"""

from __future__ import annotations

from hashlib import blake2b

WITH, WITHOUT = ARMS = ("with", "without")

_SALT = b"model share"


def arm_of(user_id: str, share: float) -> str:
    """Return the arm of a user where a share of them, 0 to 1, is to have the model; about 1 µs.

    Examples
    --------
    >>> [arm_of(user, 0.5) for user in ("ann", "bob", "eve")], arm_of("ann", 1.0), arm_of("ann", 0.0)
    (['without', 'with', 'with'], 'with', 'without')
    """
    if share >= 1.0:
        return WITH
    hashed = int.from_bytes(blake2b(user_id.encode(), digest_size=8, person=_SALT).digest(), "little")
    return WITH if hashed < share * 2.0**64 else WITHOUT
