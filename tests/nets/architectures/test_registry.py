"""The registry: what the papers set, what may be set, outlines without memory, weights counted."""

from dataclasses import FrozenInstanceError, asdict

import pytest
from torch import nn

from nets.architectures.registry import ARCHITECTURES, build, configure, outline, receptive_field, weight_count

MDCSRN = {"blocks": 8, "units": 4, "growth": 12, "norm": "batch", "bottleneck": True, "reconstruction_layer": False}
MDCSRN |= {"reconstruction_width": 8, "attention": "none", "dims": 3, "start": "identity", "fold": (1, 1, 1)}
MDCSRN |= {"kernel": (3, 3, 3), "residual": False}
UNET = {"inputs": 64, "outputs": 64, "growth": 128, "units": 4, "levels": 4, "norm": "none", "bias": False}
UNET |= {"keep_input": True, "compress": False, "deep_supervision": False, "dims": 2}
MDCN = {"rank": 32, "growth": 128, "blocks": 8, "dilations": (1, 4, 8, 1), "bias": False, "norm": "none", "dims": 2}
DISCRIMINATOR = {"patch": (40, 40, 40), "width": 64, "hidden": 1024, "norm": "layer", "branch": 3}
PAPERS = {
    "mdcn": MDCN | {"start": "identity"},
    "dense_unet": UNET,
    "dcsrn": {"growth": 24, "units": 4, "dims": 3},
    "mdcsrn": MDCSRN,
    "mdcsrn_attention": MDCSRN | {"attention": "middle"},
    "rrdg": {"blocks": 4, "width": 48, "growth": 12, "checkpointing": True, "dims": 3},
    "fsrcnn": {"width": 56, "shrunk": 12, "mappings": 4},
    "srresnet": {"blocks": 15, "width": 48},
    "srdensenet": {"blocks": 8, "units": 4, "growth": 12, "width": 48, "layers": 2},
    "srcnn": {"first": 64, "second": 32},
    "vdsr": {"layers": 20, "width": 32},
    "discriminator": DISCRIMINATOR,
    "patch_critic": {"columns": "thin", "width": 64, "layers": 2, "norm": "instance"},
    "dragan_discriminator": DISCRIMINATOR | {"patch": (64, 80, 80), "norm": "batch"},
    "dcdensenet": {"blocks": 6, "layers": 6, "growth": 8, "bottleneck": 16},
    "dwan": {"channels": 1, "width": 32, "wide": 128, "dilations": (2, 4, 8, 16)},
    "dwan_guided": {"channels": 3, "width": 16, "wide": 48, "dilations": (2, 4, 8)},
    "unet": {"width": 32, "levels": 4},
    "highres3dnet": {"classes": 160, "width": 16, "wide": 80},
    "dilated_net": {"width": 64, "dilations": (1, 2, 4, 8, 16, 1)},
    "alamo": UNET | {"inputs": 20, "outputs": 220, "growth": 48, "units": 6, "keep_input": False, "compress": True},
    "spade": {"classes": 11, "width": 64, "blocks": (16, 16, 16, 8, 4, 2, 1), "hidden": 128, "latent": 256},
    "spade_critic": {"classes": 11, "width": 64, "layers": 4, "scales": 2},
}
PAPERS["spade"] |= {"start": (8, 8), "style": False, "norm": "instance"}
PAPERS["mdcn_unrolled"] = {"rank": 32, "rounds": 3, "cg_steps": 2, "growth": 32, "blocks": 4, "dilations": (1, 4, 8, 1)}
PAPERS["mdcn_unrolled"] |= {"refines": True, "shared": False}
FLAT = {"mdcn", "mdcn_unrolled", "dense_unet", "dwan", "unet", "dilated_net", "alamo", "spade", "spade_critic"}
FLAT |= {"dwan_guided"}
WHO = {
    "Chen 2021": {"mdcn", "dense_unet", "dcsrn", "mdcsrn", "mdcsrn_attention", "srdensenet", "alamo"},
    "Wang 2020": {"rrdg", "fsrcnn", "srresnet", "patch_critic"},
    "Jung 2019": {"srcnn", "vdsr", "dcdensenet"},
    "Xie 2020": {"dwan", "unet", "dilated_net"},
}


