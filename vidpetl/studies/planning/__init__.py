"""What a run takes on a device that is not here."""
