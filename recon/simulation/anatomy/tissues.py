"""What tissues are made of: proton density, T1, T2* and their spread, at 1.5 T and 3 T.

T1 at 3 T of the tissues of the chest: `recon.simulation.chest.signal` (the same ranges). Others, and 1.5 T: within
Stanisz 2005 (MRM 54:507: muscle, liver, kidney, white and grey matter, blood, cord) and de Bazelaire 2004 (Radiology
230:652: kidney, spleen, pancreas, marrow, fat); what neither gives, T2* and densities are chosen.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Material:
    """What one structure of one subject is made of.

    Attributes
    ----------
    name : str
    density : float
        Proton density that is seen, relative to water.
    t1_ms, t2_star_ms : float
    inflow : float
        Mean share of fresh spins.
    fat : float
        Share of the signal at fat's frequency.
    texture : float
        Standard deviation of the density within, relative.
    """

    name: str
    density: float
    t1_ms: float
    t2_star_ms: float
    inflow: float = 0.0
    fat: float = 0.0
    texture: float = 0.05


AIR = Material("air", 0.0, 1000.0, 1.0, texture=0.0)

# density, T1 at 1.5 T, T1 at 3 T, T2* at 3 T (ms), fat share, texture; ranges
_RANGES: dict[str, tuple[tuple[float, float], ...]] = {
    "skin": ((0.45, 0.6), (800, 1000), (900, 1150), (12, 18), (0.1, 0.2), (0.05, 0.1)),
    "fat": ((0.7, 0.85), (280, 345), (350, 400), (20, 35), (0.88, 0.95), (0.04, 0.1)),
    "visceral fat": ((0.65, 0.8), (290, 360), (355, 420), (18, 30), (0.8, 0.92), (0.06, 0.13)),
    "muscle": ((0.72, 0.82), (850, 1010), (1000, 1400), (22, 30), (0.0, 0.05), (0.05, 0.1)),
    "lung": ((0.06, 0.16), (1050, 1200), (1100, 1300), (0.8, 2.0), (0.0, 0.0), (0.1, 0.15)),
    "liver": ((0.7, 0.8), (560, 650), (750, 850), (15, 25), (0.0, 0.12), (0.03, 0.08)),
    "spleen": ((0.75, 0.85), (1020, 1100), (1250, 1380), (25, 40), (0.0, 0.0), (0.03, 0.06)),
    "pancreas": ((0.7, 0.8), (550, 620), (700, 800), (20, 30), (0.05, 0.2), (0.08, 0.14)),
    "kidney cortex": ((0.78, 0.86), (900, 1000), (1100, 1200), (35, 50), (0.0, 0.0), (0.03, 0.06)),
    "kidney medulla": ((0.8, 0.9), (1350, 1450), (1480, 1600), (25, 35), (0.0, 0.0), (0.03, 0.06)),
    "bowel wall": ((0.7, 0.8), (800, 1000), (900, 1200), (20, 30), (0.0, 0.1), (0.05, 0.1)),
    "bowel content": ((0.5, 0.95), (500, 2200), (600, 2600), (20, 80), (0.0, 0.2), (0.08, 0.15)),
    "marrow": ((0.45, 0.62), (450, 550), (500, 600), (8, 14), (0.3, 0.6), (0.08, 0.15)),
    "yellow marrow": ((0.65, 0.8), (280, 350), (350, 420), (15, 25), (0.85, 0.95), (0.05, 0.1)),
    "bone": ((0.04, 0.1), (400, 800), (400, 800), (0.5, 1.5), (0.0, 0.1), (0.1, 0.15)),
    "cartilage": ((0.5, 0.7), (950, 1050), (1100, 1250), (12, 20), (0.0, 0.0), (0.05, 0.1)),
    "fibrous": ((0.15, 0.35), (600, 900), (700, 1000), (3, 8), (0.0, 0.1), (0.05, 0.1)),
    "myocardium": ((0.78, 0.86), (930, 1040), (1150, 1300), (28, 36), (0.0, 0.03), (0.03, 0.07)),
    "infarct": ((0.78, 0.88), (1150, 1300), (1400, 1600), (26, 36), (0.0, 0.05), (0.05, 0.1)),
    "oedema": ((0.84, 0.92), (1080, 1200), (1320, 1450), (32, 42), (0.0, 0.0), (0.03, 0.07)),
    "blood": ((0.9, 1.0), (1440, 1600), (1800, 2000), (40, 70), (0.0, 0.0), (0.02, 0.04)),
    "venous blood": ((0.9, 1.0), (1400, 1550), (1700, 1900), (18, 30), (0.0, 0.0), (0.02, 0.04)),
    "fluid": ((0.95, 1.0), (2300, 3000), (2500, 3300), (60, 120), (0.0, 0.0), (0.02, 0.03)),
    "cerebrospinal fluid": ((0.95, 1.0), (3500, 4200), (3800, 4400), (80, 150), (0.0, 0.0), (0.02, 0.03)),
    "cord": ((0.7, 0.78), (720, 780), (950, 1030), (35, 50), (0.0, 0.0), (0.02, 0.05)),
    "white matter": ((0.66, 0.72), (600, 884), (800, 1084), (45, 55), (0.0, 0.0), (0.02, 0.04)),
    "grey matter": ((0.78, 0.86), (950, 1124), (1250, 1820), (45, 60), (0.0, 0.0), (0.02, 0.05)),
    "deep grey matter": ((0.74, 0.82), (900, 1050), (1150, 1400), (28, 40), (0.0, 0.0), (0.02, 0.05)),
    "gland": ((0.65, 0.8), (950, 1200), (1200, 1500), (30, 45), (0.05, 0.3), (0.1, 0.15)),
}

_MEASURED_T = 1.5, 3.0

_FRESH = {"blood": (0.65, 0.9), "venous blood": (0.35, 0.75)}
"""Share of fresh spins; without it the steady state of blood is darker than the myocardium's."""


def random_materials(rng: np.random.Generator, field_t: float) -> dict[str, Material]:
    """Draw the tissues of one subject.

    Parameters
    ----------
    rng : numpy.random.Generator
    field_t : float
        T1 lies on the line through 1.5 T and 3 T; T2* falls as 1/field.

    Returns
    -------
    dict of str to Material
    """
    share = (field_t - _MEASURED_T[0]) / (_MEASURED_T[1] - _MEASURED_T[0])
    materials = {"air": AIR}
    for name, (density, low_field, high_field, t2_star, fat, texture) in _RANGES.items():
        within = rng.random()  # one subject is as far within both ranges
        t1_ms = [low + within * (high - low) for low, high in (low_field, high_field)]
        materials[name] = Material(
            name,
            rng.uniform(*density),
            max(50.0, t1_ms[0] + share * (t1_ms[1] - t1_ms[0])),
            rng.uniform(*t2_star) * _MEASURED_T[1] / field_t,
            rng.uniform(*_FRESH.get(name, (0.0, 0.0))),
            rng.uniform(*fat),
            rng.uniform(*texture),
        )
    return materials
