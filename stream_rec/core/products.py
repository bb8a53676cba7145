"""Products of small matrices, on one core.

A library's product starts threads for as little as a batch of users, which costs a worker more than it gives; and for
one user it has the same overhead as for a hundred. This one keeps two users and four inputs in registers, which for
matrices of 64 to 256 is as fast.
"""

from __future__ import annotations

from stream_rec.core.compiled import inner
from stream_rec.core.types import Float32Array


@inner(fastmath={"contract"})
def add_product(x: Float32Array, weights: Float32Array, out: Float32Array, n: int) -> None:
    """out[u] += x[u] @ weights for the first n rows; the number of inputs is a multiple of 4."""
    inputs, outputs = weights.shape
    paired = n - n % 2
    for u in range(0, paired, 2):
        for k in range(0, inputs, 4):
            a0, a1, a2, a3 = x[u, k], x[u, k + 1], x[u, k + 2], x[u, k + 3]
            b0, b1, b2, b3 = x[u + 1, k], x[u + 1, k + 1], x[u + 1, k + 2], x[u + 1, k + 3]
            for c in range(outputs):
                w0, w1, w2, w3 = weights[k, c], weights[k + 1, c], weights[k + 2, c], weights[k + 3, c]
                out[u, c] += a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                out[u + 1, c] += b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
    for u in range(paired, n):
        for k in range(0, inputs, 4):
            a0, a1, a2, a3 = x[u, k], x[u, k + 1], x[u, k + 2], x[u, k + 3]
            for c in range(outputs):
                out[u, c] += (
                    a0 * weights[k, c] + a1 * weights[k + 1, c] + a2 * weights[k + 2, c] + a3 * weights[k + 3, c]
                )
