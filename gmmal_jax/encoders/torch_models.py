"""Models of timm and OpenCLIP, run by PyTorch."""

import hashlib
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from gmmal_jax.encoders.base import BATCH, Encoder, Wanted, form, width_of
from gmmal_jax.errors import UserError


def load_timm(name: str, wanted: Wanted) -> Encoder:
    """A model of timm, without its classifier.

    Args:
      name: such as "resnet18.a1_in1k".
      wanted: in place of what the model says of its input.

    Raises:
      UserError: no such model, no weights, or a size that it does not take.
    """
    timm: Any = importlib.import_module("timm")

    def make() -> Any:
        return timm.create_model(name, pretrained=True, num_classes=0)

    model = _made("timm", name, make)
    config = timm.data.resolve_model_data_config(model)
    given = {
        "size": int(config["input_size"][-1]),
        "interpolation": config["interpolation"],
        "crop": float(config["crop_pct"]),
        "mean": tuple(map(float, config["mean"])),
        "std": tuple(map(float, config["std"])),
    }
    trained_on = getattr(model, "pretrained_cfg", {}).get("tag") or None
    return _encoder(f"timm:{name}", model, model, given, trained_on, wanted)


def load_open_clip(name: str, wanted: Wanted) -> Encoder:
    """The picture side of a model of OpenCLIP.

    Args:
      name: model and weights, such as "ViT-B-32/laion2b_s34b_b79k".
      wanted: in place of what the model says of its input.

    Raises:
      UserError: no such model, no weights, or a size that it does not take.
    """
    open_clip: Any = importlib.import_module("open_clip")
    architecture, _, weights = name.partition("/")
    if not weights:
        remedy = "name its weights, such as open_clip:ViT-B-32/laion2b_s34b_b79k"
        raise UserError("--encoder: an untrained model", f"open_clip:{name}", remedy)

    def make() -> Any:
        made = open_clip.create_model_and_transforms(architecture, pretrained=weights)
        return made[0]

    model = _made("open_clip", name, make)
    visual = model.visual
    said = getattr(visual, "preprocess_cfg", {})
    given = {
        "size": int(np.ravel(visual.image_size)[0]),
        "interpolation": said.get("interpolation", "bicubic"),
        "mean": tuple(map(float, visual.image_mean)),
        "std": tuple(map(float, visual.image_std)),
    }
    called = f"open_clip:{name}"
    return _encoder(called, model, model.encode_image, given, weights, wanted)


def _made(kind: str, name: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # of many kinds: no such name, no network, a full disk
        reason = str(error).split("\n")[0]
        remedy = f"check the name, and the network at its first use ({reason})"
        what = f"--encoder: {kind} has no such model, or cannot fetch its weights"
        raise UserError(what, name, remedy) from None


def _encoder(
    name: str,
    model: Any,
    forward: Callable[[Any], Any],
    given: dict[str, Any],
    trained_on: str | None,
    wanted: Wanted,
) -> Encoder:
    torch: Any = importlib.import_module("torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.eval().to(device)
    made = form(name, given, wanted)

    def run(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            features = forward(torch.from_numpy(pixels).to(device))
            return np.asarray(features.float().cpu().numpy(), np.float32)

    width = width_of(name, run, BATCH, made.size)
    runtime = f"torch {torch.__version__} {device}"
    sha256 = _sha256(model.state_dict())
    return Encoder(name, sha256, trained_on, runtime, made, BATCH, width, run)


def _sha256(weights: Any) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        values = weights[name].float().cpu().numpy()
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
