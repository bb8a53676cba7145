"""The overview is quick, each command loads alone, expected errors are one line and an exit code."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from stream_rec.cli import app
from stream_rec.errors import ConfigError, CorruptStateError

HEAVY = ("faust", "numba", "aiokafka", "kafka", "pydantic", "rocksdict", "numpy")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_overview_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['stream-rec', '--help']\nfrom stream_rec.cli.app import main\n"
        f"try:\n    main()\nfinally:\n    print('LOADED', [m for m in {HEAVY} if m in sys.modules])"
    )
    done = run(code)
    assert "LOADED []" in done.stdout, done.stderr
    assert all(name in done.stdout for name in app.COMMANDS)


@pytest.mark.parametrize("name", app.COMMANDS)
def test_every_command_of_the_table_loads(name: str) -> None:
    module = import_module(f"stream_rec.cli.{name.replace('-', '_')}")
    assert hasattr(module, "app") or module.command.__doc__


@pytest.mark.parametrize(("error", "code"), [(ConfigError("a: need b; got c."), 2), (CorruptStateError("bytes"), 70)])
def test_expected_errors_become_exit_codes(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def raises(_wanted: str | None) -> object:
        raise error

    monkeypatch.setattr(app, "build_app", raises)
    with pytest.raises(SystemExit) as exit_info:
        app.main()
    assert exit_info.value.code == code
    assert capsys.readouterr().err == f"{error}\n"
