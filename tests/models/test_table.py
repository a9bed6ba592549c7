"""Names of networks: ours, and those of others."""

import subprocess
import sys

import flax.linen as nn
import jax.numpy as jnp
import pytest

from gmmal_jax.errors import UserError
from gmmal_jax.models import resnet, table
from gmmal_jax.phases import network as networks
from gmmal_jax.types import Outputs

FORM = networks.ImageForm((8, 8, 1), (0.5,), (0.5,))


class Flat(nn.Module):
    num_classes: int

    @nn.compact
    def __call__(self, x):
        latents = x.reshape(x.shape[0], -1)
        return Outputs(nn.Dense(self.num_classes)(latents), latents, ())


def flat(num_classes, width, image_shape):
    assert width is None and image_shape == FORM.shape
    return Flat(num_classes)


def one_class_more(num_classes, width, image_shape):
    return Flat(num_classes + 1)


def number(num_classes, width, image_shape):
    return 7


class Bare(nn.Module):
    @nn.compact
    def __call__(self, x):
        return jnp.zeros((x.shape[0], 3))


def bare(num_classes, width, image_shape):
    return Bare()


def eager(num_classes):
    return Flat(num_classes)


def make(name, width=None):
    return networks.make(f"test_table:{name}", width, 3, FORM)


def test_every_network_of_ours_is_tested():
    assert set(table.NETWORKS) == {*resnet.STAGES, "linear", "mlp"}  # test_heads


@pytest.mark.parametrize("name", resnet.STAGES)
def test_our_networks_have_their_width_unless_told(name):
    table.check(name)
    usual = networks.make(name, None, 3, FORM)
    factor = 4 if name == "resnet50" else 1
    wanted = factor * {"small": 16}.get(name, 64)
    assert usual.map_shapes[0] == (8, 8, wanted)
    assert networks.make(name, 2, 3, FORM).map_shapes[3] == (1, 1, factor * 16)
    assert usual.scan_safe and usual.num_classes == 3


def test_a_module_of_somebody_else():
    network = make("flat")
    assert (network.num_classes, network.latent_size) == (3, 64)
    assert network.map_shapes == () and network.head is None
    assert not network.scan_safe


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_table:number", "made a int; return an Architecture"),
        ("test_table:bare", "return types.Outputs"),
        ("test_table:one_class_more", "the data set has 3 classes"),
        ("test_table:nothing", "has no attribute 'nothing'"),
        ("resnet81", "did you mean resnet18?"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(name, message):
    with pytest.raises(UserError) as caught:
        networks.make(name, None, 3, FORM)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_checking_a_name_loads_no_jax():
    code = (
        "import sys\n"
        "from gmmal_jax.models import table\n"
        "table.check('small'); table.check('nowhere:make')\n"
        "assert not {'jax', 'flax', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["math:sqrt", "math:pi", "builtins:dict", "eager"])
def test_what_takes_other_parameters_is_a_line(name):
    name = name if ":" in name else f"test_table:{name}"
    with pytest.raises(UserError) as caught:
        networks.make(name, None, 3, FORM)
    line = str(caught.value)
    assert line.startswith(f"--model {name} ") and "\n" not in line
    assert line.endswith("let it be a function of (num_classes, width, image_shape)")
