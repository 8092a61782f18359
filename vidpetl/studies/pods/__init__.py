"""What a run's training step is on a TPU pod, compiled without one."""
