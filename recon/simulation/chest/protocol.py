"""What a simulated scan measures."""

from dataclasses import dataclass, field

from recon.errors import DataError
from recon.readouts.trajectory import GOLDEN_ANGLE_DEG
from recon.simulation.chest.motion import Physiology


@dataclass(frozen=True)
class Protocol:
    """Parameters of a simulated FLASH scan, by default with inversions and navigators.

    Attributes
    ----------
    matrix, samples : int
        Image matrix N and samples per readout (2N for twofold oversampling).
    fov_mm, slice_mm : float
        Field of view and slice thickness.
    coils : int
        Receive coils.
    duration_s, tr_ms, flip_angle_deg : float
        Length of the scan, repetition time, excitation angle.
    readouts_per_inversion : int
        Readouts between inversions, navigators included.
    inversion_delay_ms : float
        From the inversion to the first readout; the header's TI.
    inversion_efficiency : float
        1 inverts perfectly, 0 saturates.
    golden_angle_deg : float
        Increment between imaging spokes.
    snr : float
        Steady-state myocardium over noise in a fully sampled image of one coil of unit sensitivity.
    noise_readouts : int
        Readouts of the noise scan that precedes the imaging.
    truth_interval_ms : float
        Time between the truth's images.
    flip_angle_scale : float
        B1: the true flip angle over the nominal one.
    inversions, navigators : bool
        Without both it is a plain golden-angle scan in the steady state, every readout of which is an imaging spoke.
    infarct : bool
        A scar of longer T1 in the wall of the left ventricle.
    kind : str
        Kind of body by `recon.simulation.anatomy.KINDS`; without one it is a chest of ellipses, and what follows, but
        for the physiology, has no effect.
    field_t : float
        Of the main magnet; T1, off-resonance and B1 of a body follow it.
    b1_variation, off_resonance, fat_shift, t2_star, varying_inflow : bool
        Effects, each on or off: B1 varies over the body; the phase grows by off-resonance, and by fat's other
        frequency, over each readout from its excitation on; signal decays with T2*; inflow varies within blood.
    echo_time_ms : float
        From the excitation to k = 0.
    skipped_samples : int
        Of a partial echo: so many of `samples` are not measured, at the start of every readout, so that a spoke begins
        closer to k = 0 than it ends.
    gradient_delay_x_us, gradient_delay_y_us : float
        How far k runs ahead of the header's trajectory along each axis, as time along the readout: the sign of
        `recon.readouts.gradient_delays` (sx, sy in samples are these over the dwell time), of Rosenzweig (MRM 2019)
        and of BART. Gradients that lag behind have negative ones.
    trajectory_error : float
        Standard deviation over the spokes of a stray shift of k along and across the spoke, in cycles per field of
        view, that varies smoothly with the angle.
    physiology : Physiology
        Habits of the heart and the breath.
    """

    matrix: int = 160
    samples: int = 320
    fov_mm: float = 270.0
    slice_mm: float = 8.0
    coils: int = 8
    duration_s: float = 60.0
    tr_ms: float = 3.6
    flip_angle_deg: float = 5.0
    readouts_per_inversion: int = 688
    inversion_delay_ms: float = 5.0
    inversion_efficiency: float = 0.95
    golden_angle_deg: float = GOLDEN_ANGLE_DEG
    snr: float = 20.0
    noise_readouts: int = 32
    truth_interval_ms: float = 50.0
    flip_angle_scale: float = 1.0
    inversions: bool = True
    navigators: bool = True
    infarct: bool = False
    kind: str = ""
    field_t: float = 3.0
    b1_variation: bool = False
    off_resonance: bool = False
    fat_shift: bool = False
    t2_star: bool = False
    varying_inflow: bool = False
    echo_time_ms: float = 1.8
    skipped_samples: int = 0
    gradient_delay_x_us: float = 0.0
    gradient_delay_y_us: float = 0.0
    trajectory_error: float = 0.0
    physiology: Physiology = field(default_factory=Physiology)

    def __post_init__(self) -> None:
        if self.readouts < 4:
            raise DataError(f"a scan of {self.duration_s:g} s holds {self.readouts} readouts; at least 4 are needed")
        if self.coils < 1 or self.snr <= 0 or self.matrix < 16:
            raise DataError("a simulation needs at least 1 coil, an SNR above 0 and a matrix of at least 16")
        if self.kind and self.matrix % 2:
            raise DataError(f"a simulated body needs an even matrix, not {self.matrix}")
        if not 0 <= self.skipped_samples <= self.samples // 2 - 4:
            raise DataError(
                f"skipped_samples={self.skipped_samples}: of {self.samples} samples, up to {self.samples // 2 - 4} may "
                "be skipped, so that a few are left before k = 0"
            )
        if self.skipped_samples and not self.kind:
            raise DataError("skipped_samples needs a simulated body; set kind, or take the preset anatomy")
        if not 0.1 <= self.field_t <= 10:
            raise DataError(f"a field of {self.field_t:g} T is none of a scanner; field_t lies between 0.1 and 10")

    @property
    def settings(self) -> dict[str, float | str | bool]:
        """What has an effect, by its name: without a body, nothing that only a body knows."""
        every = vars(self) | vars(self.physiology)
        left_out = {"physiology"} if self.kind else {"physiology", *_OF_A_BODY}
        return {name: value for name, value in every.items() if name not in left_out}

    @property
    def readouts(self) -> int:
        """Readouts of the scan, navigators included: an even number."""
        return 2 * round(self.duration_s * 1000 / self.tr_ms / 2)

    @property
    def measured_samples(self) -> int:
        """Samples of each readout, without those that a partial echo skips."""
        return self.samples - self.skipped_samples

    @property
    def echo_sample(self) -> int:
        """Sample at k = 0 of those that are measured."""
        return self.samples // 2 - self.skipped_samples

    @property
    def period(self) -> int:
        """Readouts between inversions; all of the scan without them."""
        return self.readouts_per_inversion if self.inversions else self.readouts

    @property
    def delay_ms(self) -> float:
        """From an inversion to the first readout; 0 without inversions."""
        return self.inversion_delay_ms if self.inversions else 0.0

    @property
    def efficiency(self) -> float:
        """Efficiency of the inversion; -1, by which M stays M, without one."""
        return self.inversion_efficiency if self.inversions else -1.0


