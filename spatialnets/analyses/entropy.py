"""Entropy of weights, communicability and eigenvalues of every network at every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.analyses.wiring import dataset_by_epoch, magnitudes
from spatialnets.graph.communicability import communicability
from spatialnets.graph.entropy import entropy, shannon_entropy
from spatialnets.graph.matrices import measure_each
from spatialnets.graph.spectrum import eigenvalues
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Entropy"]


@dataclass(frozen=True)
class Entropy(Analysis):
    r"""Measure the entropy of weights, communicability and eigenvalues, as in the paper's follow-up.

    ``weight_entropy`` and ``communicability_entropy`` are the mean entropies of the rows of :math:`|W|` and of
    :math:`C` (including its diagonal), in bits. ``log_spectral_abscissa`` is the natural logarithm of the largest real
    part of the eigenvalues of the signed :math:`W`; ``spectral_entropy`` is the entropy of the magnitudes of these
    eigenvalues, in bits. If a core has several gates, their weights are summed first. The other two measures of the
    follow-up, directed modularity and total weight, are part of the analyses `modularity` and `wiring`.

    References
    ----------
    Sheeran, Ham et al. (2024), arXiv:2409.17693; Shannon (1948).
    """

    references: ClassVar[tuple[str, ...]] = ("sheeran2024", "shannon1948")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        weights, signed = magnitudes(shard), shard["weights"].astype(np.float64)
        values = eigenvalues(signed.sum("gate", skipna=False) if "gate" in signed.dims else signed)
        abscissa = values.real.max(axis=-1)
        logarithm = np.log(abscissa, out=np.full(abscissa.shape, np.nan), where=abscissa > 0)
        of_communicability = measure_each(
            weights, "communicability", lambda matrix: shannon_entropy(communicability(matrix, diagonal=True))
        )
        return dataset_by_epoch(
            shard,
            {
                "weight_entropy": (shannon_entropy(weights), "mean entropy of outgoing weights", "bit"),
                "communicability_entropy": (of_communicability, "mean entropy of communicability", "bit"),
                "log_spectral_abscissa": (logarithm, "log of the spectral abscissa", "1"),
                "spectral_entropy": (entropy(np.abs(values)), "entropy of the eigenvalues", "bit"),
            },
        )
