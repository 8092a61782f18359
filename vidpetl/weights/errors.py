"""What goes wrong with files of weights."""


class WeightsError(ValueError):
  """A file of weights cannot be used; the message says why."""
