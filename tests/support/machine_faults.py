"""Faults in batches, clusters and slices that are shared out, tried before random ones."""

TABLE: dict[str, list[tuple[str, str]]] = {
    "gadgets/cluster/room_for.py": [
        ("need.memory_bytes <= share_bytes", "need.memory_bytes <= whole_bytes"),
        ("value / 2**30 for", "value / 10**9 for"),
    ],
    "gadgets/cluster/cores.py": [
        ("available_cpus() // workers", "available_cpus()"),
        ("os.environ.update(before)", "pass"),
        ("os.environ.pop(name, None)", "pass"),
    ],
    "gadgets/cluster/tasks.py": [
        ("if version != __version__:", "if False:"),
        ("return None, error", "raise"),
    ],
    "gadgets/cluster/crew.py": [
        ('device.startswith("cuda") or', "not"),
        ("else self.memory_gb * 2**30", "else self.memory_gb"),
        ("self.cluster is None and self.workers in (None, 1)", "self.workers in (None, 1)"),
        ("self._memory_bytes, self._memory_bytes)", "self._memory_bytes, 2**62)"),
    ],
    "gadgets/cluster/dask_crew.py": [("if not importlib.util.find_spec", "if importlib.util.find_spec")],
    "gadgets/batch/found.py": [
        ("digest_of_file(path) + order.digest", "digest_of_file(path)"),
        ("digest_of_file(path) + order.digest", "order.digest"),
        ("not is_truth(one) and ", ""),
        ("and not (own and one.resolve().is_relative_to(own))", ""),
    ],
    "gadgets/batch/order.py": [
        ('"shipped": [digest_of_file(path) for path in sorted(all_shipped())],', ""),
        ('"target": target,', ""),
    ],
    "gadgets/batch/results.py": [("fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB")],
    "gadgets/batch/summary.py": [
        ("np.median(t1_ms[fitted])", "np.median(t1_ms)"),
        ("image.slice == number", "image.slice >= number"),
    ],
    "gadgets/batch/batch_run.py": [
        ("and scan.key not in batch.kept", ""),
    ],
    "gadgets/batch/scan_work.py": [("if made.exists():", "if False:")],
    "gadgets/multitasking/slices/sorting.py": [
        ("min(selected.slices, key=", "max(selected.slices, key="),
        ("np.flatnonzero(self.keep & self.is_imaging)", "np.flatnonzero(self.is_imaging)"),
        ("repetition >= periods[skipped]", "repetition > periods[skipped]"),
        ("self.timing.excitation[rows]", "self.timing.excitation[: len(rows)]"),
    ],
    "gadgets/multitasking/slices/sharing_gadget.py": [
        ("not self._opened)", "True)"),
        ("(opening, *self._kept, *self._waveforms)", "(opening, *self._waveforms)"),
        ("(opening, *self._kept, *self._waveforms)", "(opening, *self._kept)"),
        ("self._waveforms.clear()", "self._kept.clear()"),
        ("readout.flags & self._other and not always", "readout.flags & self._other"),
    ],
    "gadgets/multitasking/slices/survey.py": [
        ("readout.traj[[0, -1]]", "readout.traj[[-1, 0]]"),
        ("if len(selected.slices) > 1 and sorts", "if len(selected.slices) > 2 and sorts"),
    ],
    "gadgets/multitasking/slices/slice_gadget.py": [
        ("if measurement.whole is None:", "if False:"),
        ('model_copy(update={"preview": False})', "model_copy()"),
    ],
}
