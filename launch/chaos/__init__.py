"""What vidpetl does when it is killed, and when its files are damaged."""
