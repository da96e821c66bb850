"""Faults that a physicist would make, tried before the random ones."""

import dataclasses
import difflib

from tests.support import fidelity_faults, figure_faults, looking_faults, machine_faults, organ_faults, task_faults
from tests.support.network_faults import TABLE


def unified(name: str, path: str, source: str, changed: str) -> str:
    """A fault as a unified diff under its name."""
    lines = difflib.unified_diff(source.splitlines(), changed.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=1)
    return "\n".join([f"# {name}", *lines, ""])


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault made by hand.

    Attributes
    ----------
    path : str
        Of the file, from the root of the repository.
    old, new : str
        What stands in the file once, and what stands there instead.
    """

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {self.old!r} -> {self.new!r}"

    @property
    def line(self) -> int:
        """None is known before the source is."""
        return 0

    def applied(self, source: str) -> str:
        """Source with the fault."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.path} has changed: {self.old!r} stands there {source.count(self.old)} times")
        return source.replace(self.old, self.new)

    def diff(self, source: str) -> str:
        """The fault as a unified diff."""
        return unified(str(self), self.path, source, self.applied(source))


_TABLE: dict[str, list[tuple[str, str]]] = {
    "recon/spatial/admm.py": [
        ("lambda_ / rho)", "lambda_ * rho)"),
        ("lambda_ / rho)", "lambda_ / rho**3)"),
        ("lambda_ / rho)", "lambda_)"),
        ("np.sqrt(noise_variance * float(", "np.sqrt(noise_variance) * np.sqrt(noise_variance * float("),
        ("NOISE_FACTOR * coefficient_noise(", "coefficient_noise("),
        ("dual += sparse - z", "dual = sparse - z"),
        ("xp.maximum(magnitude - threshold, 0)", "xp.where(magnitude > threshold, magnitude, 0)"),
    ],
    "recon/spatial/consistency.py": [
        ("adjoint_data + weight * estimate", "adjoint_data + estimate"),
        ("weight * linop.Identity", "weight**2 * linop.Identity"),
    ],
    "recon/spatial/trust/correction.py": [
        (
            "left = sigpy.get_array_module(maps), adjoint_data - normal(maps)",
            "left = sigpy.get_array_module(maps), adjoint_data + normal(maps)",
        ),
        ("adjoint_data - normal(told)", "adjoint_data - normal(maps)"),
        ("(weight @ rings).reshape(maps.shape) / density", "(weight @ rings).reshape(maps.shape)"),
        ("of_noise + of_shape) / xp.maximum(found", "of_noise) / xp.maximum(found"),
        ("residual.noise * _by_ring(density[None], rings)", "0 * _by_ring(density[None], rings)"),
        ("of_pixel_shape(maps, density)", "of_pixel_shape(maps, density / density)"),
        ("maps + sparse_answer(", "maps - sparse_answer("),
        ("maps + sparse_answer(", "maps + 0 * sparse_answer("),
        ("told + answer_of(", "maps + answer_of("),
        ("power[len(power) // 2 :], rings[_RINGS // 2 :]", "power[: len(power) // 2 + 1], rings[_RINGS // 2 :]"),
        ("power[len(power) // 2 :], rings[_RINGS // 2 :]", "power[len(power) // 2 :], rings[: _RINGS // 2]"),
        ("float((radius * measured).max())", "0.5"),
        ("(_RINGS * radius / reach)", "(_RINGS * radius)"),
        ("residual.spectrum / residual.density) * window", "residual.spectrum) * window"),
        ("residual.spectrum / residual.density) * window", "0 * residual.spectrum) * window"),
        ("(window**2 / residual.density)", "(window / residual.density)"),
        ("(power - _AIR) / (_SIGNAL - _AIR)", "power / _SIGNAL"),
        ("(power - _AIR) / (_SIGNAL - _AIR), 0, 1)", "(power - _AIR) / (_SIGNAL - _AIR), 0, 2)"),
        (".mean()) * seen / max(", ".mean()) / max("),
        ("np.where(seen > 0, found, 0)", "found"),
        (
            "uniform_filter(sigpy.to_device(power, sigpy.cpu_device), _NEAR_PIXELS)",
            "sigpy.to_device(power, sigpy.cpu_device)",
        ),
        ("_energy(total - maps) / max(_energy(maps), 1e-30)", "_energy(total - maps)"),
        ("_energy(total - maps) / max(", "_energy(total - told) / max("),
        ("told + answer_of(", "told + 0 * answer_of("),
        ("noise=Residual.of(normal, left).noise", "noise=residual.noise"),
        ("evidence(noisy, told", "evidence(Residual.of(normal, left), maps"),
        ("xp.tensordot(shares / xp.maximum(shares.sum(), 1e-30)", "xp.tensordot(xp.ones_like(shares)"),
    ],
    "recon/relaxometry/blood_t1.py": [
        ("(known / 3.0) ** (1 / 3)", "(known / 3.0)"),
        ("_FIELDS_T[0] < field_t < _FIELDS_T[1]", "_FIELDS_T[0] < field_t"),
        ("for share in (0.0, 1.0)", "for share in (1.0, 0.0)"),
        ("coordinates[:, blood])", "averaged[:, blood])"),
        ("None if scale is None else scale[blood].astype(np.float64)", "None"),
        ("(1 - share) * pools[..., 0] + share * pools[..., 1]", "share * pools[..., 0] + (1 - share) * pools[..., 1]"),
        ("np.hypot(common.deviation, _BETWEEN_VESSELS)", "common.deviation"),
        ("flows & (strength > ", "(strength > "),
        ("_BRIGHT * np.quantile", "0 * np.quantile"),
        ("at.pools(expected_ms * _TRIED", "at.pools(_AT_3_T_MS * _TRIED"),
        ("/ _SPREAD) ** 2", "/ 1.0) ** 2"),
        ("sequence.flip_angle_deg * float(np.median(scale[inside]))", "sequence.flip_angle_deg"),
        ("np.median(scale[inside])", "np.median(scale)"),
        ("evidence + _told(", "0 * evidence + _told("),
        ("averaged[:, inside])", "averaged[:, blood])"),
        ("range(max(1, round(_INSIDE * len(blood))), 0, -1)", "range(1, 0, -1)"),
        ("range(max(1, round(_INSIDE * len(blood))), 0, -1)", "range(2, 1, -1)"),
        ("                break", "                pass"),
        (">= _LEAST_VOXELS", ">= 60"),
        ("max(float(left.min()) / freedom, _LEAST_MISFIT**2)", "_LEAST_MISFIT**2"),
        ("max(float(left.min()) / freedom, _LEAST_MISFIT**2)", "0.01**2"),
        ("len(curve) - 3", "len(curve) + 9"),
        ("np.stack([1 - _SHARES, _SHARES])", "np.stack([_SHARES, _SHARES])"),
        ("of_stays + of_fresh, 1e-30), 0, 1)", "of_stays + of_fresh, 1e-30), 0, 2)"),
        ("stays * of_curve[1] - both", "stays * of_curve[1] + both"),
        ("fresh * of_curve[0] - both", "stays * of_curve[0] - both"),
        ("return CommonT1(expected_ms *", "return CommonT1(_AT_3_T_MS *"),
        ("np.median(share)", "np.max(share)"),
    ],
    "recon/spatial/trust/sparse_answer.py": [
        ("wanted = without_pixel_shape(left, maps, normal.density)", "wanted = left"),
        ("_NOISE_FACTOR * coefficient_noise(normal, noise_variance) / rho", "_NOISE_FACTOR * rho"),
        ("_NOISE_FACTOR * coefficient_noise(", "2 * coefficient_noise("),
        ("(sparse - dual) - found)", "(sparse + dual) - found)"),
        ("wanted - shown + rho", "wanted + rho"),
        ("+ rho * float(xp.vdot(direction, direction).real)", ""),
        ("dual = coefficients - sparse", "dual = sparse - coefficients"),
        ("psi.H(sparse).astype", "found.astype"),
        ("(1 - along[:, None] * along)", "along[:, None] * along"),
        ("* density * fft2(maps)", "* fft2(maps)"),
        ("(measured / xp.where(measured, density, 1))", "(measured / 1)"),
        ("(measured / xp.where(measured, density, 1))", "(1 / density)"),
        ("0.0), 1.0)", "-1.0), 1.0)"),
        ("0.0), 1.0)", "0.0), 2.0)"),
        ("np.float32(share) * ifft2(shape)", "ifft2(shape)"),
    ],
    "recon/spatial/nufft.py": [
        ("isign=-1 if kind == 2 else 1", "isign=1 if kind == 2 else -1"),
        ("for axis in (1, 0))", "for axis in (0, 1))"),
        ("result /= self.matrix", "result /= self.matrix**2"),
        ("trajectory[..., ::-1]", "trajectory"),
    ],
    "recon/spatial/encoding.py": [
        ("temporal_basis[chunk].conj()[:, :, None]", "temporal_basis[chunk][:, :, None]"),
        ("xp.abs(coil_maps) ** 2", "xp.abs(coil_maps)"),
        ("coil_maps[:, None].conj())", "coil_maps[:, None])"),
        ("weights / plan.data_shape[0]", "weights"),
    ],
    "recon/spatial/toeplitz.py": [
        ("near.conj() * weights", "near * weights"),
        ("grid / matrix**2", "1 / grid"),
        ("spread[0] = spread[:, 0] = 0", "spread = spread + 0"),
        ("blurred *= maps.conj()", "blurred *= maps"),
        ("kernel[:, :, row, across] = part.conj()", "kernel[:, :, row, across] = part"),
        ("profiles[1, fan.backward_radii] = along[::-1]", "profiles[1, fan.backward_radii] = along"),
        ("against[entries] == bool(way)", "against[entries] != bool(way)"),
        ("share[:, None] * share)", "share[:, None])"),
    ],
    "recon/spatial/fold.py": [
        ("[xp.asarray(fan.near)].conj())", "[xp.asarray(fan.near)])"),
        ("data[:, spokes, ::way]", "data[:, spokes]"),
        ("weights.conj().swapaxes", "weights.swapaxes"),
        ("data[:, xp.asarray(readouts[part])] += values", "data[:, xp.asarray(readouts[part])] = values"),
    ],
    "recon/spatial/gridding.py": [
        ("near[:, 1, :, None] * np.int32", "near[:, 0, :, None] * np.int32"),
        ("into[low:], into[:low] =", "into[: self.matrix - low], into[self.matrix - low :] ="),
        ("1 / (math.sqrt(matrix) * transform)", "1 / (matrix * transform)"),
        ("weights.ravel().astype(old.dtype)[old.indices]", "weights.T.ravel().astype(old.dtype)[old.indices]"),
        ("np.ceil(place - self.width / 2)", "np.floor(place - self.width / 2)"),
    ],
    "recon/spatial/plans.py": [
        ("digest(on_host), matrix)", "digest(on_host))"),
        ("popitem(last=False)", "popitem(last=True)"),
        ("str(values.shape).encode()[:16]", "b''"),
    ],
    "recon/spatial/fan.py": [
        ("np.cos(angles - line_angles[line_of_spoke]) < 0", "np.cos(angles - line_angles[line_of_spoke]) > 0"),
        ("(direction[:, None, :] * radius", "(direction[:, None, ::-1] * radius"),
        ("place = angles * half / np.pi", "place = angles * half / (2 * np.pi)"),
        ("against[order] ^ (flip_around and turn != 0)", "against[order]"),
    ],
    "recon/spatial/frames.py": [("xp.asarray(temporal_basis).T", "xp.asarray(temporal_basis).conj().T")],
    "recon/readouts/density.py": [
        ("xp.maximum(math.pi * radius", "xp.maximum(2 * math.pi * radius"),
        ("math.pi * centre_share(spacing) * spacing**2", "math.pi / 4 * spacing**2"),
        ("2 * math.pi * _WIDTH**2 * np.exp", "math.pi * _WIDTH**2 * np.exp"),
    ],
    "recon/readouts/turning_spoke.py": [
        ("np.arctan2(direction[:, 1], direction[:, 0])", "np.arctan2(direction[:, 0], direction[:, 1])"),
        ("(1j * HARMONICS * turns)", "(HARMONICS * turns)"),
    ],
    "recon/readouts/trajectory.py": [
        ("[np.cos(angles_rad), np.sin(angles_rad)]", "[np.sin(angles_rad), np.cos(angles_rad)]"),
        ("90.0 * (math.sqrt(5.0) - 1.0)", "180.0 * (math.sqrt(5.0) - 1.0)"),
        ("float(matrix)), 0.5)", "float(matrix)), 1.0)"),
    ],
    "recon/readouts/gradient_delays.py": [
        ("np.exp(-2j * np.pi * points", "np.exp(2j * np.pi * points"),
        ("/ (trajectory.shape[1] - 1)  # Δk n̂", "/ trajectory.shape[1]"),
        ("delays.sx, delays.sxy, delays.sy])", "delays.sy, delays.sxy, delays.sx])"),
        ("np.sqrt(np.diag(covariance))", "np.diag(covariance)"),
    ],
    "recon/readouts/noise.py": [
        ("np.sqrt(dwell_ratio)", "dwell_ratio"),
        ("noise @ noise.conj().T", "noise @ noise.T"),
        ("(whitening *", "(whitening.conj().T *"),
        ("float(np.log(2))", "1.0"),
        ("radius > _RIM * radius.max()", "radius < _RIM * radius.max()"),
    ],
    "recon/readouts/coils.py": [
        ("[:, :virtual_coils].conj().T", "[:, :virtual_coils].T"),
        ("maps * reference.conj()", "maps * reference"),
        ("vectors[:, ::-1]", "vectors"),
    ],
    "recon/readouts/windows.py": [
        ("np.exp(-1j * order * angles)", "np.exp(1j * order * angles)"),
        ("(-1) ** order * behind", "behind"),
        ("np.sqrt(area) *", "area *"),
        ("2 * np.pi * radius if radius", "np.pi * radius if radius"),
        ("np.sqrt(4 * np.pi)", "np.sqrt(2 * np.pi)"),
    ],
    "recon/readouts/clock.py": [
        ("0.5 / (mean * len(near) ** 0.5)", "0.5 / mean"),
        ("found = tr_ms / self.ticks", "found = self.ticks / tr_ms"),
    ],
    "recon/readouts/placement.py": [("by_counter - by_clock > _ROUNDING", "by_clock - by_counter > _ROUNDING")],
    "recon/temporal/tensor.py": [
        ("_roughness(bins[1], periodic=False))", "_roughness(bins[1], periodic=True))"),
        ("_roughness(bins[0], periodic=True), ", "_roughness(bins[0], periodic=False), "),
        (
            "products(products(self.cardiac, self.respiratory), self.recovery)",
            "products(products(self.respiratory, self.cardiac), self.recovery)",
        ),
        ("smoothness * np.kron(spread, energy)", "smoothness * np.kron(energy, spread)"),
        ("singular_values**2) / np.sum(singular_values**2)", "singular_values) / np.sum(singular_values)"),
        (
            "vectors[:, ::-1][:, :kept] / singular_values",
            "vectors[:, ::-1][:, :kept] / singular_values**2 * singular_values",
        ),
    ],
    "recon/temporal/bins.py": [
        ("place / self.bins, self.bins)", "place / (self.bins - 1), self.bins)"),
        ("* (self.bins - 1)", "* self.bins"),
        (
            "np.clip((signal - self.low) / (self.high - self.low), 0, 1)",
            "np.mod((signal - self.low) / (self.high - self.low), 1)",
        ),
        ("self._cycles(time_s) - origin", "self._cycles(time_s) + origin"),
        ("60.0 / float(np.median", "float(np.median"),
    ],
    "recon/temporal/gating.py": [
        ("found.heart.quiet - trigger", "trigger - found.heart.quiet"),
        ("mark_ectopic(crossings(found.heart.phase, trigger", "mark_ectopic(crossings(found.heart.phase, 0.0"),
    ],
    "recon/temporal/model.py": [
        ("return ~gating.beats.disturbed", "return gating.beats.disturbed"),
        ("bin_weights(gating, imaging, navigators,", "bin_weights(gating, imaging, imaging,"),
        ("np.argmax(np.bincount", "np.argmin(np.bincount"),
    ],
    "recon/temporal/breathing.py": [
        ("** 3) >= 0 else -1.0)", "** 3) <= 0 else -1.0)"),
        ("vectors[:, -1]", "vectors[:, 0]"),
    ],
    "recon/temporal/heart.py": [
        ("(np.argmin(around) + 0.5)", "(np.argmax(around) + 0.5)"),
        ("np.roll(template, -1, axis=0)", "np.roll(template, 1, axis=0)"),
        ("(settings.navigators_per_block - 1) / 2", "0"),
    ],
    "recon/temporal/fitting/knots.py": [
        ("own[time, second] - 2.0 * linear[time, second]", "own[time, second] - linear[time, second]"),
    ],
    "recon/temporal/heart_rate.py": [
        ("return 60.0 / float(np.median(intervals))", "return float(np.median(intervals))"),
        ("start / 60, series.rate_hz", "start, series.rate_hz"),
    ],
    "recon/temporal/motion.py": [
        ("_FRESH_DECAY**numbers", "_FRESH_DECAY * numbers"),
        ("1.0 / float(np.median(np.diff", "float(np.median(np.diff"),
        ("np.concatenate([flat.real, flat.imag], axis=1)", "np.abs(flat)"),
    ],
    "recon/temporal/navigator.py": [
        ("left[:, :rank].conj().T @ casorati", "left[:, :rank].T @ casorati"),
        ("scipy.fft.ifft(shifted", "scipy.fft.fft(shifted"),
        ('norm="ortho"', 'norm="backward"'),
        ("0.5 * np.angle", "np.angle"),
        ("navigator_index, index) - 1", "navigator_index, index)"),
    ],
    "recon/temporal/plain.py": [
        ("spokes**-0.5", "spokes**-1.0"),
        ("** 3) >= 0 else -1.0", "** 3) <= 0 else -1.0"),
    ],
    "recon/temporal/ecg.py": [("rest + 0.5 * (peak - rest)", "0.5 * (peak - rest)")],
    "recon/relaxometry/inversion_recovery.py": [
        ("float(np.cos(np.deg2rad(self.flip_angle_deg)))", "float(np.cos(self.flip_angle_deg))"),
        ("efficiency * delay * steady * (1 - period)", "efficiency * steady * (1 - period)"),
        (", np.exp(-self.delay_ms / t1_ms)\n", ", np.exp(-self.tr_ms / t1_ms)\n"),
        ("return 1 - (1 + efficiency) * np.exp(-self.delay_ms", "return 1 - (1 + efficiency) * np.exp(-self.tr_ms"),
        ("self.delay_ms + pulses", "pulses"),
        ("np.sum(depth**2) * (decays.T", "np.sum(depth) ** 2 * (decays.T"),
    ],
    "recon/relaxometry/t1.py": [
        ("-0.5j * np.angle", "-1j * np.angle"),
        ("np.sqrt(near[mask] / count[mask])", "near[mask] / count[mask]"),
        ("found.triangle @ shape @ found.triangle.T", "found.triangle.T @ shape @ found.triangle"),
        ("(2 - 3 / len(covariance))", "2"),
    ],
    "recon/relaxometry/curve_fit.py": [
        ("((1 - fresh, cosine), (fresh, 1.0))", "((fresh, cosine), (1 - fresh, 1.0))"),
        ("np.log(cosine) / self._sequence.tr_ms", "np.log(cosine) * self._sequence.tr_ms"),
        ("return -estimate.t1_ms * np.sum(slope * change", "return estimate.t1_ms * np.sum(slope * change"),
    ],
    "recon/relaxometry/period_images.py": [("period.data - period.encode", "period.data + period.encode")],
    "recon/relaxometry/pool_mixtures.py": [
        ("sequence.first_start(t1_ms, efficiency) - start", "sequence.first_start(t1_ms, efficiency) - steady"),
        ("1 / _T1_STAR_MS + np.log(cosine)", "1 / _T1_STAR_MS - np.log(cosine)"),
        ("rest = 1 - self.share", "rest = 1 + self.share"),
        ("int(is_fat_first) :] < 0", "int(is_fat_first) :] > 0"),
    ],
    "recon/relaxometry/first_inversion.py": [
        ("np.outer(by_efficiency, by_efficiency)", "np.outer(found.weights, by_efficiency)"),
        ("images.transient)", "images.periodic)"),
    ],
    "recon/cartesian.py": [
        ("math.sqrt(math.prod(matrix) / math.prod(old))", "math.prod(matrix) / math.prod(old)"),
        ("coil_maps_from_centre(kspace).conj()", "coil_maps_from_centre(kspace)"),
        ("size // 2 - count // 2 for", "(size - count) // 2 for"),
    ],
    "recon/quality/metrics.py": [("1.96 * spread", "spread"), ("np.linalg.norm(reference))", "reference.max())")],
    "recon/quality/stenosis.py": [
        ("1 - np.sqrt(max(areas[0], 0) / areas[1])", "1 - max(areas[0], 0) / areas[1]"),
        ("2 * np.pi * radii[inside] * RING_STEP", "RING_STEP"),
    ],
    "recon/quality/plausibility.py": [("(time_s[-1] - time_s[0]) / 60", "(time_s[-1] - time_s[0])")],
    "recon/multitasking/selection.py": [
        ("np.argmin(np.abs(blood))", "np.argmin(blood)"),
        ("counts.max() - 1][-1]", "counts.max() - 1][0]"),
    ],
}

