"""`gmmal encoders`: what makes features of pictures, and one that can be written."""

import shlex
import textwrap

from gmmal_jax import plugins
from gmmal_jax.cli import pages, parser
from gmmal_jax.cli.parser import Option, Parsed, Verb
from gmmal_jax.encoders import table
from gmmal_jax.errors import UserError, unknown


def _encoders(parsed: Parsed) -> int:
    print("gmmal embed --encoder ...")
    for name, kind in table.KINDS.items():
        _print(f"{name}:{kind.form}", kind)
    print("\ngmmal encoders export NAME --out FILE")
    for name, kind in table.EXPORTS.items():
        _print(name, kind)
    return 0


def _print(head: str, kind: table.Kind) -> None:
    indent = " " * 26
    for first, text in ((f"{head:<24}  ", kind.text), (indent, table.state(kind))):
        print(
            textwrap.fill(
                text, pages.WIDEST, initial_indent=first, subsequent_indent=indent,
                break_on_hyphens=False,
            )
        )  # fmt: skip


def _export(parsed: Parsed) -> int:
    """Run `gmmal encoders export NAME --out FILE`.

    Raises:
      UserError: no such encoder, packages that are not installed, a file that is there.
    """
    (name,) = parsed.words
    if name not in table.EXPORTS:
        raise unknown("gmmal encoders export: no such NAME", name, table.EXPORTS)
    out = parser.path(str(parser.one(parsed.given, "out")))
    if out.exists():
        raise UserError("--out: it is there already", str(out), "name another file")
    kind = table.EXPORTS[name]
    table.require(f"gmmal encoders export {name}", kind)
    plugins.resolve(kind.load, name)(out)
    print(f"encoder: {out} ({out.stat().st_size / 1e6:.1f} MB), {kind.text}")
    print(
        f"use it: gmmal embed --images PATH --encoder {shlex.quote(f'onnx:{out}')} "
        "--out FOLDER/features.npy"
    )
    return 0


ENCODERS = Verb(
    "encoders",
    "",
    "what makes features of pictures: installed, and how to get it",
    _encoders,
)
EXPORT = Verb(
    "encoders export",
    "NAME",
    "write an encoder trained by others as an ONNX file, offline",
    _export,
    (
        Option("out", "FILE", "The file to write, such as e.onnx.", required=True),
    ),
    more=lambda: f"NAME is {' or '.join(table.EXPORTS)}. gmmal encoders says what it "
    "needs.",
)  # fmt: skip
