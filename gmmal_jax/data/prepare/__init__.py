"""Original files of published data sets, made ready for TFDS."""
