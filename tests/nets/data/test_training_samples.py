"""What the data of all tasks share: splits by subject, patches, order, memory."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from nets.data import SPLITS
from nets.data.augmentation import Augmentation
from nets.data.shuffled_epochs import ShuffledEpochs
from nets.data.training_samples import Sample, Samples


class Numbered(Samples):
    """Files whose names are numbers; image and label hold place + 1000 · number."""

    def read(self, path: Path, number: int) -> Sample:
        self.reads = [*getattr(self, "reads", []), (path.stem, number)]
        image = torch.arange(30.0).reshape(1, 5, 6) + 1000 * int(path.stem.split("_")[0])
        return Sample(torch.stack([image, -image]))

    def subject_of(self, path: Path) -> str:
        return path.stem.split("_")[0]


class Double(Augmentation):
    def __call__(self, pair: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return 2 * pair


class PlusRandom(Augmentation):
    def __call__(self, pair: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        return pair + float(rng.random())


def files(folder: Path, names: list[str], split: str = "") -> Path:
    (folder / split).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / split / f"{name}.h5").touch()
    return folder


def filled(folder: Path) -> Path:
    files(folder, ["1", "2", "3"], "train")
    files(folder, ["4"], "validation")
    return files(folder, ["5"], "test")


@given(st.integers(1, 60), st.integers(1, 3), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_a_folder_without_splits_is_split_by_subject(count: int, slices: int, seed: int) -> None:
    """Each subject in one split, all of them somewhere, as many to validate as to test, whatever the order of files."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = files(Path(name), [f"{subject}_{part}" for subject in range(count) for part in range(slices)])
        data = Numbered([name], seed=seed)
        held = max(1, round(0.1 * count))
        expected = {
            "validation": min(held, count),
            "test": min(held, max(0, count - held)),
            "train": max(0, count - 2 * held),
        }
        found = {}
        for split, subjects in expected.items():
            if subjects:
                found[split] = {data.subject_of(path) for path in data.files(folder, split)}
                assert len(data.files(folder, split)) == slices * subjects
            else:
                with pytest.raises(ValueError, match="holds no samples"):
                    data.files(folder, split)
        assert sum(map(len, found.values())) == len(set().union(*found.values())) == count
        again = Numbered([name], seed=seed)
        assert all(again.files(folder, split) == data.files(folder, split) for split in found)


def test_another_seed_splits_otherwise(tmp_path: Path) -> None:
    files(tmp_path, [str(number) for number in range(40)])
    held = {tuple(Numbered([str(tmp_path)], seed=seed).files(tmp_path, "test")) for seed in range(4)}
    assert len(held) == 4


@pytest.mark.parametrize("pair", [("train", "validation"), ("train", "test"), ("validation", "test")])
def test_a_subject_in_two_splits_is_refused(tmp_path: Path, pair: tuple[str, str]) -> None:
    filled(tmp_path)
    for number, split in enumerate(pair):
        files(tmp_path, [f"9_{number}"], split)
    with pytest.raises(ValueError, match=r"1 subjects .* lie in more than one of train, validation, test; move"):
        Numbered([str(tmp_path)]).files(tmp_path, "train")


@pytest.mark.parametrize("splits", [("train", "validation"), ("validation", "train"), ("test", "train")])
def test_a_subject_in_two_splits_of_two_folders_is_refused_by_its_name(tmp_path: Path, splits: tuple[str, str]) -> None:
    one, two = filled(tmp_path / "one"), tmp_path / "two"
    for split in SPLITS:
        files(two, [f"of two {split}_0"], split)
    folders = [str(one), str(two)]
    assert len(Numbered(folders).files(one, "train")) == 3
    files(one, ["9f3a_0"], splits[0])
    files(two, ["9f3a_1"], splits[1])
    told = f"the subject 9f3a is in {splits[0]} of .*one and in {splits[1]} of .*two; put all files of a subject"
    for order in (folders, folders[::-1]):
        with pytest.raises(ValueError, match="the subject 9f3a is in"):
            Numbered(order).train_dataloader()
    with pytest.raises(ValueError, match=told):
        Numbered(folders).val_dataloader()
    assert Numbered(folders[:1]).files(one, "train")


