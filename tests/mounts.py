"""The two ways from a client to an emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary import KEY

from volc_dashscope import AsyncClient, Client, get_model_info
from volc_dashscope.emulator import Emulator


@dataclass
class Mount:
    """An emulator and how to reach it: through a transport in this process, or through a socket."""

    emulator: Emulator
    socket: bool

    def settings(self, provider: str) -> dict[str, Any]:
        """Return what a client or an integration of `provider` needs to reach the emulator on this mount."""
        if self.socket:
            url = self.emulator.ark_url if provider == "ark" else self.emulator.dashscope_url
            return {"api_key": KEY, "base_url": url}
        return {
            "api_key": KEY,
            "http_client": self.emulator.http_client(),
            "http_async_client": self.emulator.http_async_client(),
        }

    def client(self, model: str, **settings: Any) -> Client:
        return Client(model, **self._settings(model, settings))

    def async_client(self, model: str, **settings: Any) -> AsyncClient:
        return AsyncClient(model, **self._settings(model, settings))

    def _settings(self, model: str, settings: dict[str, Any]) -> dict[str, Any]:
        made = {**self.settings(self._provider(model, settings)), **settings}
        if self.socket and settings.get("route") == "openai":
            # To the client this is anybody's server, so the path has to be said.
            made["base_url"] = self.emulator.compatible_url
        return made

    @staticmethod
    def _provider(model: str, settings: dict[str, Any]) -> str:
        row = settings.get("model_info") or get_model_info(settings.get("base_model") or model)
        return row.provider if row is not None else settings["provider"]
