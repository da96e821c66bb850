"""What a console may ask for by name, and how its parameters meet those of the server."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gadgets.consoles.serving.configurations import Configurations, with_our_names
from gadgets.errors import ParameterError

GADGETS = {
    "multitasking": "MultitaskingGadget",
    "multitasking_distributed": "MultitaskingGadget",
    "asl": "AslGadget",
    "perivascular": "PerivascularGadget",
    "segmentation": "SegmentationGadget",
}


def parameters_of(message: bytes) -> dict[str, str]:
    return {
        child.get("name", child.tag): child.get("value", child.text or "") for child in ElementTree.fromstring(message)
    }


def test_shipped_configurations_are_known_by_their_names() -> None:
    known = Configurations().names()
    assert {"multitasking", "super_resolution_brain_4x", "asl", "perivascular", "segmentation"} <= set(known)
    for name in known:
        target, _ = Configurations().chosen(name, {})
        assert target == GADGETS.get(name, "SuperResolutionGadget")


@pytest.mark.parametrize("name", ["", "openrecon", "default", "NULL"])
def test_a_console_that_names_none_gets_the_server_s_own(name: str, tmp_path: Path) -> None:
    assert Configurations("super_resolution_brain_4x").chosen(name, {})[0] == "SuperResolutionGadget"
    own = tmp_path / "ours.xml"
    own.write_text("<configuration><rank>7</rank></configuration>")
    assert parameters_of(Configurations(str(own)).chosen(name, {})[1])["rank"] == "7"


def test_operator_s_folder_comes_first(tmp_path: Path) -> None:
    (tmp_path / "multitasking.xml").write_text("<configuration><rank>9</rank></configuration>")
    (tmp_path / "ours.xml").write_text("<configuration><rank>7</rank></configuration>")
    known = Configurations(folder=tmp_path)
    assert parameters_of(known.chosen("multitasking", {})[1])["rank"] == "9"
    assert parameters_of(known.chosen("ours.xml", {})[1])["rank"] == "7"


def test_console_wins_over_server_over_file(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    known = Configurations(overrides={"rank": "16", "coils": "4", "first_stage": "unused here"})
    found = parameters_of(known.chosen("multitasking", {"Rank": "8"})[1])
    assert (found["rank"], found["coils"], found["cardiac_bins"]) == ("8", "4", "20")
    assert "first_stage" not in found
    assert "rank is what the console set" in caplog.text


def test_dialect_is_fire_unless_set() -> None:
    assert parameters_of(Configurations().chosen("multitasking", {})[1])["dialect"] == "fire"
    assert parameters_of(Configurations().chosen("multitasking", {"dialect": "gadgetron"})[1])["dialect"] == "gadgetron"
    text = "<configuration><dialect>gadgetron</dialect></configuration>"
    assert parameters_of(Configurations().chosen(text, {})[1])["dialect"] == "gadgetron"


def test_names_may_lack_underscores_and_empty_text_sets_nothing() -> None:
    names = ["tr_ms", "rank"]
    assert with_our_names({"trms": "3", "rank": " ", "other": "x"}, names) == {"tr_ms": "3", "other": "x"}
    with pytest.raises(ParameterError, match="'tr_ms' twice"):
        with_our_names({"trms": "3", "tr_ms": "4"}, names)


@pytest.mark.parametrize("name", ["../multitasking", "/etc/passwd", "multitasking/", "..", "multi\0"])
def test_names_are_no_paths(name: str) -> None:
    with pytest.raises(ParameterError, match=r"is known here; known are asl, multitasking, "):
        Configurations().document(name)


def test_impossible_servers_do_not_start() -> None:
    with pytest.raises(ParameterError, match="nobody"):
        Configurations("nobody").check()
    with pytest.raises(ParameterError, match="did you mean 'rank'"):
        Configurations(overrides={"rnak": "3"}).check()


def test_what_a_console_s_xml_sets_is_the_console_s() -> None:
    known = Configurations(overrides={"rank": "16", "coils": "4"})
    found = parameters_of(known.chosen("<configuration><rank>4</rank></configuration>", {})[1])
    assert (found["rank"], found["coils"]) == ("4", "4")
    assert parameters_of(known.chosen("multitasking", {})[1])["rank"] == "16"


@pytest.mark.parametrize(
    "asked", ["multitasking", "<configuration><rescue_folder>/tmp/x</rescue_folder></configuration>"]
)
def test_folders_of_the_server_are_not_the_console_s(asked: str) -> None:
    given = {} if asked.startswith("<") else {"rescuefolder": "/tmp/x"}
    with pytest.raises(ParameterError, match="set it there, by --set"):
        Configurations().chosen(asked, given)
    own = Configurations(overrides={"rescue_folder": "/tmp/x"})
    assert parameters_of(own.chosen("multitasking", {})[1])["rescue_folder"] == "/tmp/x"


def test_a_server_may_set_parameters_of_each_of_its_gadgets() -> None:
    Configurations(overrides={"rank": "3", "stages": "one"}).check()
    target, values = Configurations("super_resolution_coronary", overrides={"rank": "3", "stages": "one"}).defaults()
    assert target == "SuperResolutionGadget"
    assert (values["stages"], values["mismatch"]) == ("one", "error")
    assert "rank" not in values
