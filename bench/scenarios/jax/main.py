"""A training loop in JAX: fit a line to points that lie on one."""

import jax
import jax.numpy as jnp
import optax

SLOPE, OFFSET = 3.0, -1.0


def fit(steps: int = 300) -> tuple[float, float]:
    """Slope and offset after some steps."""
    x = jax.random.normal(jax.random.key(0), (256,))
    y = SLOPE * x + OFFSET
    rule = optax.adam(0.1)

    def loss(line: jax.Array) -> jax.Array:
        return jnp.mean((line[0] * x + line[1] - y) ** 2)

    @jax.jit
    def step(line, state):
        change, state = rule.update(jax.grad(loss)(line), state)
        return optax.apply_updates(line, change), state

    line = jnp.zeros(2)
    state = rule.init(line)
    for _ in range(steps):
        line, state = step(line, state)
    return float(line[0]), float(line[1])


if __name__ == "__main__":
    print("slope {:.3f}, offset {:.3f}".format(*fit()), flush=True)