def test_folders_that_nobody_split_are_split_alike(tmp_path: Path) -> None:
    names = [f"{number}_0" for number in range(10)]
    folders = [str(tmp_path / each) for each in ("one", "two")]
    for folder in folders:
        files(Path(folder), names)
    data = Numbered(folders)
    found = [{data.subject_of(path) for path in data.files(Path(folder), "validation")} for folder in folders]
    assert found[0] == found[1]


def test_patches_are_cut_at_every_place_and_changed_in_order(tmp_path: Path) -> None:
    data = Numbered([str(filled(tmp_path))], (2, 4), patches_per_file=3, augmentations=[Double()])
    patches = data.train_dataloader().dataset
    assert len(patches) == 9
    corners = set()
    for epoch in range(30):
        for number in range(9):
            shown, label = patches[epoch, number]
            assert shown.shape == (1, 2, 4)
            assert torch.equal(label, -shown)
            first = float(shown[0, 0, 0]) / 2 - 1000 * (number % 3 + 1)
            assert (shown[0] / 2).tolist() == [
                [float(shown[0, 0, 0]) / 2 + 6 * row + x for x in range(4)] for row in range(2)
            ]
            corners.add(divmod(first, 6))
    assert corners == {(row, column) for row in range(4) for column in range(3)}
    both = Numbered([str(tmp_path)], augmentations=[PlusRandom(), Double()]).train_dataloader().dataset[0, 0][0]
    assert float(both[0, 0, 1] - both[0, 0, 0]) == 2


def test_patches_depend_on_seed_epoch_and_number_alone(tmp_path: Path) -> None:
    folder = [str(filled(tmp_path))]
    first, again, other = (Numbered(folder, (2, 2), 4, augmentations=[PlusRandom()], seed=seed) for seed in (1, 1, 2))
    taken = [data.train_dataloader().dataset for data in (first, again, other)]
    assert torch.equal(taken[0][0, 4][0], taken[1][0, 4][0])
    assert not torch.equal(taken[0][0, 4][0], taken[0][1, 4][0])
    assert not torch.equal(taken[0][0, 4][0], taken[0][0, 7][0])
    assert not torch.equal(taken[0][0, 4][0], taken[2][0, 4][0])


def test_patches_are_as_short_as_an_image_is(tmp_path: Path) -> None:
    patches = Numbered([str(filled(tmp_path))], (9, 4)).train_dataloader().dataset
    for epoch in range(20):
        shown, _ = patches[epoch, 0]
        assert shown.shape == (1, 5, 4)
        assert float(shown[0, 0, 0]) % 1000 < 3


@pytest.mark.parametrize(("patch", "first"), [((2, 2), 8), ((3, 6), 6), ((9, 3), 1), (None, 0)])
def test_validation_sees_the_middle_or_all(tmp_path: Path, patch: tuple[int, int] | None, first: int) -> None:
    data = Numbered([str(filled(tmp_path))], patch)
    ((shown, label),) = data.val_dataloader()
    assert float(shown.min()) == 4000 + first
    assert torch.equal(label, -shown)
    data.judged_whole = True
    ((whole, _),) = data.test_dataloader()
    assert whole.shape == (1, 1, 5, 6)
    assert float(whole.min()) == 5000


def test_what_was_read_stays_in_memory_and_knows_its_number(tmp_path: Path) -> None:
    data = Numbered([str(filled(tmp_path))])
    for _ in range(2):
        list(data.train_dataloader())
    assert sorted(data.reads) == [("1", 0), ("2", 1), ("3", 2)]


