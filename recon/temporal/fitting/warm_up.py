"""Machine code of the temporal model, loaded or compiled before it is needed."""

import numpy as np

from recon.temporal.fitting.path import cheapest_path
from recon.temporal.fitting.template import TemplateModel
from recon.temporal.fitting.waves import waves


def warm_up() -> None:
    """Run every kernel on a few numbers: half a second if their code lies on disk, seven seconds if it does not."""
    time = np.arange(8.0)
    ones, phase = np.ones((8, 1)), time / 4
    model = TemplateModel.of(ones, ones, ones, 2)
    rest, template = model.fit(phase)
    cheapest_path(model.cost(rest, template, 2, 2), np.zeros(2))
    waves(time / 8, 1, 2)
