"""timm: and open_clip: by modules that stand in for those packages."""

import sys
import types

import numpy as np
import pytest

from gmmal_jax.encoders import table
from gmmal_jax.encoders.base import BATCH, Wanted
from gmmal_jax.errors import UserError


class Tensor:
    """What the adapter asks of a tensor."""

    def __init__(self, values):
        self.values = values

    def to(self, device):
        assert device == "cpu"
        return self

    def float(self):
        return Tensor(self.values.astype(np.float32))

    cpu = float

    def numpy(self):
        return self.values


class Model:
    """Pictures of 8 pixels -> the first 4 numbers; `pretrained_cfg` as timm has it."""

    def __init__(self, gain=1.0):
        self.gain, self.trains, self.at = gain, True, None
        self.pretrained_cfg = {"tag": "in1k"}

    def eval(self):
        self.trains = False
        return self

    def to(self, device):
        self.at = device
        return self

    def __call__(self, pixels):
        assert not self.trains and self.at == "cpu" and Inference.inside
        if pixels.values.shape[-1] != 8:
            raise AssertionError("Input height (9) doesn't match model (8).")
        return Tensor(self.gain * pixels.values.reshape(len(pixels.values), -1)[:, :4])

    encode_image = __call__

    def state_dict(self):
        return {"gain": Tensor(np.array([self.gain]))}


class Inference:
    inside = False

    def __enter__(self):
        Inference.inside = True

    def __exit__(self, *error):
        Inference.inside = False


@pytest.fixture
def stand_ins(monkeypatch):
    """(timm, open_clip), neither of which needs a network."""
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_available=lambda: False)
    torch.inference_mode, torch.from_numpy = Inference, Tensor
    torch.__version__ = "9"

    def create_model(name, pretrained, num_classes):
        assert pretrained and num_classes == 0
        if name == "unplugged":
            raise OSError("no route to host\nand more")
        return Model()

    timm = types.ModuleType("timm")
    timm.create_model = create_model
    config = {"input_size": (3, 8, 8), "interpolation": "bilinear", "crop_pct": 0.9,
              "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}  # fmt: skip
    timm.data = types.SimpleNamespace(resolve_model_data_config=lambda model: config)

    def create_model_and_transforms(name, pretrained):
        model = Model(gain={"laion": 2.0, "openai": 3.0}[pretrained])
        model.visual = types.SimpleNamespace(
            image_size=(8, 8), image_mean=(0.1, 0.2, 0.3), image_std=(0.4, 0.5, 0.6)
        )
        return model, None, None

    open_clip = types.ModuleType("open_clip")
    open_clip.create_model_and_transforms = create_model_and_transforms
    for module in (torch, timm, open_clip):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return timm, open_clip


def test_a_model_of_timm(stand_ins):
    encoder = table.load("timm:small", Wanted())
    assert encoder.name == "timm:small" and encoder.trained_on == "in1k"
    assert encoder.form == (8, "bilinear", 0.9, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (encoder.batch, encoder.width) == (BATCH, 4)
    assert encoder.runtime == "torch 9 cpu"
    pixels = np.random.default_rng(0).normal(size=(BATCH, 3, 8, 8)).astype(np.float32)
    assert np.array_equal(encoder.run(pixels), pixels[:, 0, 0, :4])
    assert table.load("timm:small", Wanted(crop=1.0)).form.crop == 1


def test_a_model_of_open_clip(stand_ins):
    encoder = table.load("open_clip:ViT-B-32/laion", Wanted())
    assert encoder.trained_on == "laion" and encoder.width == 4
    assert encoder.form == (8, "bicubic", 1.0, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    pixels = np.ones((BATCH, 3, 8, 8), np.float32)
    assert np.array_equal(encoder.run(pixels), np.full((BATCH, 4), 2.0))
    other = table.load("open_clip:ViT-B-32/openai", Wanted())
    assert other.sha256 != encoder.sha256


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("timm:unplugged", {}, "timm has no such model, or cannot fetch its weights: "
         "'unplugged'; check the name, and the network at its first use .no route"),
        ("timm:small", {"size": 9}, "cannot run on pictures of size: 9; choose another "
         "with --size .Input height"),
        ("open_clip:ViT-B-32", {}, "an untrained model: 'open_clip:ViT-B-32'; name"),
        ("open_clip:ViT-B-32/none", {}, "open_clip has no such model"),
    ],
)  # fmt: skip
def test_models_that_cannot_be_used(name, wanted, message, stand_ins):
    with pytest.raises(UserError, match=message) as caught:
        table.load(name, Wanted(**wanted))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:small", "--encoder timm needs timm; pip install timm"),
        ("open_clip:a/b", "needs open_clip_torch; pip install open_clip_torch"),
        ("onnx:e.onnx", r"needs onnxruntime; pip install 'gmmal_jax\[embed\]'"),
    ],
)
def test_what_is_not_installed_is_named(name, message, monkeypatch):
    monkeypatch.setattr(table, "_is", lambda module: False)
    with pytest.raises(UserError, match=message):
        table.load(name, Wanted())
    kind = table.KINDS[name.partition(":")[0]]
    assert table.state(kind) == f"not installed: {kind.install}"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("e.onnx", "did you mean onnx:e.onnx?"),
        ("onx:e.onnx", "did you mean onnx:e.onnx?"),
        ("tim:resnet", "did you mean timm:resnet?"),
        ("onnx:", "use onnx:FILE, timm:NAME, open_clip:NAME/WEIGHTS"),
    ],
)
def test_the_nearest_kind(name, message):
    with pytest.raises(UserError) as caught:
        table.load(name, Wanted())
    assert message in str(caught.value)
