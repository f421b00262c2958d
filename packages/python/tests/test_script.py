"""The shell script of docs/helper.md, on the fake helper."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fake_helper import HARMLESS
from terminal import started

SCRIPT = Path(__file__).parents[3] / "crates" / "cli" / "tests" / "helper.sh"
CODE = "import os, sys; os.execvp('bash', ['bash', *sys.argv[1:]])"


async def test_what_others_wrote_cannot_control_the_terminal(fake: str, tmp_path: Path) -> None:
    assert shutil.which("jq"), "jq is missing: apt-get install jq"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "matrix-qr").symlink_to(fake)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    directory = str(tmp_path / "lets_a_script_show_what_others_wrote")
    with started(CODE, str(SCRIPT), directory, "example.org", path=tmp_path, PATH=path) as terminal:
        # This answers no question.
        terminal.type("false\nfalse\n")
        await terminal.until(r"\[true/false\] ")
        terminal.type("true\n")
        assert await terminal.end() == 8
    one_fewer = HARMLESS.replace("\ufffdevil", "evil")
    assert terminal.screen.split("\r\n") == [
        "false",
        "false",
        "█▀▀",
        HARMLESS,
        f"Code for the consent page: {HARMLESS}",
        f"Join the account @{one_fewer}:example.org? [true/false] true",
        HARMLESS,
        "",
    ]
