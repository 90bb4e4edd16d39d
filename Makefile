.DEFAULT_GOAL := help
.PHONY: help demo test lint record
DEV := .venv/bin/python

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /: /' | column -t -s ':'

demo:  ## Find pictures by text, image and both; no key needed
	@scripts/environment .venv-demo langchain,emulator demo
	@.venv-demo/bin/python examples/demo.py

test:  ## Run every offline test
	@scripts/environment .venv all demo test lint
	@$(DEV) -m pytest

lint:  ## Check style, types and layering
	@scripts/environment .venv all demo test lint
	@$(DEV) -m ruff check .
	@$(DEV) -m ruff format --check .
	@$(DEV) -m mypy
	@$(DEV) -m pytest tests/house/test_layering.py

record:  ## Record the live cassettes again (needs keys)
	@scripts/environment .venv all demo test lint
	@$(DEV) scripts/record.py