_TABLES = (
    *(_TABLE, TABLE, organ_faults.TABLE, fidelity_faults.TABLE, looking_faults.TABLE, task_faults.TABLE),
    *(figure_faults.TABLE, machine_faults.TABLE),
)
FAULTS = tuple(Fault(path, *change) for table in _TABLES for path, changes in table.items() for change in changes)

WITHOUT_EFFECT: dict[str, tuple[str, ...]] = {
    # bounds of the memory: batches of another size give the same images
    "recon/spatial/nufft.py": ("_BATCH_BYTES", "whole = count - count % threads", "{*range(0, whole,"),
    "recon/spatial/toeplitz.py": ("memory_bytes: int", "step = int(min(64", "threads = available_cpus()"),
    "recon/spatial/encoding.py": ("maps_at_a_time or max(",),
    # images are square; a finer fan than is needed is as exact
    "recon/spatial/back_projection.py": (
        "memory_bytes: int",
        "rest = memory_bytes",
        ".shape[-1])",
        "2 * problem.matrix)",
    ),
    # more triggers beyond the scan than are needed
    "recon/temporal/bins.py": ("later = max(0", "earlier = max(0"),
    # a correlation has no scale
    "recon/quality/plausibility.py": ("_coherence(np.abs(magnitude",),
    # a product of one vector is the same without its axis
    "recon/spatial/frames.py": ("keepdims=True",),
    # a factor of one or minus one may as well divide
    "recon/temporal/breathing.py": ("return signal * (1.0 if",),
    # two neighbouring samples are never both peaks
    "recon/temporal/ecg.py": ("apart = max(1",),
    # all windows have one shape; of the patterns only the first is taken
    "recon/temporal/plain.py": ("most = min(rank", "patterns = np.linalg.svd(band"),
    # one sample more or less to choose the least misfit from
    "recon/readouts/clock.py": ("near = level[first",),
}
"""Parts of lines in which a change changes no result, as somebody found who looked at the survivors."""
