"""Other libraries' EM for diagonal mixtures, driven from a given start.

Each of `PEERS` takes rows [n, d] (float32), a start, a floor for variances and a
number of iterations, and returns a function without arguments that fits and returns
(weights, means, variances) as NumPy arrays. ImportError where it is not installed.
"""

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Parameters = tuple[np.ndarray, np.ndarray, np.ndarray]
Fit = Callable[[], Parameters]
Build = Callable[[np.ndarray, Parameters, float, int], Fit]


def scikit_learn(x: np.ndarray, start: Parameters, floor: float, iters: int) -> Fit:
    """NumPy and a BLAS; one E step more than asked for."""
    from sklearn.mixture import GaussianMixture

    weights, means, variances = start

    def fit() -> Parameters:
        model = GaussianMixture(
            len(weights),
            covariance_type="diag",
            tol=0,
            max_iter=iters,
            reg_covar=floor,
            weights_init=weights,
            means_init=means,
            precisions_init=1 / variances,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x)
        return model.weights_, model.means_, model.covariances_

    return fit


def gmmx(x: np.ndarray, start: Parameters, floor: float, iters: int) -> Fit:
    """JAX, jitted; forms (x - mean)^2 for every row and component."""
    import jax.numpy as jnp
    from gmmx import EMFitter, GaussianMixtureModelJax

    weights, means, variances = map(jnp.asarray, start)
    first = GaussianMixtureModelJax.from_squeezed(
        means=means, covariances=variances, weights=weights, covariance_type="diag"
    )
    fitter, rows = EMFitter(max_iter=iters, tol=0.0, reg_covar=floor), jnp.asarray(x)

    def fit() -> Parameters:
        model = fitter.fit(rows, first).gmm
        return (
            np.asarray(model.weights_numpy),
            np.asarray(model.means_numpy),
            np.asarray(model.covariances.values_numpy),
        )

    return fit


def torchgmm(x: np.ndarray, start: Parameters, floor: float, iters: int) -> Fit:
    """PyTorch Lightning; its module, so that the start is ours, one epoch a step."""
    import pytorch_lightning as lightning
    import torch
    from torchgmm.base.data import DataLoader, collate_tensor, dataset_from_tensors
    from torchgmm.bayes.gmm.lightning_module import GaussianMixtureLightningModule
    from torchgmm.bayes.gmm.model import (
        GaussianMixtureModel,
        GaussianMixtureModelConfig,
    )

    for name in ("pytorch_lightning", "lightning.pytorch", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=".*lightning.*")
    weights, means, variances = (torch.from_numpy(v.copy()) for v in start)
    rows = dataset_from_tensors(torch.from_numpy(x))
    accelerator = "gpu" if torch.cuda.is_available() else "cpu"

    def fit() -> Parameters:
        config = GaussianMixtureModelConfig(len(weights), x.shape[1], "diag")
        model = GaussianMixtureModel(config)
        model.means.copy_(means)
        model.component_probs.copy_(weights)
        model.precisions_cholesky.copy_(variances.rsqrt())
        module = GaussianMixtureLightningModule(
            model,
            convergence_tolerance=0,
            covariance_regularization=floor,
            is_batch_training=False,
        )
        trainer = lightning.Trainer(
            max_epochs=iters,
            accelerator=accelerator,
            devices=1,
            logger=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            enable_model_summary=False,
        )
        loader = DataLoader(rows, batch_size=len(x), collate_fn=collate_tensor)
        trainer.fit(module, loader)
        fitted = (model.component_probs, model.means, model.covariances)
        return tuple(values.cpu().numpy() for values in fitted)

    return fit


PEERS: dict[str, Build] = {
    "scikit-learn": scikit_learn,
    "torchgmm": torchgmm,
    "gmmx": gmmx,
}


def available(names: Any = PEERS) -> tuple[dict[str, Build], list[str]]:
    """The peers that are installed, and a line for each that is not."""
    packages = {"scikit-learn": "sklearn"}
    found, missing = {}, []
    for name in names:
        try:
            __import__(packages.get(name, name))
            found[name] = PEERS[name]
        except Exception as error:  # a broken installation is as good as none
            missing.append(f"{name} not run: {type(error).__name__}: {error}")
    return found, missing
