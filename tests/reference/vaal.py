"""VAAL in plain NumPy, float64: losses, finite differences, a selection.

Run as a script it writes `vaal.npz` beside itself. The encoder, decoder and
discriminator are linear, so that the losses alone are looked at. It reads the equations
of the paper (Sinha et al., 2019, section 3) and shares no code with the package.
"""

from pathlib import Path

import numpy as np

ROWS, PIXELS, LATENTS = 5, 6, 2
STEP = 1e-6


def parameters(generator, told=0):
    """Flat vectors of the VAE (encoder, decoder) and of the discriminator."""
    vae = 2 * LATENTS * PIXELS + (LATENTS + told) * PIXELS
    return 0.5 * generator.normal(size=vae), generator.normal(size=LATENTS + told + 1)


def encode(vae, x):
    heads = vae[: 2 * LATENTS * PIXELS].reshape(2, PIXELS, LATENTS)
    return x @ heads[0], x @ heads[1]


def decode(vae, z):
    return z @ vae[2 * LATENTS * PIXELS :].reshape(z.shape[1], PIXELS)


def probability(judge, seen):
    """That a row is labeled."""
    return 1 / (1 + np.exp(-(seen @ judge[:-1] + judge[-1])))


def binary_cross_entropy(p, target):
    return -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))


def vae_loss(vae, judge, x, noise, reduction, beta, weight, decoder=(), critic=()):
    """Of (labeled, unlabeled) images; the rest of what either network sees is given."""
    loss = 0.0
    for half in range(2):
        mean, log_variance = encode(vae, x[half])
        z = mean + np.exp(log_variance / 2) * noise[half]
        seen = np.column_stack([z, *[each[half] for each in decoder]])
        loss += np.mean((decode(vae, seen) - x[half]) ** 2)
        divergence = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance))
        loss += beta * getattr(np, reduction)(divergence)
        known = np.column_stack([mean, *[each[half] for each in critic]])
        loss += weight * binary_cross_entropy(probability(judge, known), 1.0)
    return loss


def judge_loss(vae, judge, x, critic=()):
    loss = 0.0
    for half, target in enumerate((1.0, 0.0)):
        mean = encode(vae, x[half])[0]
        known = np.column_stack([mean, *[each[half] for each in critic]])
        loss += binary_cross_entropy(probability(judge, known), target)
    return loss


def slopes(function, at):
    """Central differences."""
    found = np.empty_like(at)
    for i in range(len(at)):
        step = STEP * np.eye(len(at))[i]
        found[i] = (function(at + step) - function(at - step)) / (2 * STEP)
    return found


def arrays():
    generator = np.random.default_rng(1904)
    vae, judge = parameters(generator)
    x = generator.normal(size=(2, ROWS, PIXELS))
    noise = generator.normal(size=(2, ROWS, LATENTS))
    found = {"vae": vae, "judge": judge, "images": x, "noise": noise}
    for reduction in ("sum", "mean"):
        args = (x, noise, reduction, 0.7, 1.3)
        found[f"loss_{reduction}"] = vae_loss(vae, judge, *args)
        found[f"slopes_{reduction}"] = slopes(
            lambda at, args=args: vae_loss(at, judge, *args), vae
        )
    found["judge_loss"] = judge_loss(vae, judge, x)
    found["judge_slopes"] = slopes(lambda at: judge_loss(vae, at, x), judge)
    pool = generator.normal(size=(40, PIXELS))
    found["pool"] = pool
    found["chosen"] = np.argsort(probability(judge, encode(vae, pool)[0]))[:7]
    return found


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **arrays())
