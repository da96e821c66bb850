"""Values of yardl's format: bytes by hand, and every type of random schemas there and back."""

import io
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gadgets.consoles.mrd2.yardl.byte_source import ByteSource, EndedError, MalformedError
from gadgets.consoles.mrd2.yardl.codec import Codec
from gadgets.consoles.mrd2.yardl.schema import read_schema

BY_HAND = [
    ("uint32", 0, "00"),
    ("uint32", 127, "7f"),
    ("uint32", 300, "ac02"),
    ("uint64", 2**64 - 1, "ffffffffffffffffff01"),
    ("int32", -1, "01"),
    ("int32", 1, "02"),
    ("int64", -(2**63), "ffffffffffffffffff01"),
    ("int8", -2, "fe"),
    ("bool", True, "01"),
    ("float32", 1.5, "0000c03f"),
    ("complexfloat32", 1 - 2j, "0000803f000000c0"),
    ("string", "Φ", "02cea6"),
    ("date", -1, "01"),
    ([None, "uint16"], None, "00"),
    ([None, "uint16"], 5, "0105"),
    ({"vector": {"items": "int32"}}, [0, -1, 1, -2], "0400010203"),
    ({"vector": {"items": "uint16", "length": 2}}, [1, 300], "01ac02"),
    ({"map": {"keys": "string", "values": "uint16"}}, {"a": 1}, "01016101"),
    (["string", "int64"], (1, -1), "0101"),
    ([None, "string", "int64"], None, "00"),
]


def codec_of(given_type: Any, types: list[Any] | None = None) -> Codec:
    sequence = [{"name": "header", "type": given_type}, {"name": "data", "type": {"stream": {"items": "uint16"}}}]
    text = json.dumps({"protocol": {"name": "Mrd", "sequence": sequence}, "types": types or []})
    return read_schema(text).header


def written(codec: Codec, value: Any) -> bytes:
    out = bytearray()
    codec.write(out, value)
    return bytes(out)


def read_in_pieces(codec: Codec, data: bytes, size: int) -> Any:
    source = io.BytesIO(data)
    pieces = ByteSource(lambda count: source.read(min(count, size)))
    value = codec.read(pieces)
    assert source.read() + pieces.data[pieces.place :] == b""
    return value


@pytest.mark.parametrize(("given_type", "value", "data"), BY_HAND)
def test_bytes_are_those_of_the_format(given_type: Any, value: Any, data: str) -> None:
    codec = codec_of(given_type)
    assert written(codec, value) == bytes.fromhex(data)
    assert read_in_pieces(codec, bytes.fromhex(data), 1) == value


@pytest.mark.parametrize("dtype", ["uint16", "int16", "uint32", "int32", "uint64", "int64"])
def test_arrays_of_integers_are_varints_behind_their_shape(dtype: str) -> None:
    limits = np.iinfo(dtype)
    values = np.array([[limits.min, limits.max, 0], [1, 127, 128]], dtype)
    codec, item = codec_of({"array": {"items": dtype, "dimensions": 2}}), codec_of(dtype)
    expected = b"\x02\x03" + b"".join(written(item, int(value)) for value in values.ravel())
    assert written(codec, values) == expected
    for size in (1, 3, 1000):
        read = read_in_pieces(codec, expected, size)
        assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)


def test_arrays_of_numbers_are_raw_in_c_order() -> None:
    values = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    expected = b"\x02\x03" + np.arange(6, dtype="<f4").tobytes()
    assert written(codec_of({"array": {"items": "float32", "dimensions": [{"name": "y"}, {"name": "x"}]}}), values) == (
        expected
    )
    fixed = codec_of({"array": {"items": "float32", "dimensions": [{"length": 2}, {"length": 3}]}})
    assert written(fixed, values) == expected[2:]
    assert written(codec_of({"array": {"items": "float32"}}), values) == b"\x02" + expected


INTEGERS = {f"{sign}int{bits}": (sign, bits) for sign in ("u", "") for bits in (8, 16, 32, 64)}


def numbers(name: str) -> st.SearchStrategy[int]:
    sign, bits = INTEGERS[name]
    return st.integers(0, 2**bits - 1) if sign else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


LEAVES = st.one_of(
    st.sampled_from(sorted(INTEGERS)).map(lambda name: (name, numbers(name))),
    st.just(("string", st.text(st.characters(exclude_categories=("Cs",)), max_size=8))),
    st.just(("float64", st.floats(allow_nan=False))),
    st.just(("float32", st.floats(width=32, allow_nan=False))),
    st.just(("bool", st.booleans())),
    st.just(("date", numbers("int64"))),
)