def test_the_registry_holds_the_papers_configurations() -> None:
    assert {name: asdict(entry.default) for name, entry in ARCHITECTURES.items()} == PAPERS


@pytest.mark.parametrize("name", PAPERS)
def test_a_configuration_alone_is_that_of_the_paper(name: str) -> None:
    assert configure(name) == configure(name, {}) == ARCHITECTURES[name].default
    assert isinstance(outline(name), ARCHITECTURES[name].module)


@pytest.mark.parametrize("name", PAPERS)
def test_what_papers_set_cannot_change(name: str) -> None:
    entry = ARCHITECTURES[name]
    for held, setting in ((entry, "dims"), (entry.default, next(iter(PAPERS[name])))):
        with pytest.raises(FrozenInstanceError):
            setattr(held, setting, getattr(held, setting))


def test_what_each_entry_is_for() -> None:
    assert {name for name, entry in ARCHITECTURES.items() if entry.dims == 2} == FLAT
    assert {entry.dims for entry in ARCHITECTURES.values()} == {2, 3}
    for source, names in WHO.items():
        assert all(source in ARCHITECTURES[name].source for name in names)
    restoring = {name for name, entry in ARCHITECTURES.items() if entry.task.startswith("super-resolution")}
    baselines = {name for name in restoring if ARCHITECTURES[name].task.endswith("baseline")}
    assert restoring - baselines == {"dcsrn", "mdcsrn", "mdcsrn_attention", "rrdg"}
    assert baselines == {"fsrcnn", "srresnet", "srdensenet", "srcnn", "vdsr"}
    spatial = {name for name, entry in ARCHITECTURES.items() if entry.task == "Multitasking spatial factor"}
    assert spatial == {"mdcn", "dense_unet"}


@pytest.mark.parametrize(
    ("name", "values", "count"),
    [
        ("mdcsrn", {"blocks": 4, "reconstruction_layer": True}, 330_457),
        ("mdcsrn", {"blocks": 1, "units": 16, "reconstruction_layer": True}, 368_041),
        ("mdcsrn", {"blocks": 1, "units": 12, "reconstruction_layer": True}, 263_641),
        ("mdcsrn_attention", {}, 626_690),
        ("mdcsrn_attention", {"blocks": 4}, 298_754),
        ("mdcsrn", {"attention": "last"}, 1_075_970),
        ("dcsrn", {}, 223_729),
        ("srresnet", {}, 2_002_961),
        ("srdensenet", {}, 459_361),
    ],
)
def test_weights_of_what_no_paper_counts(name: str, values: dict, count: int) -> None:
    """Worked out by hand from the text alone."""
    assert weight_count(outline(name, values)) == count


LEAST = {name: dict.fromkeys((key for key, value in PAPERS[name].items() if type(value) is int), 1) for name in PAPERS}
for name in PAPERS:
    LEAST[name].pop("dims", None)
LEAST["vdsr"]["layers"] = LEAST["dcdensenet"]["layers"] = 2
LEAST["srdensenet"]["layers"] = LEAST["patch_critic"]["layers"] = 0
LEAST["mdcsrn_attention"]["blocks"] = LEAST["highres3dnet"]["classes"] = 2
LEAST["spade"]["latent"] = 0


