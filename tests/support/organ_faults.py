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
}
