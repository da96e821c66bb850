"""Faults in what outlines organs and judges outlines, tried before random ones."""

TABLE: dict[str, list[tuple[str, str]]] = {
    "recon/quality/label_agreement.py": [
        ("2 * common / sum(sizes)", "common / sum(sizes)"),
        ("away[1][surfaces[0]], away[0][surfaces[1]]", "away[0][surfaces[0]], away[1][surfaces[1]]"),
        ("np.prod(spacing_mm) / step", "np.prod(spacing_mm)"),
        ('np.pad(mask, 1, mode="edge")', "np.pad(mask, 1)"),
        ("max(map(_reach, distances, weights))", "min(map(_reach, distances, weights))"),
    ],
    "recon/organs/patient_grid.py": [
        ("np.eye(3)[::-1], spacing_mm", "np.eye(3), spacing_mm"),
        ("np.linalg.solve(source.affine, target.affine)", "np.linalg.solve(target.affine, source.affine)"),
        ("np.maximum((steps - 1) / 2, 0)", "0 * steps"),
        ("matrix[:3, 3] + 1", "matrix[:3, 3]"),
        ("(counts - 1) / 2 * spacing_mm", "counts / 2 * spacing_mm"),
    ],
    "recon/organs/outlining.py": [("resampled(each, source, target)", "resampled(each > 0.5, source, target)")],
    "recon/simulation/abdomen/vibe.py": [("(1 - e1) / (1 - e1 * np.cos(flip))", "(1 - e1) / (1 + e1 * np.cos(flip))")],
    "nets/inference/organs/three_views.py": [
        ("*range(0, length - slices, slices), length - slices", "*range(0, length, slices)"),
        (".movedim(1, axis + 1)", ".movedim(1, 1)"),
        ("summed / (len(views) + 1)", "0 * summed"),
        ("(ballot == winner).float()", "torch.ones_like(voters)"),
        ("counts[start : start + slices] += 1", "counts[start : start + slices] = 1"),
    ],
    "nets/data/organs/organ_stacks.py": [
        ("if other == LEFT_RIGHT else labels", "if other != LEFT_RIGHT else labels"),
        ("volume.movedim(axis - 3, -3)", "volume.transpose(axis - 3, -3)"),
    ],
    "nets/data/organs/projection.py": [("matrix.T", "matrix"), ('mode="nearest"', 'mode="bilinear"')],
    "nets/training/organs/label_losses.py": [
        ("scores.unflatten(1, (slices, -1)).transpose(1, 2)", "scores.unflatten(1, (-1, slices))"),
        ("nn.functional.avg_pool2d", "nn.functional.max_pool2d"),
        ("1 - (2 * common / both)[known].mean()", "1 - (2 * common.sum() / both.sum())"),
        ("range(1, classes)", "range(classes)"),
    ],
    "nets/training/organs/segmentation.py": [
        ("self.dice_weight * overlap_error", "overlap_error"),
        ("*(pooled_class_error(side, batch[1]) for side in coarser)", ""),
    ],
    "nets/training/organs/synthesis_losses.py": [
        ("(1 - a[-1]).relu()", "(1 + a[-1]).relu()"),
        ("(1 + b[-1]).relu()", "(1 - b[-1]).relu()"),
        ("return -torch.stack([made[-1].mean()", "return torch.stack([made[-1].mean()"),
        ("zip(one[:-1], other[:-1], strict=True)", "zip(one, other, strict=True)"),
        ("l1(b, a.detach())", "l1(b.detach(), a)"),
        ("known = one.detach()", "known = other.detach()"),
        ("log_variance.exp() - 1", "log_variance.exp() + 1"),
    ],
    "nets/training/organs/spade_training.py": [
        ("generated.detach())", "generated)"),
        ("self.matching_weight * feature_distance(real, made)", "feature_distance(real, made)"),
        ('"adversarial": generator_hinge(made)', '"adversarial": generator_hinge(real)'),
        (
            "[one for one, _ in scale] for scale in halves], [[other for _",
            "[one for _, one in scale] for scale in halves], [[other for _",
        ),
        ("(each - mean) / deviation", "each - mean"),
        ("_BETAS = (0.0, 0.9)", "_BETAS = (0.9, 0.999)"),
        ("self.rates = (generator_rate, critic_rate)", "self.rates = (critic_rate, generator_rate)"),
        ("return loaded.network.requires_grad_(False)", "return loaded.network"),
    ],
    "nets/data/organs/organ_slices.py": [
        (
            "sample.pair.narrow(1, int(labelled[corner(len(labelled))]), 1)",
            "sample.pair.narrow(1, corner(len(sample.pair[0])), 1)",
        ),
        (".clamp(0, 1)", ""),
        ("seen[seen > 0]", "seen"),
    ],
    "nets/inference/organs/synthesis.py": [
        ("(torch.stack(slices) + 1) / 2 * self.ceiling", "torch.stack(slices) * self.ceiling"),
        ("shares < self.least_share", "shares > self.least_share"),
    ],
}