@pytest.mark.parametrize("name", PAPERS)
def test_the_smallest_networks(name: str) -> None:
    """All numbers at their least build a network; one of them less is refused by its name."""
    build(name, LEAST[name] | ({"patch": (16, 16, 16)} if "discriminator" in name else {}))
    for setting, least in LEAST[name].items():
        with pytest.raises(ValueError, match=f"^{name}: .*{setting} = |needs at least 2 blocks"):
            configure(name, LEAST[name] | {setting: least - 1})


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("unet9", {}, "'unet9' is not known; known are mdcn, mdcn_unrolled, dense_unet, .*spade_critic$"),
        ("mdcn", {"dilations": ()}, "at least one unit"),
        ("mdcn", {"dilations": (1, 0)}, r"dilations \(1, 0\) must name at least one unit, each at least 1"),
        ("mdcn", {"norm": "layer"}, "mdcn: norm = 'layer'"),
        ("mdcn", {"dims": 4}, "mdcn: dims = 4"),
        ("mdcn", {"start": "dirac"}, "start = 'dirac'"),
        ("dense_unet", {"norm": "group"}, "norm = 'group'"),
        ("mdcsrn", {"fold": (1, 0, 1)}, r"fold \(1, 0, 1\) must be positive, and is for volumes"),
        ("mdcsrn", {"dims": 2, "fold": (2, 1, 1)}, "fold .* is for volumes"),
        ("mdcsrn", {"kernel": (3, 2, 3)}, "kernel .* must be odd, and is for volumes"),
        ("mdcsrn", {"kernel": (3, -1, 3)}, "kernel .* must be odd"),
        ("mdcsrn", {"dims": 2, "kernel": (3, 3, 1)}, "kernel .* is for volumes"),
        ("mdcsrn", {"attention": "first"}, "attention = 'first'"),
        ("discriminator", {"branch": 4}, "discriminator: branch = 4"),
        ("patch_critic", {"columns": "thick"}, "columns = 'thick'"),
        ("mdcn", {"b": 1, "a": 2}, "^mdcn has no hyper-parameter a, b; it has rank, growth, .*start$"),
        ("mdcn", {"growth": "many"}, "^mdcn: growth = 'many': .*integer"),
    ],
)
def test_impossible_values_are_named(name: str, values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        configure(name, values)


def test_possible_values() -> None:
    assert configure("mdcsrn", {"kernel": [1, 5, 3], "fold": [2, 1, 1]}).kernel == (1, 5, 3)
    assert configure("mdcsrn", {"attention": "middle", "blocks": 2}).growth == 12
    assert configure("mdcn", {"dilations": [1]}).dilations == (1,)
    assert configure("discriminator", {"branch": 1, "patch": [16, 16, 16]}).patch == (16, 16, 16)
    assert configure("dragan_discriminator", {"width": 2}).norm == "batch"


def test_build_has_memory_and_an_outline_has_none() -> None:
    values = {"growth": 3, "units": 1}
    assert {weight.device.type for weight in build("dcsrn", values).parameters()} == {"cpu"}
    drawn = outline("dcsrn", values)
    assert {weight.device.type for weight in [*drawn.parameters(), *drawn.buffers()]} == {"meta"}
    assert drawn.config == configure("dcsrn", values)


def test_an_outline_of_many_more_tensors_is_given_up() -> None:
    """Four times as many may be registered as were given; and nothing is counted afterwards."""
    assert len(list(outline("vdsr", {"layers": 4}, tensors=1).parameters())) == 4
    message = "vdsr of these hyper-parameters has many more tensors than the 1 given"
    with pytest.raises(ValueError, match=message):
        outline("vdsr", {"layers": 5}, tensors=1)
    with pytest.raises(ValueError, match="more tensors than the 0 given"):
        outline("vdsr", tensors=0)
    nn.Sequential(*(nn.Linear(1, 1) for _ in range(20)))
    assert len(list(outline("vdsr").parameters())) == 20


def test_only_weights_that_train_are_counted() -> None:
    network = build("srcnn", {"first": 2, "second": 3})
    assert weight_count(network) == 2 * 729 + 6 + 3 * 125
    network.layers[0].weight.requires_grad_(False)
    assert weight_count(network) == 6 + 3 * 125


def test_receptive_field_is_the_networks_own() -> None:
    assert receptive_field(outline("mdcsrn")) == 67
    assert receptive_field(outline("mdcsrn_attention")) is None
