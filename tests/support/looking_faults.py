"""Faults in what shows where voxels look, tried before random ones."""

TABLE: dict[str, list[tuple[str, str]]] = {
    "nets/inference/attention_maps.py": [
        ("query[0] - z.start, query[1] - y.start, query[2] - x.start", "query[0], query[1], query[2]"),
        ("volume / intensity_scale(volume)", "volume"),
        ("index - extent // 2", "index"),
        ('mode="trilinear"', 'mode="nearest"'),
        ("start + extent))", "start + extent + 1))"),
    ],
}
