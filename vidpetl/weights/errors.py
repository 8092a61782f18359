"""What goes wrong with files of weights."""


class WeightsError(ValueError):
  """A file of weights cannot be used; the message says why."""


class UnsaidError(WeightsError):
  """Nobody has said what no array shows.

  Attributes:
    width: of a token, 0 where there is none.
  """

  def __init__(self, message: str, width: int = 0):
    super().__init__(message)
    self.width = width
