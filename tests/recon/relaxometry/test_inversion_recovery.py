import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from recon.relaxometry.inversion_recovery import InversionRecovery, recovery_basis, recovery_curves, recovery_dictionary


def bloch(t1_ms: float, flip_deg: float, efficiency: float, tr_ms: float, delay_ms: float, pulses: int) -> np.ndarray:
    """Longitudinal magnetisation before each pulse, pulse by pulse until it repeats from inversion to inversion."""
    m, seen, before = 1.0, np.zeros(pulses), np.inf
    while abs(m - before) > 1e-13:
        before = m
        m = 1 + (-efficiency * m - 1) * np.exp(-delay_ms / t1_ms)
        for pulse in range(pulses):
            seen[pulse] = m
            m = 1 + (m * np.cos(np.deg2rad(flip_deg)) - 1) * np.exp(-tr_ms / t1_ms)
    return seen


@given(st.floats(150, 3000), st.floats(0.5, 12), st.floats(0.5, 1), st.floats(0, 20), st.integers(20, 200))
@settings(max_examples=25, deadline=None)
def test_curves_equal_a_bloch_recursion_pulse_by_pulse(
    t1_ms: float, flip_deg: float, efficiency: float, delay_ms: float, pulses: int
) -> None:
    sequence = InversionRecovery(4.0, flip_deg, delay_ms, pulses)
    expected = bloch(t1_ms, flip_deg, efficiency, 4.0, delay_ms, pulses)
    ours = sequence.curves([t1_ms], [efficiency], [0.0], np.arange(pulses))[0]
    assert np.allclose(ours, expected, atol=1e-9)
    fresh = sequence.curves([t1_ms], [efficiency], [1.0], np.arange(pulses))[0]
    assert np.allclose(fresh, bloch(t1_ms, 0.0, efficiency, 4.0, delay_ms, pulses), atol=1e-6)


def test_the_first_inversion_meets_the_equilibrium() -> None:
    """Inverted to -0.8 of it, magnetisation has recovered by 1 - e^-1 of its way after a delay of T1."""
    found = InversionRecovery(4.0, 5.0, 600.0, 100).first_start(np.array([600.0, 300.0]), 0.8)
    assert found == pytest.approx([1 - 1.8 / np.e, 1 - 1.8 / np.e**2])


@given(st.floats(150, 3000), st.floats(0.5, 12), st.floats(0.5, 1))
@settings(max_examples=25, deadline=None)
def test_dictionary_curves_equal_the_bloch_recursion(t1_ms: float, flip_deg: float, efficiency: float) -> None:
    """Relative to the steady state, with B read off the recursion's own start."""
    pulses = 120
    expected = bloch(t1_ms, flip_deg, efficiency, 4.0, 0.0, pulses)
    relaxation = np.exp(-4.0 / t1_ms)
    steady = (1 - relaxation) / (1 - relaxation * np.cos(np.deg2rad(flip_deg)))
    curve = recovery_curves([t1_ms], [flip_deg], expected[:1] / steady, 4.0, np.arange(pulses))[0]
    assert np.allclose(curve * steady, expected, atol=1e-9)


def test_basis_is_that_of_the_dictionary() -> None:
    dictionary = recovery_dictionary(3.6, 5.0, 300)
    basis = recovery_basis(3.6, 5.0, 300, 5)
    expected = np.linalg.svd(dictionary.T @ dictionary)[0][:, :5]
    assert np.allclose(basis.T @ basis, np.eye(5), atol=1e-10)
    assert np.allclose(np.abs(np.sum(basis * expected, axis=0)), 1, atol=1e-6)
    left = dictionary - dictionary @ basis @ basis.T
    assert np.linalg.norm(left) < 3e-3 * np.linalg.norm(dictionary)


@pytest.mark.parametrize("inflow", [0.0, 0.8])
def test_five_functions_hold_tissue_and_flowing_blood(inflow: float) -> None:
    sequence = InversionRecovery(3.6, 5.0, 5.0, 688)
    curves = sequence.curves([300, 800, 1250, 1900], 0.95, inflow, np.arange(688))
    basis = recovery_basis(3.6, 5.0, 688, 5)
    left = curves - curves @ basis @ basis.T
    assert np.all(np.linalg.norm(left, axis=1) < 1e-2 * np.linalg.norm(curves, axis=1))


def test_times_in_milliseconds_and_blood_that_shares_its_spins() -> None:
    sequence = InversionRecovery(4.0, 60.0, 12.0, 50)
    assert sequence.inversion_time_ms(np.array([0, 1, 25])).tolist() == [12.0, 16.0, 112.0]
    assert sequence.cosine == pytest.approx(0.5)
    still, fresh, mixed = (sequence.curves([900.0], [0.9], [share], np.arange(50)) for share in (0.0, 1.0, 0.3))
    assert np.allclose(mixed, 0.7 * still + 0.3 * fresh)
    assert sequence.curves([300.0, 900.0], 0.9, [0.0, 0.1], np.arange(7)).shape == (2, 7)


@pytest.mark.parametrize("nominal_deg", [0.2, 5.0])
def test_dictionary_spans_its_ranges(nominal_deg: float) -> None:
    """T1 from 100 to 3000 ms, B from -1 to -0.5, flip angles from 0.5° to 1.5 times the nominal one, or 1°."""
    dictionary = recovery_dictionary(4.0, nominal_deg, 30)
    highest = max(1.5 * nominal_deg, 1.0)
    assert len(dictionary) == 101 * 15 * 21
    assert dictionary[:, 0].min() == pytest.approx(-1)
    assert dictionary[:, 0].max() == pytest.approx(-0.5)
    for row, t1_ms, flip_deg, b in ((0, 100.0, 0.5, -1.0), (-1, 3000.0, highest, -0.5), (20, 100.0, 0.5, -0.5)):
        assert np.allclose(dictionary[row], recovery_curves(t1_ms, flip_deg, b, 4.0, np.arange(30))[0])
    assert recovery_basis(4.0, nominal_deg, 3, 5).shape == (3, 3)
