"""Compiles the market-data kernel beside its source: run by the Makefile when the environment is made.

Where there is no compiler, one line says so and the desk uses the Python twin, which does the same more slowly. What
was compiled carries the digest of its source, so that an old one is never taken for the new (`kernel.py`).
"""

import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCE = _HERE / "kernel.c"
_INTERFACE = re.compile(r"/\* interface:.*?\*/(.*)/\* end of interface \*/", re.DOTALL)


def digest(source: Path = _SOURCE) -> str:
    """What a compiled kernel says of itself."""
    return hashlib.sha256(source.read_bytes()).hexdigest()[:16]


def compile_kernel(into: Path = _HERE, compiler_options: tuple[str, ...] = ("-O2",)) -> Path:
    """The compiled module's file. Raises what cffi and setuptools raise where they, the compiler or Python's headers
    are missing (ImportError, OSError, cffi.VerificationError)."""
    from cffi import FFI

    text = _SOURCE.read_text("utf-8")
    found = _INTERFACE.search(text)
    assert found is not None
    builder = FFI()
    builder.cdef(found[1])
    builder.set_source(
        "_kernel",
        text,
        define_macros=[("CD_SOURCE", f'"{digest()}"')],
        # One rounding for every operation and none fused, on every processor: the twin must come to the same figures.
        extra_compile_args=[*compiler_options, "-std=c11", "-ffp-contract=off"],
        libraries=["m"],
    )
    with tempfile.TemporaryDirectory(prefix="copydesk-kernel-") as work:
        made = Path(builder.compile(tmpdir=work))
        # Moved into place in one step: a desk that runs keeps the file that it has open.
        arriving = into / f".{made.name}.new"
        shutil.copyfile(made, arriving)
        return arriving.replace(into / made.name)


def main() -> int:
    try:
        compile_kernel()
    except Exception as error:  # noqa: BLE001 - whatever a strange compiler does, the desk runs without it
        last = (str(error).strip() or repr(error)).splitlines()[-1]
        sys.stderr.write(f"market data: no compiled kernel ({last}); the Python twin is used.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
