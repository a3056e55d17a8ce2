"""The JavaScript peer must itself be right, or agreement with it proves nothing."""

import asyncio
import json

from tests.interop.js_peer import HERE, PATIENCE_SECONDS

from serbero.clock import SystemClock, within


async def test_peer_passes_every_vector(node_js: None) -> None:
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "selftest.mjs"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await within(SystemClock(), PATIENCE_SECONDS, process.communicate())
    assert process.returncode == 0, complaints.decode()
    counts = json.loads(out)
    assert counts["failed"] == 0
    assert counts["accepted"] >= 70, "the vectors were read"
    assert counts["refused"] >= 55, "and the invalid ones too"