def _wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def optional(pair: Any) -> Any:
        return [None, pair[0]], st.none() | pair[1]

    def vector(pair: Any) -> Any:
        return {"vector": {"items": pair[0]}}, st.lists(pair[1], max_size=4)

    def mapping(pair: Any) -> Any:
        return {"map": {"keys": "string", "values": pair[0]}}, st.dictionaries(
            st.text("ab", max_size=3), pair[1], max_size=3
        )

    def union(pairs: Any) -> Any:
        cases = [{"tag": f"T{number}", "type": pair[0]} for number, pair in enumerate(pairs)]
        return cases, st.one_of(*(st.tuples(st.just(number), pair[1]) for number, pair in enumerate(pairs)))

    return st.one_of(
        inner.map(optional), inner.map(vector), inner.map(mapping), st.lists(inner, min_size=2, max_size=3).map(union)
    )


TYPES = st.recursive(LEAVES, _wrapped, max_leaves=4)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_value_of_random_records_comes_back_and_every_cut_is_told(data: st.DataObject) -> None:
    fields = data.draw(st.lists(TYPES, min_size=1, max_size=4))
    named = {"name": "R", "fields": [{"name": f"f{number}", "type": one[0]} for number, one in enumerate(fields)]}
    codec = codec_of("Mrd.R", [named])
    value = {f"f{number}": data.draw(one[1]) for number, one in enumerate(fields)}
    whole = written(codec, value)
    assert len(whole) >= codec.smallest
    assert read_in_pieces(codec, whole, data.draw(st.sampled_from((1, 7, 1000)))) == value
    for length in range(len(whole)):
        with pytest.raises(EndedError):
            codec.read(ByteSource(io.BytesIO(whole[:length]).read))
    assert codec.read(ByteSource(io.BytesIO(written(codec, {})).read)) == codec.default()


@pytest.mark.parametrize(
    ("given_type", "data"),
    [
        ("uint16", "ffff04"),  # 81,919
        ("int32", "8080808020"),
        ("uint64", "ffffffffffffffffff02"),
        ("uint64", "80" * 11),
        ([None, "uint16"], "0205"),
        (["string", "int64"], "05"),
        ("string", "01ff"),
        ({"array": {"items": "uint16", "dimensions": 1}}, "01ffff04"),
        ({"array": {"items": "uint16", "dimensions": 1}}, "01" + "80" * 12),
        ({"array": {"items": "float32"}}, "7f"),
        ({"vector": {"items": "string"}}, "ffffffff7f"),
    ],
)
def test_bytes_that_are_no_value_are_told(given_type: Any, data: str) -> None:
    with pytest.raises(MalformedError):
        codec_of(given_type).read(ByteSource(io.BytesIO(bytes.fromhex(data)).read))


@pytest.mark.parametrize(
    ("given_type", "value"),
    [("uint16", 2**16), ("uint32", -1), ("int32", 2**31), ("float32", "a"), ("float32", 1e300)],
)
def test_values_that_do_not_fit_are_not_written(given_type: Any, value: Any) -> None:
    with pytest.raises(MalformedError):
        written(codec_of(given_type), value)
    array = codec_of({"array": {"items": "uint16", "dimensions": 1}})
    with pytest.raises(MalformedError):
        written(array, np.array([70000]))


@pytest.mark.parametrize(
    ("given_type", "types"),
    [
        ("Mrd.A", [{"name": "A", "fields": [{"name": "a", "type": "Mrd.A"}]}]),
        ("Mrd.A", [{"name": "A", "fields": []}]),
        ("Mrd.B", []),
        ({"array": {"items": "float32", "dimensions": [{"length": -3}]}}, []),
        ({"array": {"items": "float32", "dimensions": [{"length": 2.5}]}}, []),
        ({"vector": {"items": "float32", "length": 2**40}}, []),
        ({"list": {"items": "float32"}}, []),
    ],
)
def test_schemas_that_cannot_be_read_are_told(given_type: Any, types: list[Any]) -> None:
    with pytest.raises(MalformedError):
        codec_of(given_type, types)


@pytest.mark.parametrize("items", ["complexfloat32", "uint32"])
def test_a_claimed_length_takes_no_memory(items: str) -> None:
    codec = codec_of({"array": {"items": items, "dimensions": 1}})
    data = bytes.fromhex("80808010") + bytes(100)  # 2^25 elements, of which some come
    tracemalloc.start()
    with pytest.raises(EndedError):
        codec.read(ByteSource(io.BytesIO(data).read))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21
