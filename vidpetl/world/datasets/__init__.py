"""The datasets of the demo world: a file each, called as the dataset is.

A file plans its films, makes one, and annotates them in the dataset's official
layout: `films`, `shoot` and `annotate`. The files are the list.
"""
