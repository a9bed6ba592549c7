"""CIFAR-10 carried in parts comes back as it was, or not at all."""

import numpy as np
import pytest

from benchmarks import pack_cifar
from gmmal_jax.errors import UserError


@pytest.fixture
def arrays():
    generator = np.random.default_rng(0)
    return {
        name: values
        for part, num in (("train", 50), ("test", 11))
        for name, values in (
            (f"x_{part}", generator.integers(0, 256, (num, 32, 32, 3), np.uint8)),
            (f"y_{part}", np.arange(num) % 10),
        )
    }


def test_parts_are_small_and_together_the_same(arrays, tmp_path):
    limit = 70_000  # noise does not compress: 187 kB in all
    paths = pack_cifar.pack(arrays, tmp_path / "c.npz", limit)
    names = [f"c-{i}-of-{len(paths)}.npz" for i in range(1, len(paths) + 1)]
    assert [path.name for path in paths] == names and len(paths) == 3
    assert max(path.stat().st_size for path in paths) <= limit
    again = pack_cifar.pack(arrays, tmp_path / "d.npz", limit)
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in paths]
    for path in paths:
        for name, values in pack_cifar.unpack(path).items():
            np.testing.assert_array_equal(values, arrays[name])


def test_what_is_missing_or_mixed_up_is_refused(arrays, tmp_path):
    paths = pack_cifar.pack(arrays, tmp_path / "c.npz", 100_000)
    other = arrays | {"x_test": 255 - arrays["x_test"]}
    pack_cifar.pack(other, tmp_path / "d.npz", 100_000)
    paths[1].write_bytes((tmp_path / "d-2-of-2.npz").read_bytes())
    with pytest.raises(UserError, match="together are damaged"):
        pack_cifar.unpack(paths[0])
    paths[1].write_bytes(paths[1].read_bytes()[:5000])
    with pytest.raises(UserError, match="c-2-of-2.npz: cannot be read"):
        pack_cifar.unpack(paths[0])
    paths[1].unlink()
    with pytest.raises(UserError, match="carry it again"):
        pack_cifar.unpack(paths[0])
    with pytest.raises(UserError, match="a sixteenth is larger"):
        pack_cifar.pack(arrays, tmp_path / "e.npz", 1000)


def test_the_command_packs_an_npz_and_gives_it_back(arrays, tmp_path, capsys):
    source, out = tmp_path / "source.npz", tmp_path / "c.npz"
    np.savez(source, **arrays)
    assert pack_cifar.main(["--from", str(source), "--out", str(out)]) == 0
    part = tmp_path / "c-1-of-1.npz"
    assert f"{part}: 0.2 MiB" in capsys.readouterr().out
    again = tmp_path / "again.npz"
    assert pack_cifar.main(["--from", str(part), "--out", str(again)]) == 0
    with np.load(again) as found:
        for name, values in arrays.items():
            np.testing.assert_array_equal(found[name], values)
    assert pack_cifar.main(["--from", str(tmp_path / "no"), "--out", str(out)]) == 2
    assert "no such file" in capsys.readouterr().err.lower()