def test_domains_have_loaders_of_their_own_or_share_one(tmp_path: Path) -> None:
    for number, domain in ((1, "a"), (7, "b")):
        files(tmp_path / domain, [str(number), str(number + 1)], "train")
    folders = [str(tmp_path / domain) for domain in "ab"]
    first, second = Numbered(folders, separate=True, batch_size=2).train_dataloader()
    assert float(next(iter(first))[0].max()) < 3000 < float(next(iter(second))[0].min())
    assert len(Numbered(folders, batch_size=2).train_dataloader()) == 2
    assert len(Numbered(folders, batch_size=3).train_dataloader()) == 1, "the last batch is full, too"
    assert len(Numbered(folders, batch_size=9).train_dataloader()) == 1, "few files are still trained on"
    assert len(Numbered(folders, batch_size=1, limit=1).train_dataloader()) == 2


def test_a_shorter_loader_that_starts_again_within_an_epoch_gives_other_patches(tmp_path: Path) -> None:
    order = ShuffledEpochs(3, 1, lambda: 4)
    rounds = [list(order) for _ in range(3)]
    assert [sorted(each) for each in rounds] == [[(4, number + 3 * again) for number in range(3)] for again in range(3)]
    epoch = 0
    moving = ShuffledEpochs(3, 1, lambda: epoch)
    first = list(moving)
    epoch = 1
    assert {number for _, number in [*first, *moving]} == {0, 1, 2}, "a new epoch starts anew"
    data = Numbered([str(filled(tmp_path))], (2, 2), augmentations=[PlusRandom()])
    patches = data.train_dataloader().dataset
    assert not torch.equal(patches[0, 1][0], patches[0, 4][0])
    assert float(patches[0, 4][0].max()) // 1000 == float(patches[0, 1][0].max()) // 1000, "of the same file"


def test_images_smaller_than_the_patch_do_not_go_into_a_batch_with_others(tmp_path: Path) -> None:
    class Sizes(Numbered):
        def read(self, path: Path, number: int) -> Sample:
            return Sample(torch.zeros(2, 1, 5 + number, 6))

    folder = str(filled(tmp_path))
    with pytest.raises(ValueError, match=r"samples of 5x6 and [67]x6 .* smaller than the patch; take a smaller patch"):
        next(iter(Sizes([folder], (9, 9), batch_size=3).train_dataloader()))
    shown, _ = next(iter(Sizes([folder], (4, 4), batch_size=3).train_dataloader()))
    assert shown.shape == (3, 1, 4, 4)


def test_every_epoch_has_all_samples_in_its_own_order() -> None:
    epochs = [list(ShuffledEpochs(20, 1, lambda epoch=epoch: epoch)) for epoch in (0, 0, 1)]
    assert epochs[0] == epochs[1]
    assert [number for _, number in epochs[0]] != [number for _, number in epochs[2]]
    assert sorted(epochs[2]) == [(1, number) for number in range(20)]


def test_samples_go_to_workers_without_their_trainer(tmp_path: Path) -> None:
    data = Numbered([str(filled(tmp_path))], workers=1)
    data.trainer = object()  # type: ignore[assignment]
    assert data.__getstate__()["trainer"] is None


def test_a_subject_is_the_name_up_to_the_first_dot(tmp_path: Path) -> None:
    samples = Numbered([str(tmp_path)])
    assert Samples.subject_of(samples, tmp_path / "sub-01.nii.gz") == "sub-01"


def test_processes_share_an_epoch_so_that_their_batches_together_are_those_of_one() -> None:
    whole = list(ShuffledEpochs(12, 1, lambda: 3))
    shares = [list(ShuffledEpochs(12, 1, lambda: 3, rank, 3)) for rank in range(3)]
    assert [patch for together in zip(*shares, strict=True) for patch in together] == whole
    assert [len(list(ShuffledEpochs(11, 1, lambda: 3, rank, 3))) for rank in range(3)] == [3, 3, 3]
    assert len(list(ShuffledEpochs(1, 1, lambda: 3, 2, 3))) == 1, "too few for all: some take the same"
