"""The same two steps in PyTorch: channels last, bf16, compiled where there is a GPU.

Nothing is augmented and rows lie on the device, which spares PyTorch what our steps
do; running averages of BatchNorm see X_s, which spares it a copy of them.
"""

from collections.abc import Callable
from typing import Any

import torch
import train_step
from torch import nn
from torch.nn import functional

from gpu_parts.base import Size
from gpu_parts.steps import SUPERVISED

RATE, MOMENTUM, DECAY, CRITIC_RATE = 0.01, 0.9, 5e-4, 5e-4
FLOOR = 1e-4
CLASSES = 10


class _Latents(nn.Module):
    """A network whose call gives logits and latents."""

    def __init__(self, layers: Any) -> None:
        super().__init__()
        self.body, self.head = layers[:-1], layers[-1]

    def forward(self, x: Any) -> Any:
        z = self.body(x)
        return self.head(z), z


def contender(size: Size, phase: int, batches: tuple[int, int]) -> Callable[[], None]:
    """A call that makes `size.chunk` steps and waits for them.

    Args:
      size: of everything.
      phase: 0: supervised with X_s; 1: alternating with the critic.
      batches: rows of a step, (labeled, subset) or (labeled, unlabeled).
    """
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    made = _supervised if phase == SUPERVISED else _alternating
    step = made(size, device, batches)

    def call() -> None:
        for _ in range(size.chunk):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return call


def _network(size: Size, device: str) -> Any:
    """ResNet-18, or the layers of `toy.network`."""
    side, _, channels = size.scale.image
    if size.name == "full":
        case = train_step.Case("resnet18", 64, side, channels, 1, 1, 1.0)
        layers = train_step._torch_resnet(case)
    else:
        layers = nn.Sequential(
            nn.Conv2d(channels, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES),
        )  # fmt: skip
    net = _Latents(layers).to(device).to(memory_format=torch.channels_last)
    # The critic's penalty is differentiated twice, which compiled code cannot be.
    return torch.compile(net, dynamic=False) if device == "cuda" else net


def _rows(size: Size, device: str, num: int) -> tuple[Any, Any]:
    h, w, ch = size.scale.image
    x = torch.randn(num, ch, h, w, device=device)
    y = torch.arange(num, device=device) % CLASSES
    return x.to(memory_format=torch.channels_last), y


def _sgd(net: Any) -> Any:
    return torch.optim.SGD(net.parameters(), RATE, MOMENTUM, weight_decay=DECAY)


def _classes(z: Any, y: Any) -> tuple[Any, Any]:
    """Means and variances [c, d] of the classes."""
    one = functional.one_hot(y, CLASSES).to(z.dtype)
    counts = one.sum(0)[:, None]
    means = one.T @ z / counts
    squares = one.T @ (z * z) / counts
    return means, (squares - means * means).clamp_min(FLOOR)


def _joint(z: Any, means: Any, variances: Any) -> Any:
    """Log densities [b, c] with equal weights, constants left out."""
    inverse = 1 / variances
    scale = (variances.log() + means * means * inverse).sum(1)
    return z @ (means * inverse).T - 0.5 * (z * z @ inverse.T) - 0.5 * scale


def _supervised(size: Size, device: str, batches: tuple[int, int]) -> Any:
    net, alpha = _network(size, device), 1e-4
    sgd = _sgd(net)
    (x, y), (xs, ys) = (_rows(size, device, num) for num in batches)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            with torch.no_grad():
                latents = net(xs)[1]
            logits, z = net(x)
        mixture = _classes(latents.float(), ys)
        loss = functional.cross_entropy(logits.float(), y)
        posterior = _joint(z.float(), *mixture)
        loss = loss + alpha * functional.cross_entropy(posterior, y)
        loss.backward()
        sgd.step()
        sgd.zero_grad(set_to_none=True)

    return step


def _alternating(size: Size, device: str, batches: tuple[int, int]) -> Any:
    net = _network(size, device)
    sgd = _sgd(net)
    (x, y), (u, _) = (_rows(size, device, num) for num in batches)
    with torch.no_grad():
        z = net(x)[1].float()
    mixtures = _classes(z, y), _classes(z + 0.1, y)
    hidden = 512 if size.name == "full" else 16
    critic = nn.Sequential(
        nn.Linear(z.shape[1] + 2 * CLASSES + 2, hidden), nn.ReLU(),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Sigmoid(),
    ).to(device)  # fmt: skip
    adam = torch.optim.Adam(critic.parameters(), CRITIC_RATE)

    def inputs(z: Any) -> Any:
        joints = [_joint(z, *mixture) for mixture in mixtures]
        totals = [joint.logsumexp(1, keepdim=True) for joint in joints]
        posteriors = [
            (joint - total).clamp_min(-100)
            for joint, total in zip(joints, totals, strict=True)
        ]
        columns = torch.cat([*posteriors, *totals], 1)
        return torch.cat([z, (columns / 100).clamp(-5, 5)], 1)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            (logits, z_l), (_, z_u) = net(x), net(u)
        z_l, z_u = z_l.float(), z_u.float()
        distance = critic(inputs(z_u)).mean() - critic(inputs(z_l)).mean()
        loss = functional.cross_entropy(logits.float(), y) + distance
        loss.backward()
        sgd.step()
        sgd.zero_grad(set_to_none=True)
        adam.zero_grad(set_to_none=True)
        h_l, h_u = inputs(z_l.detach()), inputs(z_u.detach())
        mix = torch.rand(len(h_l), 1, device=device)
        between = (mix * h_l + (1 - mix) * h_u).requires_grad_()
        slopes = torch.autograd.grad(critic(between).sum(), between, create_graph=True)[
            0
        ]
        penalty = (slopes.norm(dim=1) - 1).clamp_min(0).square().mean()
        value = critic(h_l).mean() - critic(h_u).mean() + 10 * penalty
        value.backward()
        adam.step()

    return step
