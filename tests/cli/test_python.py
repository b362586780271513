"""`hubcheck.validate` from Python, as the command line does it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.command import BATCH_OF_1, GOOD


def test_validate_works_from_an_unguarded_script(tmp_path):
    """A script without `if __name__ == "__main__"` runs once, not once more in every worker."""
    script = tmp_path / "publish.py"
    script.write_text(
        f"import hubcheck\nprint('running')\nreport = hubcheck.validate({str(GOOD)!r})\nprint(report.exit_code)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["running", "0"], done.stderr


def test_raise_for_findings_shows_what_validate_prints():
    import hubcheck as package

    report = package.validate(BATCH_OF_1, static=True)
    with pytest.raises(package.FindingsError, match="dimension 0 is 1") as caught:
        report.raise_for_findings()
    assert [finding.rule for finding in caught.value.findings] == ["image-input/batch-size"]
    package.validate(GOOD, static=True).raise_for_findings()
