"""Who learns when, and how fast: learning rates over the steps, and the turns of generator and discriminator."""

import math
from collections.abc import Callable
from typing import Any, Literal

import lightning
import torch
from pydantic import Field
from pydantic.dataclasses import dataclass


def cosine(total_steps: int) -> Callable[[int], float]:
    """Learning rate over its maximum: a rise over the first 2 % of the steps, then a cosine down to zero.

    Parameters
    ----------
    total_steps : int

    Returns
    -------
    callable
        Step → factor.
    """
    warm = max(1, total_steps // 50)

    def factor(step: int) -> float:
        return min(1.0, (step + 1) / warm) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total_steps)))

    return factor


def adam(training: lightning.LightningModule, learning_rate: float, schedule: Literal["constant", "cosine"]) -> Any:
    """Adam for all weights of a training, with its schedule, as Lightning takes it."""
    optimizer = torch.optim.Adam(training.parameters(), lr=learning_rate)
    if schedule == "constant":
        return optimizer
    factor = cosine(int(training.trainer.estimated_stepping_batches))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


@dataclass(frozen=True)
class Turns:
    """When discriminator and generator take a step.

    Attributes
    ----------
    warm_up : int
        Steps in which the discriminator learns alone; over these, λ_p rises from 0 to 1.
    per_generator : int
        Discriminator steps for one of the generator: 1 for vanilla GAN and DRAGAN, 5 for WGAN-GP.
    extra_every, extra : int
        After so many generator steps, so many steps of the discriminator alone (WGAN-GP: 200 after 500); 0: never.
    """

    warm_up: int = Field(default=10_000, ge=0)
    per_generator: int = Field(default=1, ge=1)
    extra_every: int = Field(default=0, ge=0)
    extra: int = Field(default=0, ge=0)

    def trains_generator(self, step: int) -> bool:
        """Whether the generator learns in a step, counted from 0; the discriminator does in all of them."""
        since = step - self.warm_up
        if since < 0:
            return False
        if self.extra_every:
            since %= self.extra_every * self.per_generator + self.extra
            if since >= self.extra_every * self.per_generator:
                return False
        return (since + 1) % self.per_generator == 0

    def domain_strength(self, step: int) -> float:
        """λ_p: how much the discriminator's features avoid the domain."""
        return 1.0 if self.warm_up == 0 else min(1.0, step / self.warm_up)
