"""The fixtures users import."""

from __future__ import annotations

import os

import httpx


def test_the_environment_points_at_the_socket(ark_dashscope_emulator_env):
    emulator = ark_dashscope_emulator_env
    body = {"model": "doubao-embedding-vision-251215", "input": [{"type": "text", "text": "a"}]}
    key = {"authorization": f"Bearer {os.environ['ARK_API_KEY']}"}
    reply = httpx.post(
        f"{os.environ['ARK_BASE_URL']}/embeddings/multimodal", json=body, headers=key, trust_env=False
    )

    assert (200, ["a"]) == (reply.status_code, emulator.ledger.texts)
    assert emulator.dashscope_url == os.environ["DASHSCOPE_BASE_URL"]


def test_the_plain_fixture_serves_in_process(ark_dashscope_emulator):
    with ark_dashscope_emulator.http_client() as client:
        reply = client.get(
            "https://dashscope.aliyuncs.com/api/v1/tasks/x", headers={"authorization": "Bearer k"}
        )

    assert "UNKNOWN" == reply.json()["output"]["task_status"]
