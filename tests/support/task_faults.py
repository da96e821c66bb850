"""Faults in perivascular spaces and in the gadgets of image tasks, tried before random ones."""

TABLE: dict[str, list[tuple[str, str]]] = {
    "recon/perivascular/haar.py": [
        ("max(_CERTAIN * noise, 1e-12) - 1, 0, 1)", "max(_CERTAIN * noise, 1e-12), 0, 1)"),
        ("np.median(np.abs(kept)) / 0.6745", "np.median(np.abs(kept))"),
        ("total[covered] / count[covered]", "total[covered]"),
    ],
    "recon/perivascular/tubes.py": [
        ("black_ridges=False", "black_ridges=True"),
        ("np.sqrt(12 * variances[-1])", "np.sqrt(variances[-1])"),
        ("float(np.prod(voxel_mm)) / 1000", "float(np.prod(voxel_mm))"),
    ],
    "recon/perivascular/enhancement.py": [
        ("trained_mm[0] * (1 - _TOLERANCE)", "trained_mm[0] * (1 + _TOLERANCE)"),
        ("response = tubeness(enhanced, inside)", "response = tubeness(volume, inside)"),
    ],
    "recon/perivascular/white_matter.py": [
        ("around < _BRIGHTER * float", "around > _BRIGHTER * float"),
        ("volume / shading, middle, head)", "volume * shading, middle, head)"),
    ],
    "nets/inference/masked_enhancement.py": [
        ("torch.where(mask[box], restored, volume[box])", "restored"),
        (".clamp(min=0) * scale", ".clamp(min=0)"),
    ],
    "gadgets/image_tasks/stacks.py": [
        ("(float(step_mm), y_mm / rows, x_mm / columns)", "(float(step_mm), x_mm / columns, y_mm / rows)"),
        ("if len(volumes) > 1:", "if len(volumes) > 2:"),
        ("ordered, step_mm = (images, z_mm / depth)", "ordered, step_mm = (images, z_mm)"),
    ],
    "gadgets/image_tasks/images.py": [
        ("+ record.offset\n        head.image_index = min", "\n        head.image_index = min"),
        ("np.rint(voxels.astype(np.float32))", "voxels"),
    ],
    "gadgets/image_tasks/gadget.py": [
        ("for image in measurement.images[sent:]:", "for image in measurement.images:"),
        ("() if ORIGINAL in parameters.images else work.passed", "work.passed"),
    ],
    "gadgets/image_tasks/perivascular/work.py": [
        ("enhanced - stack.voxels", "stack.voxels - enhanced"),
        ('if parameters.mismatch == "error":', 'if parameters.mismatch == "warn":'),
        ("brain.mask, threshold)", "brain.mask)"),
    ],
    "gadgets/image_tasks/perivascular/white_matter_mask.py": [
        ("return mask.voxels > 0", "return mask.voxels >= 0"),
        ("np.abs(one - other).max() > _SAME_PLACE_MM", "np.abs(one - other).max() > 10"),
    ],
    "gadgets/image_tasks/segmentation/work.py": [
        ("np.stack([along_slices, along_rows, ", "np.stack([along_rows, along_slices, "),
        ("np.array(head.position[:]) - before @", "np.array(head.position[:]) + before @"),
        ("z // 2 if stack.is_volume else 0", "z // 2"),
        ("found.labels == number", "found.labels >= number"),
    ],
    "gadgets/simulated/labelled_volumes.py": [
        ("_TO_PATIENT[list(axes)] * np.array(signs)[:, None]", "_TO_PATIENT[list(axes)]"),
        ("(place - z // 2) * dz", "place * dz"),
    ],
}
