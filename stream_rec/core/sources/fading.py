"""How what a user did fades with how many events ago it was: by one power within a session, by another between two."""

from __future__ import annotations

import numpy as np

from stream_rec.core.types import Float64Array


def power_table(power: float, other_power: float, other_session: float, longest: int) -> Float64Array:
    """Return float64[2, longest + 1]: the weight of what was k events ago, column 0 unused.

    Row 0, within a session: k^-power. Row 1, of another session: other_session * k^-(other_power * power).

    The order within a session says much, the order of visits less: `other_power` below 1 lets one choice of `power`
    suit click sessions and users who come for one item at a time.

    Examples
    --------
    >>> power_table(2.0, 0.5, 0.5, 2).tolist()
    [[0.0, 1.0, 0.25], [0.0, 0.5, 0.25]]
    """
    same = [float(k) ** -power for k in range(1, longest + 1)]
    other = [float(k) ** -(other_power * power) * other_session for k in range(1, longest + 1)]
    return np.array([[0.0, *same], [0.0, *other]])
