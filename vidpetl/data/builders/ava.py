"""TFDS builders of AVA v2.2 and AVA-Kinetics.

Each keyframe is a record with a window of its film around it.
"""

from __future__ import annotations

from vidpetl.data import kinds
from vidpetl.data.annotations import ava
from vidpetl.data.records import base


class Ava(base.VideoBuilder):
  """AVA v2.2: 80 atomic actions of people at one keyframe per second."""

  DATASET = 'ava'
  CITATION = """@inproceedings{gu2018ava,
  title={{AVA}: A Video Dataset of Spatio-temporally Localized Atomic Visual
    Actions},
  author={Gu, Chunhui and others},
  booktitle={CVPR},
  year={2018}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  annotations/ (the v2.2 csv files and label map), person_boxes/
  ava_{train,val}_predicted_boxes.csv, and the films or their cuts anywhere
  below the folder, named {video id}.{mp4,mkv,webm,...}.
  """

  def features(self):
    return base.features_of(kinds.load('localisation'), ava.NUM_CLASSES)


class AvaKinetics(Ava):
  """AVA v2.2 and the Kinetics clips annotated like it."""

  DATASET = 'ava_kinetics'
  CITATION = """@article{li2020ava,
  title={The {AVA-Kinetics} Localized Human Actions Video Dataset},
  author={Li, Ang and others},
  journal={arXiv:2005.00214},
  year={2020}}"""
  MANUAL_DOWNLOAD_INSTRUCTIONS = """
  AVA's files as for `Ava`, annotations/kinetics_{train,val}_v1.0.csv,
  person_boxes/kinetics_{train,val}_predicted_boxes.csv, and Kinetics clips
  {youtube id}_{start:06d}_{end:06d}.mp4 anywhere below the folder.
  """
