import jax
import jax.numpy as jnp
import numpy as np

from vidpetl.tasks.quality import tsa_steps

tokens = jax.jit(tsa_steps.tokens, static_argnums=2)


def test_each_transition_is_sought_in_its_half():
  logits = np.zeros((2, 10, 2))
  logits[0, 3, 0] = logits[0, 7, 1] = 1  # Where they are,
  logits[0, 8, 0] = logits[0, 2, 1] = 5  # and where they cannot be.
  logits[1, 0, 0] = logits[1, 5, 1] = 1  # Step one has a frame at least.
  found = tsa_steps.predicted(jnp.array(logits))
  np.testing.assert_array_equal(found, [[3, 7], [1, 5]])


def test_transitions_are_the_frames_before_annotated_steps():
  places = jnp.array(
    [
      [3.0, 7.0, jnp.nan],
      [2.2, 4.0, 6.9],
      [5.00001, jnp.nan, 8.0],
      [0.0, 9.0, jnp.nan],
      [4.0, 4.0, jnp.nan],
      [9.0, 9.0, 9.0],
      [jnp.nan, jnp.nan, jnp.nan],
    ]
  )
  found = tsa_steps.annotated(places, 10)
  expected = [[2, 6], [2, 6], [4, 7], [1, 8], [3, 4], [8, 9]]
  np.testing.assert_array_equal(found[:6], expected)
  assert 0 < found[6, 0] < found[6, 1] < 10


def test_a_transition_lies_where_the_published_code_has_it():
  """From labels of frames, the last frame before the second and last step."""
  labels = [7] * 4 + [2] * 3 + [5] * 2 + [1] * 3
  begins = [labels.index(step) for step in dict.fromkeys(labels)][1:]
  expected = [begins[0] - 1, begins[-1] - 1]
  places = jnp.array(begins, jnp.float32)
  np.testing.assert_array_equal(tsa_steps.annotated(places, 12), expected)


def test_targets_are_one_at_transitions():
  found = tsa_steps.targets(jnp.array([[1, 3]]), 4)
  np.testing.assert_array_equal(found, [[[0, 0], [1, 0], [0, 0], [0, 1]]])


def test_tokens_are_linear_from_end_to_end():
  rng = np.random.default_rng(0)
  x = rng.normal(size=(2, 12, 3)).astype(np.float32)
  transitions = np.array([[1, 9], [4, 6]])
  found = tokens(jnp.array(x), jnp.array(transitions), 5)
  assert found.shape == (2, 3, 5, 3)
  for n, (a, b) in enumerate(transitions):
    for step, (left, right) in enumerate([(0, a), (a, b), (b, 12)]):
      places = np.linspace(left, right - 1, 5)
      for channel in range(3):
        expected = np.interp(places, np.arange(12), x[n, :, channel])
        np.testing.assert_allclose(
          found[n, step, :, channel], expected, atol=1e-6
        )


def test_tokens_of_maps_are_those_of_their_places():
  x = np.random.default_rng(1).normal(size=(1, 8, 6, 3)).astype(np.float32)
  transitions = jnp.array([[2, 5]])
  maps = tokens(jnp.array(x), transitions, 4)
  one = tokens(jnp.array(x[:, :, 2]), transitions, 4)
  np.testing.assert_allclose(maps[:, :, :, 2], one, atol=1e-6)
