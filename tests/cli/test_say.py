import subprocess
import sys

LINES = """
from voice_agent.cli.main import told
from voice_agent.cli.say import say

def run():
    say("first")
    input()
    say("second")
    say("third")
    return 0

raise SystemExit(told(run))
"""


def test_a_line_that_nobody_reads_ends_a_command_as_ctrl_c_does() -> None:
    command, pipe = [sys.executable, "-c", LINES], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        told = process.stderr.read()

    assert (first, process.returncode, told) == (b"first\n", 130, b"")
