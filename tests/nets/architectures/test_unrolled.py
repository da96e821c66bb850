"""The unrolled network: against explicit loops, its gradient, and what it does before training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nets.architectures.unrolled import DataTerm, MdcnUnrolled, UnrolledConfig, consistent

L, N = 3, 6
SMALL = UnrolledConfig(rank=4, rounds=2, growth=8, blocks=1, cg_steps=2)


def a_term(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, DataTerm]:
    """A dense normal operator of a density that is not flat, and what was measured of random maps."""
    torch.manual_seed(seed)
    encoding = torch.randn(2 * L * N * N, L * N * N, dtype=torch.complex64) / N
    matrix = encoding.conj().T @ encoding / L
    truth = torch.randn(L, N, N, dtype=torch.complex64)
    density = 0.5 + torch.rand(N, N)

    def normal(maps: torch.Tensor) -> torch.Tensor:
        return (matrix @ maps.reshape(-1)).reshape(maps.shape)

    return matrix, truth, DataTerm(normal, normal(truth), density, 0.05)


def a_network(config: UnrolledConfig = SMALL) -> MdcnUnrolled:
    network = MdcnUnrolled(config)
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=0.1)
    return network


def test_many_steps_reach_the_minimum() -> None:
    matrix, truth, data = a_term()
    weight, prior = torch.tensor(0.3), torch.randn(L, N, N, dtype=torch.complex64)
    found = consistent(prior, data, weight, 200).reshape(-1).numpy()
    system = matrix.numpy().astype(complex) + 0.3 * np.eye(L * N * N)
    right = data.adjoint.reshape(-1).numpy() + 0.3 * prior.reshape(-1).numpy()
    assert np.allclose(found, np.linalg.solve(system, right), atol=2e-4)
    assert not np.allclose(found, truth.reshape(-1).numpy(), atol=1e-2)  # the prior counts


def by_loops(network: MdcnUnrolled, start: np.ndarray, matrix: np.ndarray, data: DataTerm) -> np.ndarray:
    """Rounds of network and preconditioned CG as a textbook writes them, in double precision."""
    # The deviation over all channels, real and imaginary, of maps that the scan has and of those that it lacks.
    scale = np.sqrt(np.sum(np.abs(start) ** 2) / (2 * network.config.rank * N * N))
    mean = float(data.density.mean())
    system, right = matrix / mean, data.adjoint.numpy().ravel() / (mean * scale)
    density, estimate = data.density.numpy() / mean, start / scale
    # The noise of a pixel of evenly sampled data, over the mean power of the maps that the scan has.
    noise = data.noise_variance / (mean * np.mean(np.abs(start) ** 2))
    for number in range(network.config.rounds):
        mu = float(network.log_weights[number].detach().exp())
        mu *= max(1.0, noise / 0.01)
        given = torch.from_numpy(estimate.astype(np.complex64))
        prior = network.networks[number](given).detach().numpy()

        def precondition(vector: np.ndarray, mu: float = mu) -> np.ndarray:
            return np.fft.ifft2(np.fft.fft2(vector.reshape(start.shape)) / (density + mu)).ravel()

        x = prior.ravel().astype(complex)
        r = right + mu * x - (system @ x + mu * x)
        z = precondition(r)
        p = z.copy()
        for _ in range(network.config.cg_steps):
            image = system @ p + mu * p
            alpha = np.vdot(r, z).real / np.vdot(p, image).real
            x = x + alpha * p
            fresh = r - alpha * image
            fresh_z = precondition(fresh)
            beta = np.vdot(fresh, fresh_z).real / np.vdot(r, z).real
            r, z = fresh, fresh_z
            p = z + beta * p
        estimate = x.reshape(start.shape)
    if network.config.refines:
        given = torch.from_numpy(estimate.astype(np.complex64))
        estimate = network.networks[network.config.rounds](given).detach().numpy()
    return estimate * scale


@pytest.mark.parametrize(
    ("shared", "refines", "noise"), [(False, True, 1.0), (True, True, 0.0), (False, False, 20.0), (False, True, 1e-3)]
)
def test_the_network_equals_explicit_loops(shared: bool, refines: bool, noise: float) -> None:
    matrix, _, data = a_term()
    data = replace(data, noise_variance=noise)
    config = UnrolledConfig(rank=4, rounds=2, growth=8, blocks=1, cg_steps=3, shared=shared, refines=refines)
    network = a_network(config)
    assert len(network.networks) == (1 if shared else 2 + refines)
    if shared:
        network.networks.extend(2 * [network.networks[0]])  # the loops below name one for each round
    start = 7 * torch.randn(L, N, N, dtype=torch.complex64)
    with torch.no_grad():
        found = network(start, data).numpy()
    expected = by_loops(network, start.numpy(), matrix.numpy().astype(complex), data)
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_gradient_is_right(checkpointing: bool) -> None:
    _, truth, data = a_term()
    network = a_network()
    network.checkpointing = checkpointing
    start = torch.randn(L, N, N, dtype=torch.complex64)

    def loss() -> torch.Tensor:
        return (network(start, data) - truth).abs().square().mean()

    loss().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None
        place, step = int(weight.grad.abs().argmax()), 1e-2
        found, flat = float(weight.grad.flatten()[place]), weight.detach().view(-1)
        with torch.no_grad():
            flat[place] += step
            above = loss()
            flat[place] -= 2 * step
            below = loss()
            flat[place] += step
        assert float((above - below) / (2 * step)) == pytest.approx(found, rel=0.03, abs=1e-4), name


def test_before_training_only_the_data_speak() -> None:
    _, truth, data = a_term()
    start = truth + 0.5 * torch.randn(L, N, N, dtype=torch.complex64)
    with torch.no_grad():
        found = MdcnUnrolled(SMALL)(start, data)

    def misfit(maps: torch.Tensor) -> float:
        return float(torch.linalg.vector_norm(data.normal(maps) - data.adjoint))

    assert misfit(found) < 0.5 * misfit(start)


def test_maps_that_a_scan_lacks_count_as_zero() -> None:
    network = a_network()
    maps = torch.randn(L, 7, 6, dtype=torch.complex64)
    padded = torch.cat([maps, torch.zeros(1, 7, 6, dtype=torch.complex64)])
    with torch.no_grad():
        few, all_maps = network.networks[0](maps), network.networks[0](padded)
    assert few.shape == maps.shape
    assert torch.allclose(few, all_maps[:L], atol=1e-6)


def test_the_scale_of_the_data_is_kept() -> None:
    _, _, data = a_term()
    network, start = a_network(), torch.randn(L, N, N, dtype=torch.complex64)
    larger = DataTerm(data.normal, 1000 * data.adjoint, data.density, 1e6 * data.noise_variance)
    with torch.no_grad():
        assert torch.allclose(network(1000 * start, larger), 1000 * network(start, data), rtol=1e-3, atol=1e-2)


def test_the_noisier_the_data_the_less_they_count() -> None:
    _, truth, data = a_term()
    start = truth + 0.5 * torch.randn(L, N, N, dtype=torch.complex64)
    network = MdcnUnrolled(SMALL)  # its networks hand through what they are given

    def moved(noise: float) -> float:
        with torch.no_grad():
            return float(torch.linalg.vector_norm(network(start, replace(data, noise_variance=noise)) - start))

    power = float(data.density.mean() * start.abs().square().mean())
    usual, none, noisy, hopeless = (moved(share * power) for share in (0.01, 0.0, 3.0, 1e6))
    assert usual == none > 2 * noisy > 4 * hopeless > 0