_OF_A_BODY = (
    "kind",
    "field_t",
    "b1_variation",
    "off_resonance",
    "fat_shift",
    "t2_star",
    "varying_inflow",
    "echo_time_ms",
    "skipped_samples",
    "gradient_delay_x_us",
    "gradient_delay_y_us",
    "trajectory_error",
)

DWELL_US = 2.0
"""Sampling interval of simulated radial scans: 320 samples take 0.64 ms."""

# The paper's scan (Chen 2021), the same of a body as rich as anatomy, and small ones that tests simulate in seconds.
PRESETS = {
    "tiny": Protocol(
        matrix=64,
        samples=128,
        coils=4,
        duration_s=12.0,
        tr_ms=5.0,
        readouts_per_inversion=400,
        truth_interval_ms=100.0,
    ),
    "standard": Protocol(),
    "anatomy": Protocol(
        kind="short_axis",
        b1_variation=True,
        off_resonance=True,
        fat_shift=True,
        t2_star=True,
        varying_inflow=True,
        gradient_delay_x_us=1.2,
        gradient_delay_y_us=-0.8,
        trajectory_error=0.02,
    ),
    "plain": Protocol(
        matrix=64,
        samples=128,
        coils=4,
        duration_s=30.0,
        snr=40,
        truth_interval_ms=100.0,
        inversions=False,
        navigators=False,
    ),
}
