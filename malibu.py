"""malibu in a notebook: read a scan, reconstruct it, write images.

Everything is imported when it is first used. Arrays are NumPy's, units stand in the names, and the classes are those of
:mod:`recon`, which knows no files. Research use only; not a medical device.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gadgets.multitasking.network import ArrayNetwork
    from gadgets.super_resolution.network import ArrayRestorer
    from gadgets.viewer.notebook import ExplorerPage
    from recon.multitasking import Network, RadialScan, Result
    from recon.super_resolution import CartesianVolume, Network as VolumeNetwork, RestoredVolume

__all__ = [
    "load_network",
    "read_scan",
    "read_volume",
    "reconstruct",
    "restore",
    "simulate",
    "view",
    "write_images",
]


def read_scan(path: str | Path, group: str = "dataset", **parameters: Any) -> "list[RadialScan]":
    """Read the radial Multitasking scan of an ISMRMRD file.

    Parameters
    ----------
    path : str or Path
        Raw data (.h5).
    group : str
        HDF5 group of the measurement.
    **parameters
        Parameters of the gadget that say how the file is read: ``navigator``, ``golden_angle_deg``, ``tr_ms``,
        ``skip_inversions``, ``heart_source`` and others (``malibu parameters`` lists them).

    Returns
    -------
    list of RadialScan
        One for each slice.

    Raises
    ------
    ScanFileError, DataError, ParameterError
        If the file cannot be read, or is no such scan; the message names cause and remedy.
    """
    from gadgets.mrd.files import ScanFile
    from gadgets.multitasking.parameters import MultitaskingParameters
    from gadgets.multitasking.readouts import read_slices

    checked = _checked(MultitaskingParameters, parameters)
    with ScanFile(Path(path), group) as file:
        return [measured.scan for measured in read_slices(file, checked)]


def simulate(preset: str = "tiny", seed: int = 0, **changes: Any) -> "RadialScan":
    """Simulate a Multitasking scan of a beating, breathing heart.

    Parameters
    ----------
    preset : {"tiny", "standard"}
        64×64 and 12 s, or 160×160 and 60 s.
    seed : int
        Subject; equal seeds give equal scans.
    **changes
        Settings that replace the preset's, as ``duration_s=30`` or ``ectopic_share=0.05``.

    Returns
    -------
    RadialScan

    Raises
    ------
    ParameterError
        If a setting is not known or impossible.
    """
    from gadgets.evaluation.truth import slice_of_simulation
    from gadgets.multitasking.parameters import MultitaskingParameters
    from gadgets.simulated.radial import protocol_with
    from recon.simulation.chest import simulate_scan

    simulated = simulate_scan(protocol_with(preset, changes), seed)
    return slice_of_simulation(simulated, _checked(MultitaskingParameters, {})).scan


def read_volume(path: str | Path, group: str = "dataset", **parameters: Any) -> "list[CartesianVolume]":
    """Read Cartesian volumes whose phase-encoding directions were cut short.

    Parameters
    ----------
    path : str or Path
        ISMRMRD file of raw 3-D k-space, or of images.
    group : str
        HDF5 group of the measurement, for raw data.
    **parameters
        Parameters of the super-resolution gadget that say how the file is read: ``matrix``, ``coil_combination``.

    Returns
    -------
    list of CartesianVolume
        At the full matrix, zero-filled in k-space.

    Raises
    ------
    ScanFileError, DataError, ParameterError
        If the file cannot be read, or holds no such volume.
    """
    from gadgets.mrd.files import ScanFile, open_source
    from gadgets.mrd.intake.measurement import Measurement
    from gadgets.super_resolution.gadget import measured_volumes
    from gadgets.super_resolution.parameters import SuperResolutionParameters

    checked = _checked(SuperResolutionParameters, parameters)
    with open_source(Path(path), group) as file:
        if isinstance(file, ScanFile):
            measurement = Measurement.of(file.items())
        else:
            measurement = Measurement()
            measurement.images.extend(file.items())
        return [measured.volume for measured in measured_volumes(file.header, measurement, checked)]


def load_network(*weights: str | Path, device: str = "auto") -> "ArrayNetwork | ArrayRestorer":
    """Load networks by the names of shipped weights, or from files.

    Parameters
    ----------
    *weights : str or Path
        One name or ``.safetensors`` file for Multitasking (``"multitasking_mdcn"``); one or two, stage by stage, for
        super-resolution (``"sr_coronary_l1", "gan_coronary_dragan"``). ``malibu nets`` lists the shipped ones.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.

    Returns
    -------
    callable
        U₀ → U for :func:`reconstruct`, or zero-filled magnitude → stages for :func:`restore`.

    Raises
    ------
    ParameterError
        If the weights cannot be used.
    """
    from gadgets.device import choose_device, require_torch
    from gadgets.errors import ParameterError
    from gadgets.multitasking.network import open_network
    from gadgets.super_resolution.network import load_restorer
    from gadgets.super_resolution.parameters import SuperResolutionParameters

    if not 1 <= len(weights) <= 2:
        raise ParameterError(f"{len(weights)} weights were given; give one, or two stages of super-resolution")
    chosen = choose_device(device)
    require_torch()
    from nets.architectures.registry import ARCHITECTURES
    from nets.weights import WeightsError, read_card, weights_path

    paths = [weights_path(str(given)) for given in weights]
    try:
        task = ARCHITECTURES[read_card(paths[0]).architecture].task
    except WeightsError as error:
        raise ParameterError(str(error)) from error
    if not task.startswith("super-resolution"):
        if len(weights) > 1:
            raise ParameterError(f"{weights[0]} is a network for Multitasking, which takes one; give no second weights")
        return open_network(paths[0], chosen)
    stages = {"first_stage": str(paths[0]), "second_stage": str(paths[-1]), "stages": ("one", "two")[len(paths) - 1]}
    return load_restorer(_checked(SuperResolutionParameters, stages), chosen)


def reconstruct(
    scan: "RadialScan", network: "Network | str | Path | None" = None, device: str = "auto", **settings: Any
) -> "Result":
    """Reconstruct a Multitasking scan.

    Parameters
    ----------
    scan : RadialScan
    network : callable, str or Path, optional
        U₀ → U on ``(L, N, N)`` complex64 arrays: from :func:`load_network`, or any function; or the name of weights.
        Without one the back-projection is shown, or ``reconstruction="admm"`` is minimised. On a GPU a function is
        given CuPy arrays; ``device="cpu"`` gives it NumPy's.
    device : str
        ``auto``, ``cpu`` or ``cuda:N``.
    **settings
        Fields of :class:`recon.multitasking.Settings`.

    Returns
    -------
    Result
        ``cine()``, ``recovery()``, ``frames(c, r, n)``, ``t1_map``, the temporal model, coil maps, seconds.

    Raises
    ------
    ParameterError
        If a setting is not known or impossible.
    DataError
        If the scan cannot be reconstructed.
    """
    import recon
    from gadgets.device import choose_device
    from gadgets.errors import ParameterError
    from gadgets.multitasking.network import check_rank
    from gadgets.multitasking.parameters import settings_of

    checked = settings_of(settings)
    wanted = network if checked.reconstruction == "network" else None
    function: Any = load_network(wanted, device=device) if isinstance(wanted, str | Path) else wanted
    if hasattr(function, "factors"):
        raise ParameterError("the weights are those of super-resolution; `malibu nets` lists those for Multitasking")
    check_rank(function, checked.rank)
    return recon.multitasking.reconstruct(scan, checked, function, choose_device(device))


def restore(
    volume: "CartesianVolume", network: "VolumeNetwork | str | Path", mismatch: str = "error", **settings: Any
) -> "RestoredVolume":
    """Restore a volume by super-resolution networks.

    Parameters
    ----------
    volume : CartesianVolume
    network : callable, str or Path
        From :func:`load_network`, or any function from a magnitude to one, or to a list of what its stages make; or the
        name of one stage's weights.
    mismatch : {"error", "warn"}
        What to do if the volume was cut otherwise than those that the networks were trained on.
    **settings
        Fields of :class:`recon.super_resolution.Settings`: ``data_consistency``, ``acceleration``.

    Returns
    -------
    RestoredVolume

    Raises
    ------
    ParameterError
        If a setting is not known or impossible, or contradicts the data.
    DataError
        If the volume was cut otherwise than those that the networks were trained on, or cannot be restored.
    """
    import recon
    from gadgets.errors import ParameterError
    from gadgets.super_resolution.acceleration import check_acceleration
    from gadgets.super_resolution.parameters import SuperResolutionParameters, restoration_settings

    chosen = restoration_settings(settings)
    _checked(SuperResolutionParameters, {"mismatch": mismatch})
    function: Any = load_network(network) if isinstance(network, str | Path) else network
    if hasattr(function, "rank"):
        raise ParameterError("the weights are those of Multitasking; `malibu nets` lists those for super-resolution")
    if hasattr(function, "factors"):
        check_acceleration(volume, chosen.acceleration, function.factors, mismatch)
    return recon.super_resolution.restore(volume, function, chosen)


def write_images(
    path: str | Path,
    source: "RadialScan | CartesianVolume",
    result: "Result | RestoredVolume",
    **chosen: Any,
) -> Path:
    """Write the image series of a result as an ISMRMRD file, with the series numbers and Meta of the gadget.

    How the result was made, its Meta say by themselves.

    Parameters
    ----------
    path : str or Path
        File to write; it takes its name when it is complete.
    source : RadialScan or CartesianVolume
        What was reconstructed: times and geometry.
    result : Result or RestoredVolume
    **chosen
        Parameters of the gadget that say what is sent: ``images``, ``frames``, ``t1_frames``, ``bright_blood_ti_ms``
        and ``dark_blood_ti_ms``; for volumes ``images`` and ``output``.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        If a parameter is not known or impossible, or the result is not of that source.
    """
    import gadgets.multitasking.images
    import gadgets.super_resolution.images
    from gadgets.errors import ParameterError
    from recon.multitasking import RadialScan, Result
    from recon.super_resolution import CartesianVolume, RestoredVolume

    if isinstance(source, RadialScan) and isinstance(result, Result):
        return gadgets.multitasking.images.write_series(Path(path), source, result, chosen)
    if isinstance(source, CartesianVolume) and isinstance(result, RestoredVolume):
        return gadgets.super_resolution.images.write_series(Path(path), source, result, chosen)
    raise ParameterError(
        f"a {type(result).__name__} of a {type(source).__name__} cannot be written; give a scan and what reconstruct "
        "made of it, or a volume and what restore made of it"
    )


def view(source: "Result | str | Path", scan: "RadialScan | None" = None) -> "ExplorerPage":
    """Explore all frames of a result, or of an image file, in a notebook.

    It is a function, not a method of the result: results are of :mod:`recon`, which knows no pages.

    Parameters
    ----------
    source : Result, str or Path
        From :func:`reconstruct`; or an image file of ``malibu replay`` or :func:`write_images`.
    scan : RadialScan, optional
        What was reconstructed: a result needs it for times and geometry.

    Returns
    -------
    ExplorerPage
        A notebook shows it; ``save(path)`` writes it as one page that needs no server.

    Raises
    ------
    ParameterError
        If the scan of a result is missing.
    ScanFileError
        If the file holds nothing that frames could be made of.
    """
    from gadgets.errors import ParameterError
    from gadgets.viewer.notebook import page_of_file, page_of_result
    from recon.multitasking import RadialScan, Result

    if isinstance(source, str | Path):
        return page_of_file(Path(source))
    if isinstance(source, Result) and isinstance(scan, RadialScan):
        return page_of_result(source, scan)
    raise ParameterError(f"a {type(source).__name__} cannot be viewed so; give a result and its scan, or an image file")


def _checked(model: Any, parameters: dict[str, Any]) -> Any:
    """Parameters of a gadget, with its own error texts."""
    from gadgets.configuration import checked

    return checked(model, parameters)
