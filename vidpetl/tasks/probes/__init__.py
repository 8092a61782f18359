"""Probes, one file each: the folder is the list.

A probe reads a clip's tokens and makes one vector of them; the task's own last
layer classifies that. No gradient passes it into a frozen backbone. A module
has `build`, the class of a linen module (`probe.Probe`), whose fields are its
options:

    config.tasks.<name>.probe = {'kind': 'attentive', 'depth': 3}
"""
