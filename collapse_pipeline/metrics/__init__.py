"""Pure measurements, one family a file."""
