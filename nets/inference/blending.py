"""One network between two: the weights of one that is true to intensities, and of one that is sharp (Wang 2020)."""

from collections.abc import Sequence
from dataclasses import replace

from nets.architectures.rrdg import blend
from nets.weights import LoadedNetwork, WeightsError


def blended(stages: Sequence[LoadedNetwork], alpha: float) -> LoadedNetwork:
    """Make one network whose weights are ``α θ_first + (1 − α) θ_second``, equation 3 of the paper.

    The caption of its figure 5 runs the other way; the equation is followed. Batch statistics are blended alike.

    Parameters
    ----------
    stages : sequence of LoadedNetwork
        Two of one architecture and configuration; the first one's network is changed.
    alpha : float
        1 is the first network, 0 the second.

    Returns
    -------
    LoadedNetwork
        Its hash names both files, its training data those of both.

    Raises
    ------
    WeightsError
        If there are not two, or they are of different architectures, configurations or batch statistics.
    """
    if len(stages) != 2:
        raise WeightsError(f"blending takes the weights of two networks, not of {len(stages)}")
    first, second = stages
    differing = sorted(
        f"{name} {first.card.config.get(name)} and {second.card.config.get(name)}"
        for name in first.card.config.keys() | second.card.config.keys()
        if first.card.config.get(name) != second.card.config.get(name)
    )
    if first.card.architecture != second.card.architecture:
        differing = [f"architecture {first.card.architecture} and {second.card.architecture}"]
    kinds = {stage.card.preprocessing.get("batch_statistics", "stored") for stage in stages}
    if len(kinds) > 1:  # a GAN's card names none: its generator keeps the stored ones
        differing.append("batch statistics")
    if differing:
        raise WeightsError(f"only two networks of one layout can be blended; these differ in {', '.join(differing)}")
    first.network.load_state_dict(blend(first.network.state_dict(), second.network.state_dict(), alpha))
    card = replace(
        first.card,
        training_data=f"{alpha:g} of: {first.card.training_data}; {1 - alpha:g} of: {second.card.training_data}",
    )
    return LoadedNetwork(first.network, card, f"{first.sha256}+{second.sha256}")
