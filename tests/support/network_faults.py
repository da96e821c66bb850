"""Faults in networks and their training that once passed the tests, or are of their kind; tried before random ones."""

TABLE: dict[str, list[tuple[str, str]]] = {
    "nets/training/adversarial.py": [
        ("-verdict.mean() if self.gan", "verdict.mean() if self.gan"),
        ('"critic": -_distance(judge(both))', '"critic": _distance(judge(both))'),
        ("self.penalty_weight * penalty", "0.0 * penalty"),
        ("voxel + self.adversarial_weight * adversarial", "self.adversarial_weight * voxel + adversarial"),
        ("torch.ones_like(verdict))", "torch.zeros_like(verdict))"),
        (
            '(own, "discriminator"), (self.discriminator.feature, "feature")',
            '(own, "feature"), (self.discriminator.feature, "discriminator")',
        ),
        (
            '"discriminator": discriminator_rate, "feature": feature_rate',
            '"discriminator": feature_rate, "feature": discriminator_rate',
        ),
        (
            "_bce(real, torch.ones_like(real)) + _bce(generated, torch.zeros_like(generated))",
            "_bce(real, torch.zeros_like(real)) + _bce(generated, torch.ones_like(generated))",
        ),
        ("norm(dim=1) - 1).square()", "norm(dim=1)).square()"),
        ("share * real + (1 - share) * generated", "share * real + (1 - share) * real"),
        ("domain.repeat(2)", "1 - domain.repeat(2)"),
        ("self.network.eval()(zero_filled)", "self.network(zero_filled)"),
        ("generated.detach(), domain", "generated, domain"),
        (
            "self._judges_step(judges, label, generated.detach()",
            "self._judges_step(judges, zero_filled, generated.detach()",
        ),
        ("(0.0, 0.9) if self.gan", "(0.9, 0.999) if self.gan"),
        ("distance if learned else torch.full_like(distance, math.inf)", "distance"),
        ("self.discriminator.requires_grad_(True)", "self.discriminator.requires_grad_(False)"),
        ("self.turns.domain_strength(step))", "1.0)"),
    ],
    "nets/training/losses.py": [
        ('"l1": nn.functional.l1_loss', '"l1": nn.functional.mse_loss'),
        ("l1_scale * weights.abs().mean()", "l1_scale * weights.abs().sum()"),
        ("l2_scale * weights.square().mean()", "l1_scale * weights.square().mean()"),
        ("data_range=float(label.max())", "data_range=float(estimate.max())"),
        ("/ torch.linalg.vector_norm(label)", "/ torch.linalg.vector_norm(estimate)"),
        ("torch.stack(known).real.abs()", "torch.stack(known).real"),
    ],
    "nets/training/spatial_factor.py": [
        ("total = weight_penalty(self.network, self.l1_scale, self.l2_scale)", "total = 0.0"),
        (
            "weight_penalty(self.network, self.l1_scale, self.l2_scale)",
            "weight_penalty(self.network, self.l2_scale, self.l1_scale)",
        ),
        ("self._undone_by().of_label(of_input).undo(estimate)", "of_input.undo(estimate)"),
        ("relative_error(restored, truth)", "relative_error(maps, truth)"),
    ],
    "nets/training/super_resolution.py": [
        ("found = found + self.measured_weight * self._noted", "found = found + self._noted"),
        ("estimate - batch[1], batch[2]", "estimate, batch[2]"),
        ("                layer.train()", "                layer.eval()"),
    ],
    "nets/training/base.py": [
        ("error + self.penalty(estimate, batch)", "error"),
        ("self.loss(estimate, batch[1])", "self.loss(estimate, batch[0])"),
        ("metric(shown, label) for", "metric(estimate, label) for"),
        ("lr=self.learning_rate", "lr=1e-4"),
    ],
    "nets/training/export.py": [
        ('"greatest" if best.mode == "max"', '"least" if best.mode == "max"'),
        ("blend(before, after, self.start_share)", "blend(after, before, self.start_share)"),
        ('training.load_state_dict(checkpoint["state_dict"])', "pass"),
        ("if self.best and isinstance", "if isinstance"),
    ],
    "nets/training/schedules.py": [
        ("(step + 1) / warm", "step / warm"),
        ("0.5 * (1 + math.cos", "0.5 * (1 - math.cos"),
        ("(since + 1) % self.per_generator == 0", "since % self.per_generator == 0"),
        ("min(1.0, step / self.warm_up)", "min(1.0, 1 - step / self.warm_up)"),
    ],
    "nets/training/domain_figure.py": [("argmin(dim=1)", "argmax(dim=1)")],
    "nets/scaling.py": [
        ("(channels - self.mean) / self.deviation", "(channels + self.mean) / self.deviation"),
        ("channels * self.deviation + self.mean", "channels * self.deviation - self.mean"),
        ("label.deviation / shown.deviation", "shown.deviation / label.deviation"),
        ("[maps.real, maps.imag]", "[maps.imag, maps.real]"),
        ("_QUANTILE = 0.999", "_QUANTILE = 0.99"),
    ],
    "nets/data/pairs.py": [
        ("label if self.own_label_statistics else shown", "shown"),
        ("zip(pair, scales, strict=True))", "zip(pair, scales[::-1], strict=True))"),
    ],
    "nets/data/volumes.py": [
        ("low / scale, label / scale", "low / scale, label"),
        ("return pair[:1].float(), pair[1:].float()", "return pair[1:].float(), pair[:1].float()"),
        ("self.seed + number", "self.seed"),
    ],
    "nets/data/training_samples.py": [
        ("lambda places: (places - 1) // 2", "lambda places: 0"),
        ("(self.samples.seed, *key)", "(self.samples.seed, key[1])"),
        ('parts = {"validation": shuffled[:held], "test"', 'parts = {"validation": shuffled[: held + 1], "test"'),
    ],
    "nets/data/shuffled_epochs.py": [
        ("default_rng((self.seed, epoch))", "default_rng(self.seed)"),
        ("place * self.num_replicas + self.rank", "place + self.rank"),
        ("int(number) + rounds * self.length", "int(number)"),
    ],
    "nets/data/degradation.py": [
        ("first = -(lines // 2)", "first = -(lines // 2) + 1"),
        ("truncate_kspace(signal, factors), signal.abs()", "truncate_kspace(full, factors), signal.abs()"),
        (
            "measured_part(random_texture(tuple(signal.shape), generator), factors)",
            "random_texture(tuple(signal.shape), generator)",
        ),
    ],
    "nets/data/augmentation.py": [
        ("torch.stack([pair[0] + noise, pair[1]])", "torch.stack([pair[0] + noise, pair[1] + noise])"),
        ("np.sqrt(radius) *", "radius *"),
        ("range(-axes, 0)", "range(-axes, -1)"),
        ("np.exp(phases)", "np.exp(-phases.imag)"),
    ],
    "nets/inference/spatial_factor.py": [
        ("self._label.of_label(normalisation).undo(", "normalisation.undo("),
        ("[:rank].to", "[-rank:].to"),
    ],
    "nets/inference/super_resolution.py": [
        ("current[0].clamp(min=0) * scale", "current[0].clamp(min=0)"),
        ("volume[None] / scale", "volume[None]"),
        ('.get("batch_statistics") == "patch"', '.get("batch_statistics") == "stored"'),
    ],
    "nets/inference/patches.py": [
        ("total / counts", "total"),
        ("extent - 2 * margin) // 2", "extent - 2 * margin)"),
        ("start + extent - margin\n", "start + extent\n"),
    ],
    "nets/architectures/blocks.py": [
        ("self._rows(some, key).transpose(1, 2)", "self._rows(key, some)"),
        ("nn.AvgPool2d, 3: nn.AvgPool3d", "nn.MaxPool2d, 3: nn.MaxPool3d"),
        ("dim=-1)", "dim=1)"),
        ("self.gamma * nn", "nn"),
        ("features if self.keep_input else features[:, self.inputs :]", "features"),
        (
            "torch.cat([features, block(compressor(features))], dim=1)",
            "torch.cat([block(compressor(features)), features], dim=1)",
        ),
        ("permute(0, 1, 3, 5, 7, 2, 4, 6)", "permute(0, 1, 5, 3, 7, 2, 4, 6)"),
        ("[nn.GroupNorm(1, channels)]", "[nn.GroupNorm(channels, channels)]"),
        ("outputs = self.units[0](features)", "outputs = torch.relu(self.units[0](features))"),
    ],
    "nets/architectures/mdcn.py": [
        ("for dilation in config.dilations]", "for dilation in config.dilations[::-1]]"),
        ("dilations: tuple[int, ...] = (1, 4, 8, 1)", "dilations: tuple[int, ...] = (1, 8, 4, 1)"),
        ("layers = [*norm(config.norm, dims, inputs), nn.ELU()]", "layers = [*norm(config.norm, dims, inputs)]"),
    ],
    "nets/architectures/unrolled.py": [
        ("(data.density.mean() * power) / _USUAL_NOISE", "data.density.mean() / _USUAL_NOISE"),
        (".clamp(1, _MOST)", ".clamp(0, _MOST)"),
        (".clamp(1, _MOST)", ".clamp(1, 1)"),
        ("data.noise_variance / (density * scale**2)", "data.noise_variance / (density * scale)"),
        ("_USUAL_NOISE = 0.01", "_USUAL_NOISE = 0.1"),
        ("preconditioned + energy / before", "preconditioned + before / energy"),
        ("data.adjoint / (density * scale)", "data.adjoint / density"),
        ("fft2(maps) / (data.density + weight)", "fft2(maps) / data.density"),
        ("+ weight * direction", ""),
    ],
    "nets/architectures/mdcsrn.py": [
        (
            "*norm(config.norm, dims, inputs), nn.ELU(), squeeze, *([Self",
            "*norm(config.norm, dims, inputs), squeeze, *([Self",
        ),
        ("return volume + restored if", "return restored if"),
        ('mode="replicate"', 'mode="constant"'),
        ("(config.blocks // 2)", "(config.blocks // 2 - 1)"),
    ],
    "nets/architectures/dense_unet.py": [
        ("skip = skips.pop()", "skip = skips.pop(0)"),
        ("[_fill(rise(features), skip), skip]", "[skip, _fill(rise(features), skip)]"),
        ("nn.ELU(), conv(dims, inputs, growth", "conv(dims, inputs, growth"),
    ],
    "nets/architectures/rrdg.py": [
        ("_RESIDUAL_SCALE = 0.2", "_RESIDUAL_SCALE = 0.1"),
        ("features + _RESIDUAL_SCALE * self.fuse(dense)", "_RESIDUAL_SCALE * self.fuse(dense)"),
        ("features + _RESIDUAL_SCALE * self.inner(features)", "features + self.inner(features)"),
        ("self.head(features + self.trunk(features))", "self.head(self.trunk(features))"),
        ("alpha * value + (1 - alpha) * gan[name]", "(1 - alpha) * value + alpha * gan[name]"),
        ("layer.momentum = 0.0", "layer.momentum = 0.1"),
    ],
    "nets/architectures/discriminators.py": [
        (".flatten(1).mean(dim=1)", ".flatten(1).sum(dim=1)"),
        ("_SLOPE = 0.2", "_SLOPE = 0.01"),
        ("-context.strength * gradient", "context.strength * gradient"),
        ("(1, 2, 1, 2, 1, 1, 1, 1)", "(1, 2, 1, 2, 1, 2, 1, 2)"),
        ("self.feature(reverse_gradient(features, strength))", "self.feature(features)"),
    ],
    "nets/architectures/dwan.py": [
        ("conv(2, width, wide, dilation=dilation)", "conv(2, width, wide)"),
        ("return features + self.narrow", "return self.narrow"),
        ("+ self.skip(image)", ""),
        ("torch.relu(self.widen(features))", "self.widen(features)"),
    ],
    "nets/architectures/dcdensenet.py": [("outputs[:, -self.config.growth :]", "outputs[:, : self.config.growth]")],
    "nets/architectures/baselines.py": [
        ("return volume + self.layers(volume)", "return self.layers(volume)"),
        ("features + block(features)", "block(features)"),
        ("self.head(first + self.trunk(features))", "self.head(self.trunk(features))"),
        ("block(features[-1])", "block(features[0])"),
    ],
}
"""Path → what stands there once, and what stands there instead."""

WITHOUT_EFFECT: dict[str, tuple[str, ...]] = {
    # how a picture looks, and what a progress bar shows
    "nets/training/domain_figure.py": ("_PATCHES =", "figsize=", "dpi=", "fontsize=", "full_matrices=False", "s=12"),
    "nets/training/export.py": ("figsize=", "dpi=", "is_global_zero", "enable_progress_bar=False"),
    "nets/training/base.py": ("prog_bar=True", "on_epoch=True"),
    "nets/training/super_resolution.py": ("on_epoch=True",),
    "nets/training/adversarial.py": ("prog_bar=True", "on_epoch=True"),
    # a sum of random numbers and their difference have one distribution
    "nets/data/augmentation.py": ("rng.standard_normal((2, *shape)", "white[0] + 1j * white[1]"),
}
"""As in :data:`tests.support.faults.WITHOUT_EFFECT`."""
