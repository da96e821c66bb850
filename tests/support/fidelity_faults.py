"""Faults in what judges anatomy and reads stenoses, and in what trains and blends for it, tried before random ones."""

TABLE: dict[str, list[tuple[str, str]]] = {
    "recon/quality/anatomical_fidelity.py": [
        ("1 / np.asarray(magnitudes, dtype=np.float64).mean(axis=0)", "np.asarray(magnitudes).mean(axis=0)"),
        ("2 * common / both", "common / both"),
        ("common / (both - common)", "common / both"),
        ("np.diag(counts)[1:]", "np.diag(counts)[:-1]"),
        ("known = both > 0", "known = common > 0"),
    ],
    "recon/quality/stenosis_grades.py": [
        ("(right_no, wrong_yes), (wrong_no, right_yes)", "(right_no, wrong_no), (wrong_yes, right_yes)"),
        ("_share(2 * right_yes, 2 * right_yes + wrong_yes + wrong_no)", "_share(right_yes, right_yes + wrong_yes)"),
        ("1 - np.sqrt(min(max(float(even.min())", "1 - (min(max(float(even.min())"),
        ("float(even.min())", "float(areas.min())"),
        ("hits[1:] + hits[:-1]) / 2", "hits[1:])"),
        ('side="right"', 'side="left"'),
        ("(np.asarray(true) - 1, np.asarray(found) - 1)", "(np.asarray(found) - 1, np.asarray(true) - 1)"),
    ],
    "recon/simulation/labelled_brain/labelled_head.py": [
        ("found[y > 46 + waves]", "found[y < 46 + waves]"),
        ("np.argmax(shares, axis=0)", "np.argmin(shares, axis=0)"),
        ("self.labels[inside] = PART[part] if isinstance(part, str) else part[inside]", "pass"),
        ('self.cover(self.depth((4, 12, side * 11), (10, 15, 9), 0.06), "nuclei", "thalamus")', "pass"),
    ],
    "recon/simulation/angiogram/coronary_segments.py": [
        ("Stenosis(point, depth,", "Stenosis(point, 0.5 * depth,"),
        ('starts |= {"LAD": end, "LCX": end}', 'starts |= {"LAD": starts["RCA"], "LCX": end}'),
    ],
    "nets/architectures/parcellation/highres3dnet.py": [
        ("return kept + self.layers(features)", "return self.layers(features)"),
        ("for channels in (inputs, outputs)", "for channels in (inputs, inputs)"),
        ("dilation=2**level", "dilation=1"),
        ("scores.transpose(1, 2)", "scores"),
    ],
    "nets/inference/organs/brain_network.py": [
        ("(features[0] - features[1]).abs()", "(features[0] - features[1])"),
        ("features[1].abs().mean", "features[0].abs().mean"),
        ("normalisation_of(torch.from_numpy(original))", "normalisation_of(torch.from_numpy(restored))"),
        ("found, true = features", "true, found = features"),
    ],
    "nets/training/organs/parcellation.py": [
        ("self.dice_weight * overlap_error", "overlap_error"),
        ("self.loss(slice_channels(estimate), batch[1])", "0 * self.loss(slice_channels(estimate), batch[1])"),
    ],
    "nets/data/organs/labelled_patches.py": [("(1, 0, 0),", "(0, 1, 0),")],
    "nets/inference/blending.py": [('get("batch_statistics", "stored")', 'get("batch_statistics")')],
}
