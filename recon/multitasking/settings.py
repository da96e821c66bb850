"""How a Multitasking scan is reconstructed: the one place of every default."""

from dataclasses import dataclass
from typing import Literal

from recon.relaxometry.t1 import INFLOW
from recon.spatial.admm import AdmmSettings
from recon.temporal.model import TensorSettings
from recon.temporal.self_gating import GatingSettings


@dataclass(frozen=True)
class Settings:
    """Choices of the method; the parameters of the gadget have the same names.

    Attributes
    ----------
    temporal_model : {"tensor", "realtime", "static"}
        Low-rank tensor over cardiac phase, respiration and recovery; principal components of the navigator, or of a
        sliding window's images without navigators; or a constant: one image.
    rank : int
        Basis functions L.
    energy : float or None
        Keep fewer than ``rank``: those that hold this share of the energy.
    cardiac_bins, respiratory_bins : int
        Cardiac phases, and respiratory states by displacement.
    recovery_rank : int
        Functions of the T1-recovery basis.
    cardiac_rank, respiratory_rank : int or None
        Multilinear ranks of these axes; None keeps them whole.
    heart_source : {"self", "ecg"}
        Beats from the navigator, or from the scan's ECG.
    respiration_source : {"self", "waveform"}
        Breathing from the navigator, or from the scan's respiration signal.
    lowest_heart_rate, highest_heart_rate : float
        Beats per minute between which the heart is looked for.
    keep_ectopic : bool
        Leave ectopic beats in the cardiac bins.
    matrix : int or None
        Image matrix N; None takes the scan's.
    coils : int
        Virtual coils to keep.
    coil_maps : {"espirit", "walsh"}
    gradient_delays : str
        ``auto`` estimates them from the spokes and corrects those that are significant, ``off`` takes the trajectory as
        it is, and ``"sx sxy sy"`` are delays that are known, in samples.
    nufft : {"auto", "sparse", "finufft", "cufinufft", "sigpy"}
    reconstruction : {"network", "backprojection", "admm"}
        How the spatial factor U comes from the back-projection U₀.
    gridding : {"folded", "exact"}
        Fold the scan onto a fan of lines first (3e-4 accurate), or grid every spoke.
    residual_correction : bool
        Whether a network that sees the data is given back what it left of them beyond noise.
    clear_air : bool
        With that correction: whether pixels where the data hold no more than noise are set to zero.
    consistency_steps : int
        CG steps after a network that let the measured data overrule it, in place of that correction; 0: none.
    consistency_weight : float
        Weight of the network against the data, over the sampling density.
    uncertainty_samples : int
        Turned, mirrored and rephased inputs by which the uncertainty of a network's result is found; 0: none.
    data_misfit : bool
        Whether the result is compared with the data, where that costs a kernel of its own.
    sparsity : {"wavelet", "differences"}
        What ADMM keeps sparse.
    relative_lambda : float or None
        ADMM's penalty over the data's scale; None takes twice the data's noise.
    iterations, cg_iterations : int
        ADMM's outer iterations, and the CG steps in each.
    memory_gb : float
        What the Toeplitz kernel and its working arrays may take.
    t1_map : bool
        Whether T1 is fitted.
    t1_cardiac_bin : int
        Cardiac phase of the T1 map; 0 is end-diastole.
    t1_respiratory_bin : int or None
        Respiratory state of the T1 map; None is end-expiration.
    flip_angle_scale : float
        B1 as one number for all of the slice: true flip angle over nominal.
    b1 : {"estimate", "nominal"}
        Find B1 as a map from the first inversion, relative to ``flip_angle_scale``, or take that. A map that was given
        with the scan wins.
    inflow : float or None
        Share of fresh spins in flowing blood, for its T1; 0: none. None: all blood has one T1, and each voxel a share.
    """

    temporal_model: Literal["tensor", "realtime", "static"] = "tensor"
    rank: int = TensorSettings.rank
    energy: float | None = TensorSettings.energy
    cardiac_bins: int = TensorSettings.cardiac_bins
    respiratory_bins: int = TensorSettings.respiratory_bins
    recovery_rank: int = TensorSettings.recovery_rank
    cardiac_rank: int | None = TensorSettings.cardiac_rank
    respiratory_rank: int | None = TensorSettings.respiratory_rank
    heart_source: Literal["self", "ecg"] = "self"
    respiration_source: Literal["self", "waveform"] = "self"
    lowest_heart_rate: float = GatingSettings.lowest_heart_rate
    highest_heart_rate: float = GatingSettings.highest_heart_rate
    keep_ectopic: bool = TensorSettings.keep_ectopic
    matrix: int | None = None
    coils: int = 8
    coil_maps: Literal["espirit", "walsh"] = "espirit"
    gradient_delays: str = "auto"
    nufft: Literal["auto", "sparse", "finufft", "cufinufft", "sigpy"] = "auto"
    reconstruction: Literal["network", "backprojection", "admm"] = "network"
    gridding: Literal["folded", "exact"] = "folded"
    residual_correction: bool = True
    clear_air: bool = True
    consistency_steps: int = 0
    consistency_weight: float = 0.1
    uncertainty_samples: int = 0
    data_misfit: bool = False
    sparsity: Literal["wavelet", "differences"] = AdmmSettings.sparsity
    relative_lambda: float | None = None
    iterations: int = AdmmSettings.iterations
    cg_iterations: int = AdmmSettings.cg_iterations
    memory_gb: float = 4.0
    t1_map: bool = True
    t1_cardiac_bin: int = 0
    t1_respiratory_bin: int | None = None
    flip_angle_scale: float = 1.0
    b1: Literal["estimate", "nominal"] = "nominal"
    inflow: float | None = None

    @property
    def tensor(self) -> TensorSettings:
        """What of this the temporal tensor takes."""
        return TensorSettings(
            rank=self.rank,
            energy=self.energy,
            cardiac_bins=self.cardiac_bins,
            respiratory_bins=self.respiratory_bins,
            recovery_rank=self.recovery_rank,
            cardiac_rank=self.cardiac_rank,
            respiratory_rank=self.respiratory_rank,
            gating=GatingSettings(self.lowest_heart_rate, self.highest_heart_rate),
            keep_ectopic=self.keep_ectopic,
        )

    @property
    def admm(self) -> AdmmSettings:
        """What of this ADMM takes; its own default stands in for a penalty that the data's noise will tell."""
        known = {} if self.relative_lambda is None else {"relative_lambda": self.relative_lambda}
        return AdmmSettings(self.sparsity, iterations=self.iterations, cg_iterations=self.cg_iterations, **known)

    @property
    def assumed_inflow(self) -> float:
        """Share of fresh spins in flowing blood, by which it is told from tissue and its signal is nulled."""
        return INFLOW if self.inflow is None else self.inflow

    @property
    def memory_bytes(self) -> int:
        """What the Toeplitz kernel and its working arrays may take."""
        return int(self.memory_gb * 2**30)
