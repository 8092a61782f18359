"""TFDS builders of Kinetics-400, -600 and -700."""

from __future__ import annotations

from vidpetl.data.records import base

_INSTRUCTIONS = """
annotations/{train,val}.csv with the columns label, youtube_id, time_start and
time_end; train/ and val/ with {youtube_id}_{start:06d}_{end:06d}.mp4, flat or
in class folders.
"""


class Kinetics400(base.VideoBuilder):
  """Kinetics-400: ten-second clips of human actions."""

  DATASET = 'kinetics400'
  CITATION = """@article{kay2017kinetics,
  title={The {Kinetics} Human Action Video Dataset},
  author={Kay, Will and others},
  journal={arXiv:1705.06950},
  year={2017}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS


class Kinetics600(base.VideoBuilder):
  """Kinetics-600: ten-second clips of human actions."""

  DATASET = 'kinetics600'
  CITATION = """@article{carreira2018short,
  title={A Short Note about {Kinetics-600}},
  author={Carreira, Joao and others},
  journal={arXiv:1808.01340},
  year={2018}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS


class Kinetics700(base.VideoBuilder):
  """Kinetics-700: ten-second clips of human actions."""

  DATASET = 'kinetics700'
  CITATION = """@article{carreira2019short,
  title={A Short Note on the {Kinetics-700} Human Action Dataset},
  author={Carreira, Joao and others},
  journal={arXiv:1907.06987},
  year={2019}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = _INSTRUCTIONS
