"""The parts of `on_gpu.py`: a file each, with `measure(context) -> Found`."""
