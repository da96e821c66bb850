"""Who learns when, and how fast: learning rates over the steps, and the turns of generator and discriminator."""

import math
from collections.abc import Callable, Mapping
from typing import Any

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


def constant(total_steps: int) -> Callable[[int], float]:
    """The same learning rate in all steps."""
    return lambda step: 1.0


def tenths(total_steps: int) -> Callable[[int], float]:
    """A tenth less after each twentieth of the steps: of ALAMO's 1,000,000, after each 50,000 (dissertation 7.2.8)."""
    each = max(1, total_steps // 20)
    return lambda step: 0.9 ** (step // each)


def linear(total_steps: int, last: float = 0.0) -> Callable[[int], float]:
    """Learning rate over its maximum: a straight line from 1 to ``last``, which the end of the training has.

    Parameters
    ----------
    total_steps : int
    last : float

    Returns
    -------
    callable
        Step → factor.
    """
    return lambda step: 1 - (1 - last) * min(1.0, step / total_steps)


SCHEDULES: Mapping[str, Callable[..., Callable[[int], float]]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
    "tenths": tenths,
}
"""Steps of a training → step → factor on the learning rate."""


def scheduled(optimizer: torch.optim.Optimizer, schedule: str, total_steps: int, **settings: float) -> dict[str, Any]:
    """An optimiser with one of :data:`SCHEDULES` and its settings, counted in steps, as Lightning takes it."""
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, SCHEDULES[schedule](total_steps, **settings))
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
    generator_steps : int, optional
        The training ends after so many, however many volumes there are; None: as the trainer is told.
    """

    warm_up: int = Field(default=10_000, ge=0)
    per_generator: int = Field(default=1, ge=1)
    extra_every: int = Field(default=0, ge=0)
    extra: int = Field(default=0, ge=0)
    generator_steps: int | None = Field(default=None, ge=1)

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

    def generator_steps_before(self, step: int) -> int:
        """Steps of the generator among the first ``step`` steps."""
        since = max(0, step - self.warm_up)
        if not self.extra_every:
            return since // self.per_generator
        alternating = self.extra_every * self.per_generator
        cycles, rest = divmod(since, alternating + self.extra)
        return cycles * self.extra_every + min(rest, alternating) // self.per_generator

    def are_over(self, step: int) -> bool:
        """Whether the generator has taken all of its steps when ``step`` steps are done."""
        return self.generator_steps is not None and self.generator_steps_before(step) >= self.generator_steps

    def domain_strength(self, step: int) -> float:
        """λ_p: how much the discriminator's features avoid the domain."""
        return 1.0 if self.warm_up == 0 else min(1.0, step / self.warm_up)
