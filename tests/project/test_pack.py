"""Pictures packed to a folder that is mapped, and read from there."""

import errno
import os

import numpy as np
import pytest
from PIL import Image
from tiny import config

import gmmal_jax
from gmmal_jax.cli.main import main
from gmmal_jax.data import sources
from gmmal_jax.data.sources import features, npy, pictures
from gmmal_jax.errors import UserError
from gmmal_jax.project import pack


def npz(path, **other):
    """Three classes in an npz; other arrays in place of some."""
    generator = np.random.default_rng(0)
    arrays = {
        "x_train": generator.integers(0, 255, (12, 6, 6, 3), np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": generator.integers(0, 255, (6, 6, 6, 3), np.uint8),
        "y_test": np.arange(6) % 3,
    }
    np.savez(path, **(arrays | other))
    return f"npz:{path}"


def folder(root, num=6):
    """Three classes of pictures of other sizes, one of them no picture."""
    generator = np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (root / name).mkdir(parents=True)
        for i in range(num):
            side = int(generator.integers(8, 14))
            pixels = generator.integers(0, 255, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    (root / "ant" / "broken.png").write_text("no picture")
    return f"folder:{root}"


def same(one, two):
    for field in ("train_images", "train_labels", "test_images", "test_labels"):
        np.testing.assert_array_equal(getattr(one, field), getattr(two, field))
        assert getattr(one, field).dtype == getattr(two, field).dtype
    assert one.class_names == two.class_names
    assert (one.mean, one.std) == (two.mean, two.std)


def test_a_folder_packed_is_the_folder_read(tmp_path):
    name, out = folder(tmp_path / "pictures"), tmp_path / "packed"
    done = pack.pack(name, out, image_size=8)
    packed, read = sources.load(f"npy:{out}"), sources.load(name, None, 8)
    same(packed, read)
    same(done, read)
    assert done.skipped == read.skipped and len(done.skipped) == 1
    assert isinstance(packed.train_images, np.memmap)
    assert sorted(p.name for p in out.iterdir()) == [
        ".lock", "classes.txt", *sorted(f"{field}.npy" for field in npy.npz.FIELDS)
    ]  # fmt: skip


def test_a_run_is_the_same_bytes_from_memory_and_from_the_disk(tmp_path):
    generator = np.random.default_rng(1)
    arrays = {
        "x_train": generator.integers(0, 255, (60, 8, 8), np.uint8),
        "y_train": np.arange(60) % 3,
        "x_test": generator.integers(0, 255, (9, 8, 8), np.uint8),
        "y_test": np.arange(9) % 3,
    }
    name, out = npz(tmp_path / "a.npz", **arrays), tmp_path / "packed"
    pack.pack(name, out)
    tables = []
    for number, (dataset, placement) in enumerate(
        ((name, "resident"), (f"npy:{out}", "streamed"))
    ):
        own = {"dataset": dataset, "data.placement": placement, "data.class_cap": None}
        more = {"initial": 6, "budget": 6, "cycles": 2, "reference": "none"}
        done = tmp_path / str(number)
        gmmal_jax.run(config(**own, **more), done, num_devices=1)
        tables.append(
            [(done / f"{t}.csv").read_bytes() for t in ("results", "queries")]
        )
    assert tables[0] == tables[1]


def test_a_pass_over_the_files_is_remembered(tmp_path, monkeypatch):
    pack.pack(npz(tmp_path / "a.npz"), tmp_path / "out")
    name = f"npy:{tmp_path / 'out'}"
    first = sources.load(name)
    passes = []
    look = npy._look
    monkeypatch.setattr(npy, "_look", lambda x: passes.append(len(x)) or look(x))
    known = features.Given(remembered=first.remember)
    again = sources.load(name, given=known)
    assert not passes and again.checksum == first.checksum
    changed = np.load(tmp_path / "out/x_test.npy")
    np.save(tmp_path / "out/x_test.npy", 255 - changed)
    other = sources.load(name, given=known)
    assert passes == [len(changed)] and other.checksum != first.checksum


def test_what_a_killed_pack_has_written_stays_and_what_is_of_others_does_not(tmp_path):
    name, out = npz(tmp_path / "a.npz"), tmp_path / "out"
    pack.pack(name, out)
    (out / npy.CLASSES).unlink()
    (out / ".x_train.npy.part").write_bytes(b"half")
    (out / ".classes.txt.tmp-1").write_bytes(b"half")
    for field in ("x_test", "y_train"):
        path = out / f"{field}.npy"
        path.write_bytes(path.read_bytes()[:-1] + bytes(field == "x_test"))
    kept = {path: path.stat().st_ino for path in out.glob("*.npy")}
    pack.pack(name, out)
    same(sources.load(f"npy:{out}"), sources.load(name))
    written = {path.stem for path in kept if path.stat().st_ino != kept[path]}
    assert written == {"x_test", "y_train"}
    assert not [p for p in out.glob(".*") if p.name != ".lock"]


def parted(root):
    """Given parts, one picture of which breaks behind its header."""
    name = folder(root / "train")
    folder(root / "test", num=2)
    path = root / "train/ant/1.png"
    path.write_bytes(path.read_bytes()[:60])
    return name.removesuffix("/train")


def stopped(name, out, monkeypatch, after):
    """A call that ends in that picture, as by a kill: nothing is tidied up."""
    inner, left = pictures._decode, [after]

    def decode(*args, **kwargs):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return inner(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(pictures, "_decode", decode)
        with pytest.raises(KeyboardInterrupt):
            pack.pack(name, out, image_size=8)


@pytest.mark.parametrize("make", [folder, parted], ids=["cut here", "given parts"])
@pytest.mark.parametrize("after", [3, 12, 18])
def test_pictures_that_are_decoded_are_not_decoded_again(
    make, after, tmp_path, monkeypatch
):
    monkeypatch.setattr(pictures, "SAVE_ROWS", 4)
    name, out = make(tmp_path / "pictures"), tmp_path / "out"
    stopped(name, out, monkeypatch, after)
    decoded, inner = [], pictures._decode
    monkeypatch.setattr(
        pictures,
        "_decode",
        lambda path, *a, **k: decoded.append(path) or inner(path, *a, **k),
    )
    done = pack.pack(name, out, image_size=8)
    again = len(decoded)
    read = sources.load(name, None, 8)
    same(done, read)
    same(sources.load(f"npy:{out}"), read)
    assert done.skipped == read.skipped
    whole = len(decoded) - again
    assert whole - after <= again <= whole - after + 4 + (make is parted)
    assert not list(out.glob(".rows*"))


def test_other_pictures_are_decoded_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "SAVE_ROWS", 4)
    name, out = folder(tmp_path / "pictures"), tmp_path / "out"
    stopped(name, out, monkeypatch, 12)
    first = tmp_path / "pictures/ant/0.png"
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(first)
    same(pack.pack(name, out, image_size=8), sources.load(name, None, 8))


@pytest.mark.parametrize("call", ["posix_fallocate", "fsync"])
def test_a_full_disk_is_a_line_and_no_data(tmp_path, monkeypatch, call):
    name, out = folder(tmp_path / "pictures"), tmp_path / "out"

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pack.os, call, full)
    with pytest.raises(UserError, match="--out: No space left on device"):
        pack.pack(name, out, image_size=8)
    assert not (out / npy.CLASSES).exists() and not list(out.glob("x_*.npy"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda out: (out / "y_test.npy").unlink(),
            "no such file.*datasets pack",
        ),
        (lambda out: (out / "x_train.npy").write_bytes(b""), "cannot be read"),
        (lambda out: np.save(out / "y_train.npy", np.array([{}])), "cannot be read"),
        (lambda out: np.save(out / "x_train.npy", np.zeros((12, 6, 6, 3))), "dtype"),
        (lambda out: (out / "classes.txt").write_text("a\n"), "names: 1; give one a"),
        (lambda out: (out / "classes.txt").write_text("a\na\nb\n"), "comes twice"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, change, said):
    out = tmp_path / "out"
    pack.pack(npz(tmp_path / "a.npz"), out)
    change(out)
    with pytest.raises(UserError, match=said) as raised:
        sources.load(f"npy:{out}")
    assert str(out) in str(raised.value)


def test_names_of_folders_need_not_be_utf8(tmp_path, capsys):
    name = folder(tmp_path / os.fsdecode(b"lat\xe9"))
    ant = tmp_path / os.fsdecode(b"lat\xe9") / "ant"
    ant.rename(ant.with_name(os.fsdecode(b"caf\xe9")))
    out = tmp_path / os.fsdecode(b"out\xe9")
    arguments = [name, "--image-size", "8", "--out", str(out)]
    assert main(["datasets", "pack", *arguments]) == 0
    same(sources.load(f"npy:{out}"), sources.load(name, None, 8))
    assert (out / "classes.txt").read_bytes() == b"bee\ncaf\xe9\ncat\n"
    said = capsys.readouterr().out
    assert "skipped: " in said and "udce9/broken.png" in said


@pytest.mark.parametrize("name", ["a\nb", "a\u2028", "\x85b"])
def test_a_class_whose_name_is_no_line_is_refused_first(tmp_path, name, monkeypatch):
    source = folder(tmp_path / "pictures")
    (tmp_path / "pictures" / "ant").rename(tmp_path / "pictures" / name)
    monkeypatch.setattr(pictures, "_decode", None)  # nothing is decoded
    with pytest.raises(UserError, match="a class's name: .*without line breaks"):
        pack.pack(source, tmp_path / "out", image_size=8)
    assert not (tmp_path / "out").exists()


def test_the_next_command_can_be_pasted(tmp_path, capsys):
    name, out = npz(tmp_path / "a.npz"), tmp_path / "my pack"
    assert main(["datasets", "pack", name, "--out", str(out)]) == 0
    assert f"gmmal run --dataset 'npy:{out}'\n" in capsys.readouterr().out
    assert main(["datasets", "pack", name, "--out", str(out)]) == 2
    assert f"use it, --dataset 'npy:{out}', or" in capsys.readouterr().err


def test_the_command_tells_what_to_do_next(tmp_path, capsys):
    name, out = npz(tmp_path / "a.npz"), str(tmp_path / "out")
    assert main(["datasets", "pack", name, "--out", out]) == 0
    said = capsys.readouterr().out
    assert "packed: 12 pictures of 6x6x3, and 6 to test with" in said
    assert f"gmmal run --dataset npy:{out}" in said
    for args, line in (
        ([name, "--out", out], "holds packed data"),
        ([f"npy:{out}", "--out", f"{out}2"], "mapped into memory already"),
        ([name, "--out", str(tmp_path)], "holds other files"),
        ([name, "--out", f"{out}2", "--image-size", "0"], "give a number of pixels"),
        ([f"{name}x", "--out", f"{out}2"], "no such file"),
    ):
        assert main(["datasets", "pack", *args]) == 2
        assert line in capsys.readouterr().err
    assert not (tmp_path / "out2").exists()
