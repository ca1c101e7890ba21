"""The endpoints as tools for agents, when the extra is installed."""

from __future__ import annotations

import importlib.util
import json

import httpx
import pytest

from tests.ui_gradio.serving import EyeServer, serving, uri

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mcp") is None, reason="the extra 'agents' is not installed"
)


def ask(eyes: EyeServer, method: str, host: str | None = None, **parameters: object) -> dict:
    answer = httpx.post(
        f"{eyes.page}gradio_api/mcp/",
        json={"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters},
        headers={
            "Accept": "application/json, text/event-stream",
            **({"Host": host} if host else {}),
        },
        timeout=60,
    )
    answer.raise_for_status()
    return json.loads(answer.text.partition("data: ")[2])["result"]


def test_agents_find_the_four_tools(eyes: EyeServer) -> None:
    """Names, required parameters and a description for each."""
    tools = {tool["name"]: tool for tool in ask(eyes, "tools/list")["tools"]}
    assert set(tools) == {"predict", "upload", "screen_frame", "health"}
    assert tools["upload"]["inputSchema"]["required"] == ["image"]
    for tool in tools.values():
        assert len(tool["description"]) > 40
        for parameter in tool["inputSchema"]["properties"].values():
            assert parameter["description"].endswith(".")


def test_an_agent_gets_the_answer_or_our_sentence() -> None:
    """A tool call goes through the same checks; a forged Host header leads nowhere else."""
    with serving() as eyes:
        good = ask(
            eyes, "tools/call", host="elsewhere.invalid", name="upload", arguments={"image": uri()}
        )
        assert "Conjunctivitis" in good["content"][0]["text"]
        bad = ask(eyes, "tools/call", name="upload", arguments={"image": "x"})
        assert bad["isError"]
        assert "Expected a picture as text" in bad["content"][0]["text"]


def test_the_page_works_without_agents() -> None:
    """Switched off, there is no tool server and everything else is as before."""
    with serving(agents=False) as eyes:
        assert httpx.get(f"{eyes.page}gradio_api/mcp/", timeout=30).status_code == 404
        assert eyes.call("upload", uri())[0] == "complete"
