"""Small picture files for tests."""

import numpy as np
from PIL import Image


def pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def world(folder, counts, size=(6, 6), seed=0, channels=3):
    """A class folder for each count, and its pixels: {class: uint8 [n, h, w, ch]}."""
    made = {}
    for index, (name, count) in enumerate(counts.items()):
        made[name] = pixels(seed + index, count, *size, channels)
        for number, array in enumerate(made[name]):
            plain = array[..., 0] if channels == 1 else array
            save(folder / name / f"{number:03d}.png", plain)
    return made
